// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "testing/test.h"

TEST(str_cut_and_trim)
{
    struct str head, rest;
    CHECK(str_cut(STR("a=b=c"), '=', &head, &rest));
    CHECK_STR(head, "a");
    CHECK_STR(rest, "b=c");
    CHECK(!str_cut(STR("abc"), '=', &head, &rest));
    CHECK_STR(head, "abc");
    CHECK_STR(rest, "");
    CHECK_STR(str_trim(STR(" \t x y\r\n")), "x y");
    CHECK_STR(str_sub(STR("hello"), 3, 10), "lo");
    CHECK_STR(str_sub(STR("hello"), 9, 1), "");
    CHECK_INT(str_find(STR("hello"), STR("lo")), 3);
    CHECK_INT(str_find(STR("hello"), STR("x")), -1);
    CHECK(str_eq_nocase(STR("Content-Type"), STR("content-TYPE")));
    CHECK(!str_eq_nocase(STR("a"), STR("ab")));
    CHECK(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
}

TEST(str_to_u64_refuses_what_is_not_a_number)
{
    uint64_t value = 7;
    CHECK_INT(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &value), 0);
    CHECK(value == UINT64_MAX);
    CHECK_INT(str_to_u64(STR("18446744073709551616"), UINT64_MAX, &value), -ERANGE);
    CHECK_INT(str_to_u64(STR("11"), 10, &value), -ERANGE);
    CHECK_INT(str_to_u64(STR(""), 10, &value), -EINVAL);
    CHECK_INT(str_to_u64(STR("+1"), 10, &value), -EINVAL);
    CHECK_INT(str_to_u64(STR("1 "), 10, &value), -EINVAL);
    CHECK(value == UINT64_MAX);
}

TEST(buf_stops_at_its_maximum_and_keeps_its_content)
{
    BUF(buf, 8);
    CHECK_INT(buf_add(&buf, "12345", 5), 0);
    CHECK_INT(buf_add(&buf, "6789", 4), -ENOBUFS);
    CHECK_STR(buf_str(&buf), "12345");
    CHECK_INT(buf_printf(&buf, "%d", 678), 0);
    buf_consume(&buf, 6);
    CHECK_STR(buf_str(&buf), "78");
    _cleanup_(mem_freep) char *text = buf_take(&buf);
    CHECK_TEXT(text, "78");
    CHECK_INT(buf.len, 0);
}

TEST(arena_gives_zeroed_aligned_memory_and_honours_its_limit)
{
    struct arena arena = ARENA_INIT(10000);
    for (size_t size = 1; size < 6000; size = size * 3 + 1) {
        unsigned char *ptr = arena_alloc(&arena, size);
        CHECK((uintptr_t)ptr % 16 == 0);
        for (size_t i = 0; i < size; i++)
            CHECK(ptr[i] == 0);
        memset(ptr, 0xff, size);
    }
    CHECK(arena_try_alloc(&arena, 10001) == NULL);
    arena_reset(&arena);
    CHECK(arena_try_alloc(&arena, 10000) != NULL);
    CHECK(arena_try_alloc(&arena, 1) == NULL);
    CHECK_STR(arena_printf(&arena, "%s-%d", "x", 5), "x-5");
    arena_done(&arena);
}

TEST(arena_release_goes_back_to_a_mark)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct arena_mark empty = arena_mark(&arena);
    memset(arena_alloc(&arena, 100), 1, 100);
    struct arena_mark mark = arena_mark(&arena);
    char *first = arena_alloc(&arena, 100);
    for (int i = 0; i < 10; i++)
        memset(arena_alloc(&arena, 3000), 1, 3000);
    arena_release(&arena, mark);
    CHECK_INT(arena.used, mark.used);
    CHECK(arena_alloc(&arena, 100) == first);
    arena_release(&arena, empty);
    CHECK_INT(arena.used, 0);
    memset(arena_alloc(&arena, 5000), 1, 5000);
    arena_done(&arena);
}

TEST(map_finds_replaces_and_keeps_order)
{
    struct map map = {0};
    static char keys[1000][8];
    for (int i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        CHECK(map_put(&map, str_from(keys[i]), keys[i]) == NULL);
    }
    CHECK_INT(map.len, 1000);
    for (int i = 0; i < 1000; i++) {
        CHECK(map_get(&map, str_from(keys[i])) == keys[i]);
        CHECK(map.entries[i].value == keys[i]);
    }
    CHECK(map_get(&map, STR("k1000")) == NULL);
    CHECK(map_put(&map, STR("k5"), keys) == keys[5]);
    CHECK(map_get(&map, STR("k5")) == keys);
    CHECK_INT(map.len, 1000);
    map_done(&map);
}

