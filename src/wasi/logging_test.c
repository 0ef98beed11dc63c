// SPDX-License-Identifier: Apache-2.0
#include "wasi/logging.h"

#include "testing/test.h"

static void check_line(struct str context, struct str message, const char *want)
{
    BUF(line, SIZE_MAX);
    wasi_log_format(&line, STR("shop"), STR_EMPTY, context, message);
    CHECK_STR(buf_str(&line), want);
}

TEST(a_line_has_its_fields_before_the_message)
{
    check_line(STR("cart"), STR("3 items"), "workload=\"shop\" context=\"cart\" 3 items");
    BUF(line, SIZE_MAX);
    wasi_log_format(&line, STR("shop"), STR("critical"), STR_EMPTY, STR("out of \"stock\""));
    CHECK_STR(buf_str(&line), "workload=\"shop\" severity=critical context=\"\" out of \"stock\"");
}

TEST(a_message_forges_neither_lines_nor_fields)
{
    check_line(STR("a\" workload=\"b\\"), STR("x\n2026-01-01 error y\r\x1b[2J\t\x7f"),
               "workload=\"shop\" context=\"a\\\" workload=\\\"b\\\\\" "
               "x\\n2026-01-01 error y\\u000d\\u001b[2J\\t\\u007f");
    check_line(STR("n\nl"),
               STR("\xc2\x9b"
                   "1m\xe2\x80\xa8z \xc3\xa4"),
               "workload=\"shop\" context=\"n\\nl\" \\u009b1m\\u2028z \xc3\xa4");
}

TEST(long_text_is_cut_between_characters)
{
    char text[WASI_LOG_MESSAGE_BYTES_MAX + 10];
    memset(text, 'm', sizeof(text));
    memcpy(text + WASI_LOG_MESSAGE_BYTES_MAX - 1, "\xc3\xa4", 2);
    BUF(line, SIZE_MAX);
    wasi_log_format(&line, STR("shop"), STR_EMPTY, str_of(text, WASI_LOG_CONTEXT_BYTES_MAX + 1),
                    str_of(text, sizeof(text)));
    struct str got = buf_str(&line);
    CHECK(str_find(got, STR("m...\" m")) > 0);
    CHECK(str_ends(got, STR("m... (11 bytes more)")));
    buf_clear(&line);
    wasi_log_format(&line, STR("shop"), STR_EMPTY, STR_EMPTY,
                    str_of(text, WASI_LOG_MESSAGE_BYTES_MAX + 1));
    CHECK(str_ends(buf_str(&line), STR("m... (2 bytes more)")));
}
