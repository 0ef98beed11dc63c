// SPDX-License-Identifier: Apache-2.0
// Request heads: the verdict does not depend on how the bytes are cut, and what is accepted keeps
// what the parser promises. The first byte chooses the cut.
#include <assert.h>

#include "http/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_parser_limits limits = {512, 4096, 16};

static void check_accepted(const struct http_parser *parser)
{
    const struct http_head *head = &parser->head;
    assert(http_name_valid(head->method) && head->target.len > 0);
    assert(head->target.data[0] == '/' || str_is(head->target, "*"));
    for (size_t i = 0; i < head->target.len; i++)
        assert(head->target.data[i] > ' ' && head->target.data[i] < 0x7f);
    assert(head->version_minor == 0 || http_authority_valid(head->authority));
    assert(!head->chunked || (!head->has_content_length && head->version_minor == 1));
    for (uint32_t i = 0; i < parser->field_count; i++) {
        struct str name = parser->fields[i].name;
        assert(http_name_valid(name) && http_value_valid(parser->fields[i].value));
        assert(!http_name_is_hop_by_hop(name));
        for (size_t j = 0; j < name.len; j++)
            assert(name.data[j] == ascii_lower(name.data[j]));
    }
}

static void check_same(const struct http_parser *a, const struct http_parser *b)
{
    assert(str_eq(a->head.method, b->head.method) && str_eq(a->head.target, b->head.target));
    assert(str_eq(a->head.authority, b->head.authority));
    assert(a->head.content_length == b->head.content_length && a->field_count == b->field_count);
    for (uint32_t i = 0; i < a->field_count; i++) {
        assert(str_eq(a->fields[i].name, b->fields[i].name));
        assert(str_eq(a->fields[i].value, b->fields[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t len = size - 1, cut = len * data[0] / 255;
    struct http_field whole_fields[16], part_fields[16];
    struct http_parser whole, parts;
    char *text = mem_dup(data + 1, len), *first = mem_dup(data + 1, cut), *all = NULL;
    http_parser_init(&whole, &limits, whole_fields);
    http_parser_init(&parts, &limits, part_fields);
    ssize_t whole_rc = http_parser_run(&whole, text, len);
    ssize_t parts_rc = http_parser_run(&parts, first, cut);
    if (parts_rc == 0) {
        all = mem_dup(data + 1, len);
        memcpy(all, first, cut);
        http_parser_moved(&parts, first, all);
        parts_rc = http_parser_run(&parts, all, len);
    }
    assert(whole_rc == parts_rc && whole.fault == parts.fault);
    if (whole_rc > 0) {
        check_accepted(&whole);
        check_same(&whole, &parts);
    }
    free(text);
    free(first);
    free(all);
    return 0;
}