TEST(utf8_accepts_scalars_only)
{
    CHECK(utf8_valid(STR("")));
    CHECK(utf8_valid(STR("plain ascii, longer than a word")));
    CHECK(utf8_valid(STR("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80")));
    CHECK_INT(utf8_valid_prefix(STR("abc\xff")), 3);
    CHECK_INT(utf8_valid_prefix(STR("12345678\xc3")), 8);
    CHECK(!utf8_valid(STR("\xc0\x80")));         // overlong
    CHECK(!utf8_valid(STR("\xe0\x9f\xbf")));     // overlong
    CHECK(!utf8_valid(STR("\xed\xa0\x80")));     // surrogate
    CHECK(!utf8_valid(STR("\xf4\x90\x80\x80"))); // over U+10FFFF
    CHECK(!utf8_valid(STR("\x80")));
    for (uint32_t scalar = 0; scalar <= 0x10ffff; scalar += 7) {
        char bytes[4];
        size_t pos = 0;
        if (!utf8_is_scalar(scalar))
            continue;
        size_t len = utf8_encode(scalar, bytes);
        CHECK_INT(utf8_decode(str_of(bytes, len), &pos), scalar);
        CHECK_INT(pos, len);
    }
}

TEST(errors_gain_context_on_the_way_up)
{
    ERROR(err);
    CHECK_INT(error_set(&err, -EINVAL, "bad %s", "digit"), -EINVAL);
    CHECK_INT(error_wrap(&err, "read %d", 5), -EINVAL);
    CHECK_TEXT(error_text(&err), "read 5: bad digit");
    CHECK_INT(error_set_errno(&err, -ENOENT, "open x"), -ENOENT);
    CHECK_TEXT(error_text(&err), "open x: No such file or directory");
    CHECK_INT(error_set(NULL, -EIO, "nobody reads this"), -EIO);
    ERROR(other);
    CHECK_INT(error_move(&other, &err), -ENOENT);
    CHECK(err.message == NULL && other.message != NULL);
}

// Each quarter's length and digest count: what they are made of does not depend on threads.
static struct sha256 quarters_one_by_one(struct str data)
{
    struct sha256 digests[4];
    struct str parts[4];
    size_t quarter = data.len / 4;
    for (size_t i = 0; i < 4; i++) {
        size_t len = i < 3 ? quarter : data.len - 3 * quarter;
        digests[i] = sha256_of(str_of(data.data + i * quarter, len));
        parts[i] = str_of((const char *)digests[i].bytes, SHA256_BYTES);
    }
    return sha256_of_parts(parts, 4);
}

TEST(sha256_of_quarters_covers_all_bytes)
{
    char data[1003];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    static const size_t lens[] = {0, 1, 3, 4, 7, 1000, 1003};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct sha256 a = sha256_of_quarters(str_of(data, lens[i]));
        struct sha256 b = quarters_one_by_one(str_of(data, lens[i]));
        CHECK(memcmp(&a, &b, sizeof(a)) == 0);
    }
}

TEST(sha256_of_known_text)
{
    char hex[SHA256_HEX_BYTES];
    struct sha256 digest = sha256_of(STR("abc"));
    sha256_hex(&digest, hex);
    CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct sha256 ab_c = sha256_of_parts((struct str[]){STR("ab"), STR("c")}, 2);
    struct sha256 a_bc = sha256_of_parts((struct str[]){STR("a"), STR("bc")}, 2);
    CHECK(memcmp(&ab_c, &a_bc, sizeof(ab_c)) != 0);
}

TEST(checksum_sees_every_flipped_bit_and_the_length)
{
    unsigned char data[100] = {0};
    uint64_t sum = checksum64(str_of((char *)data, sizeof(data)));
    for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        CHECK(checksum64(str_of((char *)data, sizeof(data))) != sum);
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK(checksum64(str_of((char *)data, 99)) != sum);
    CHECK(checksum64(str_of((char *)data, 0)) != sum);
}

TEST(vec_grows)
{
    VEC(int) numbers = {0};
    for (int i = 0; i < 100; i++)
        *vec_push(&numbers) = i;
    for (int i = 0; i < 100; i++)
        CHECK_INT(numbers.items[i], i);
    vec_done(&numbers);
    CHECK_INT(numbers.len, 0);
}

TEST(log_levels_by_name_and_number)
{
    enum log_level level;
    CHECK_INT(log_level_parse(STR("WARN"), &level), 0);
    CHECK_INT(level, LOG_WARN);
    CHECK_INT(log_level_parse(STR("5"), &level), 0);
    CHECK_INT(level, LOG_TRACE);
    CHECK_INT(log_level_parse(STR("loud"), &level), -EINVAL);
}
