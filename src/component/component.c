// SPDX-License-Identifier: Apache-2.0
// What a file is that is not a component, and the end of one that is.
#include "component/component.h"

#include <errno.h>

#include "base/utf8.h"
#include "component/decode.h"
#include "component/plan.h"

#define TEXT_PROBE_BYTES 512

static bool looks_like_text(struct str bytes)
{
    struct str probe = str_sub(bytes, 0, TEXT_PROBE_BYTES);
    // The probe may end inside a character.
    if (utf8_valid_prefix(probe) + 4 <= probe.len)
        return false;
    for (size_t i = 0; i < probe.len; i++) {
        unsigned char c = (unsigned char)probe.data[i];
        if (c < ' ' && !ascii_is_space((char)c))
            return false;
    }
    return true;
}

static bool looks_like_wit(struct str text)
{
    static const char *const words[] = {"package ", "interface ", "world "};
    struct str probe = str_sub(text, 0, TEXT_PROBE_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_find(probe, str_from(words[i])) >= 0)
            return true;
    return false;
}

static int refuse_text(struct str bytes, struct error *err)
{
    if (str_starts(str_trim(bytes), STR("(")))
        return error_set(err, -EINVAL,
                         "component: this is WebAssembly text, not a binary; "
                         "`wasm-tools parse` assembles it");
    if (looks_like_wit(bytes))
        return error_set(err, -EINVAL, "component: this is WIT text, not a component");
    return error_set(err, -EINVAL, "component: this is text, not a component");
}

int component_check_preamble(struct str bytes, struct error *err)
{
    static const char magic[4] = "\0asm";
    if (bytes.len == 0)
        return error_set(err, -EINVAL, "component: the file is empty");
    if (bytes.len > COMPONENT_BYTES_MAX)
        return error_set(err, -EFBIG, "component: the file has %zu bytes, more than %zu", bytes.len,
                         COMPONENT_BYTES_MAX);
    if (memcmp(bytes.data, magic, MIN(bytes.len, sizeof(magic))) != 0) {
        if (looks_like_text(bytes))
            return refuse_text(bytes, err);
        return error_set(err, -EINVAL,
                         "component: this is not WebAssembly: it does not begin with \"\\0asm\"");
    }
    if (bytes.len < 8)
        return error_set(err, -EINVAL,
                         "component: byte 0x%zx: the file ends inside its 8-byte preamble",
                         bytes.len);
    const uint8_t *b = (const uint8_t *)bytes.data;
    uint32_t version = (uint32_t)(b[4] | b[5] << 8);
    uint32_t layer = (uint32_t)(b[6] | b[7] << 8);
    if (layer == 0)
        return error_set(err, -EINVAL,
                         "component: this is a core WebAssembly module, not a component; "
                         "`wasm-tools component new` makes one of it");
    if (layer != 1 || version != 0x0d)
        return error_set(err, -EINVAL,
                         "component: byte 0x4: version %u, layer %u of the binary format is not "
                         "known (13, 1 is)",
                         version, layer);
    return 0;
}

// A WIT package in binary form is a component with nothing but type definitions and exports of
// component types, of which it has one at least.
int component_check_not_wit(const struct component *root, struct error *err)
{
    bool has_scope = false;
    bool has_export = false;
    for (uint32_t i = 0; i < root->def_count; i++) {
        const struct definition *def = &root->defs[i];
        if (def->kind == DEF_TYPE)
            has_scope |= def->type->kind == TYPE_DEF_COMPONENT;
        else if (def->kind != DEF_EXPORT || def->export->item.sort != SORT_TYPE)
            return 0;
        has_export |= def->kind == DEF_EXPORT;
    }
    if (!has_scope || !has_export)
        return 0;
    return error_set(err, -EINVAL,
                     "component: this is a WIT package in binary form, not a component");
}

void component_free(struct component *component)
{
    if (!component)
        return;
    // The component is in its own arena.
    struct arena *arena = component->arena;
    arena_done(arena);
    free(arena);
}
