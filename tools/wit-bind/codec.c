// SPDX-License-Identifier: Apache-2.0
// Codecs: how the elements of a stream or future go between C and guest memory.
#include "bind.h"

static void put_lower(struct bind *b, const struct type *t, const char *name)
{
    struct body body;
    body_init(&body, b);
    const char *c_type = bind_c_type(b, t);
    bool is_pointer = c_type[strlen(c_type) - 1] == '*';
    body_line(&body, is_pointer ? "%sconst *from = value;" : "const %s *from = value;", c_type);
    lower_value(&body, t, (struct place){false, "at", 0}, "(*from)", NULL);
    body_finish(&body, &b->glue,
                bind_head(b, bind_text(b, "static int codec_lower_%s", name),
                          "struct canon_call *call", "const void *value", "uint32_t at", NULL),
                true);
}

static void put_lift(struct bind *b, const struct type *t, const char *name)
{
    struct body body;
    body_init(&body, b);
    body_line(&body, "%s = value;", bind_declare(b, bind_text(b, "%s *", bind_c_type(b, t)), "to"));
    body_line(&body, "const uint8_t *at = call->memory + ptr;");
    lift_value(&body, t, (struct place){false, "at", 0}, "(*to)", true, NULL);
    body_finish(&body, &b->glue,
                bind_head(b, bind_text(b, "static int codec_lift_%s", name),
                          "struct canon_call *call", "uint32_t ptr", "void *value", NULL),
                true);
}

const char *codec(struct bind *b, const struct type *stream)
{
    const struct type *t = stream->element;
    if (!t)
        return "NULL";
    const char *name = bind_exact_name(b, t);
    const char *symbol = bind_text(b, "%s_codec_%s", b->prefix, name);
    const char *type = bind_text(b, "%s.type", symbol);
    if (!bind_is_new(b, symbol))
        return type;
    const char *c_type = bind_c_type(b, t);
    put_lower(b, t, name);
    put_lift(b, t, name);
    buf_putf(&b->protos, "extern const struct stream_codec %s;\n", symbol);
    buf_putf(&b->tables,
             "\nconst struct stream_codec %s = {\n    .type = &%s,\n    .size = sizeof(%s),\n"
             "    .lower = codec_lower_%s,\n    .lift = codec_lift_%s,\n};\n",
             symbol, shape_type(b, t), c_type, name, name);
    return type;
}
