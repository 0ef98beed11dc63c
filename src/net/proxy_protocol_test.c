// SPDX-License-Identifier: Apache-2.0
#include "net/proxy_protocol.h"

#include <errno.h>

#include "testing/test.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR      "\xC0\x00\x02\x01\xC6\x33\x64\x07\x9C\x40\x01\xBB" // 192.0.2.1:40000, 198.51.100.7:443

// What the header says, or why it is refused.
static const char *read_text(struct str data)
{
    static char text[256];
    char source[NET_IP_TEXT_BYTES], destination[NET_IP_TEXT_BYTES];
    struct proxy_header header;
    ERROR(err);
    if (proxy_header_parse(data, &header, &err) < 0) {
        snprintf(text, sizeof(text), "%s", error_text(&err));
        return text;
    }
    net_endpoint_format_ip(&header.source, source, sizeof(source));
    net_endpoint_format_ip(&header.destination, destination, sizeof(destination));
    snprintf(text, sizeof(text), "%s%s %u to %s %u%s%.*s%s", header.is_local ? "local " : "",
             source, header.source.port, destination, header.destination.port,
             header.authority.len ? " for " : "", STR_ARG(header.authority),
             header.is_tls ? " over TLS" : "");
    return text;
}

TEST(proxy_headers_tell_who_is_behind_the_proxy)
{
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x11\x00\x0C" FOUR)),
               "192.0.2.1 40000 to 198.51.100.7 443");
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x21\x00\x24"
                                       "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                       "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x02"
                                       "\x00\x50\x1F\x90")),
               "2001:db8::1 80 to 2001:db8::2 8080");
    CHECK_TEXT(read_text(STR(SIGNATURE "\x20\x00\x00\x00")), "local - 0 to - 0");
    // A local header's content does not matter.
    CHECK_TEXT(read_text(STR(SIGNATURE "\x20\xFF\x00\x03xyz")), "local - 0 to - 0");
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x00\x00\x00")), "- 0 to - 0");
}

TEST(proxy_headers_have_extensions)
{
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x11\x00\x21" FOUR "\x02\x00\x09"
                                       "a.example"
                                       "\x04\x00\x03...\xEA\x00\x00")),
               "192.0.2.1 40000 to 198.51.100.7 443 for a.example");
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x11\x00\x14" FOUR "\x20\x00\x05\x01\0\0\0\0")),
               "192.0.2.1 40000 to 198.51.100.7 443 over TLS");
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x11\x00\x13" FOUR "\x20\x00\x04\x01\0\0\0")),
               "PROXY protocol: the part about TLS is too short");
}

TEST(proxy_headers_are_checked)
{
    // The checksum comes from another implementation.
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x11\x00\x13" FOUR "\x03\x00\x04\xB9\x96\x52\xF9")),
               "192.0.2.1 40000 to 198.51.100.7 443");
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x11\x00\x13" FOUR "\x03\x00\x04\xB9\x96\x52\xF8")),
               "PROXY protocol: the checksum is wrong");
    CHECK_TEXT(read_text(STR(SIGNATURE "\x21\x11\x00\x12" FOUR "\x03\x00\x03\x0D\x6E\xF4")),
               "PROXY protocol: the checksum is wrong");
}

TEST(proxy_headers_that_are_none_are_refused)
{
    CHECK_CONTAINS(read_text(STR("GET / HTTP/1.1\r\n")), "does not begin with a header");
    CHECK_CONTAINS(read_text(STR("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")), "does not begin");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x11\x11\x00\x0C" FOUR)), "version is not 2");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x22\x11\x00\x0C" FOUR)), "unknown command");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x21\x12\x00\x0C" FOUR)), "none of a stream");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x21\x41\x00\x0C" FOUR)), "none of a stream");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x21\x21\x00\x0C" FOUR)), "addresses are cut");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x21\x11\x00\x0D" FOUR)), "not complete");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x21\x11\x00\x0E" FOUR "\x02\x00")), "is cut");
    CHECK_CONTAINS(read_text(STR(SIGNATURE "\x21\x11\x00\x10" FOUR "\x02\x00\x02.")), "longer");
}

TEST(proxy_header_lengths_are_known_early)
{
    struct str header = STR(SIGNATURE "\x21\x11\x00\x0C" FOUR "GET /");
    for (size_t len = 0; len < PROXY_HEADER_FIXED_BYTES; len++)
        CHECK_INT(proxy_header_len(str_sub(header, 0, len), NULL), -EAGAIN);
    CHECK_INT(proxy_header_len(header, NULL), 28);
    CHECK_INT(proxy_header_len(STR("\r\n\r\r"), NULL), -EPROTO);
    CHECK_INT(proxy_header_len(STR(SIGNATURE "\x31"), NULL), -EPROTO);
    ERROR(err);
    CHECK_INT(proxy_header_len(STR(SIGNATURE "\x21\x11\x10\x00"), &err), -EPROTO);
    CHECK_CONTAINS(error_text(&err), "4112 bytes, the limit is 4096");
}
