// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "net/address.h"
#include "testing/test.h"

static const char *round_trip(const char *text)
{
    static char out[NET_ADDRESS_TEXT_BYTES];
    struct net_address address;
    ERROR(err);
    if (net_address_parse(str_from(text), &address, &err) < 0)
        return "refused";
    net_address_format(&address, out, sizeof(out));
    return out;
}

TEST(addresses_are_read_and_written)
{
    CHECK_TEXT(round_trip("127.0.0.1:8000"), "127.0.0.1:8000");
    CHECK_TEXT(round_trip("localhost:0"), "127.0.0.1:0");
    CHECK_TEXT(round_trip("[::1]:65535"), "[::1]:65535");
    CHECK_TEXT(round_trip("*:80"), "[::]:80");
    CHECK_TEXT(round_trip(":80"), "[::]:80");
    static const char *const bad[] = {
        "",        "127.0.0.1",    "127.0.0.1:",  "127.0.0.1:65536", "::1:80", "[::1:80",
        "host:80", "1.2.3.4.5:80", "[1.2.3.4]:1", "127.0.0.1:x",     "[]:80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK_TEXT(round_trip(bad[i]), "refused");
}

TEST(two_listeners_share_an_address)
{
    struct net_address address, bound;
    ERROR(err);
    CHECK_INT(net_address_parse(STR("127.0.0.1:0"), &address, &err), 0);
    int first = net_listen(&address, 16, &err);
    CHECK(first >= 0);
    CHECK_INT(net_local_address(first, &bound, &err), 0);
    int second = net_listen(&bound, 16, &err);
    CHECK(second >= 0);
    close(first);
    close(second);
}

TEST(listening_where_it_is_not_allowed_says_where)
{
    struct net_address address;
    ERROR(err);
    CHECK_INT(net_address_parse(STR("203.0.113.1:80"), &address, &err), 0);
    CHECK_INT(net_listen(&address, 16, &err), -EADDRNOTAVAIL);
    CHECK_CONTAINS(error_text(&err), "203.0.113.1:80");
}
