// SPDX-License-Identifier: Apache-2.0
// Small components that ask for much: each is decided in bounded time and memory.
#include <time.h>

#include "base/buf.h"
#include "component/validate.h"
#include "component/decode.h"
#include "testing/test.h"

#define PREAMBLE       "\0asm\x0d\0\1\0"
#define BYTES_MAX      ((size_t)64 << 20)
#define SECONDS_MAX    20 // with sanitizers on a busy machine; a fraction of a second otherwise
#define SECTION_IMPORT 10
#define SECTION_TYPE   7
#define DOUBLINGS      60
#define INSTANCES      3000
#define MEMBERS        3000
#define DEFINITIONS    500000

static void put_byte(struct buf *out, unsigned byte)
{
    (void)!buf_add_char(out, (char)byte);
}

static void put_leb(struct buf *out, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(out, (unsigned)(value & 0x7f) | 0x80);
    put_byte(out, (unsigned)value);
}

static void put_section(struct buf *out, unsigned id, struct str body)
{
    put_byte(out, id);
    put_leb(out, body.len);
    buf_put(out, body);
}

static void put_name(struct buf *out, const char *prefix, unsigned number)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "%s%u", prefix, number);
    put_leb(out, (size_t)len);
    buf_put(out, str_of(name, (size_t)len));
}

// What decoding and validation say; fails when they take long.
static int decide(struct str bytes, struct error *err)
{
    clock_t start = clock();
    struct component *component;
    int rc = component_decode_any(bytes, &component, err);
    if (rc == 0) {
        rc = component_validate(component, NULL, err);
        component_free(component);
    }
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > SECONDS_MAX)
        test_fail(__FILE__, __LINE__, "%zu bytes took %g s", bytes.len, seconds);
    return rc;
}

static void check_refused(const struct buf *bytes, const char *words)
{
    ERROR(err);
    CHECK(decide(buf_str(bytes), &err) < 0);
    CHECK_CONTAINS(error_text(&err), words);
}

static void check_valid(const struct buf *bytes)
{
    ERROR(err);
    if (decide(buf_str(bytes), &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

TEST(nested_components_have_a_depth)
{
    BUF(inner, BYTES_MAX);
    buf_put(&inner, STR(PREAMBLE));
    for (int i = 0; i < 2000; i++) {
        BUF(outer, BYTES_MAX);
        buf_put(&outer, STR(PREAMBLE));
        put_section(&outer, 4, buf_str(&inner));
        buf_clear(&inner);
        buf_put(&inner, buf_str(&outer));
    }
    check_refused(&inner, "nested more than 32 deep");
}

// Types of components within types of components.
TEST(nested_component_types_have_a_depth)
{
    BUF(types, BYTES_MAX);
    for (int i = 0; i < 100000; i++)
        buf_put(&types, STR("\x41\1\1"));
    buf_put(&types, STR("\x41\0"));
    BUF(body, BYTES_MAX);
    put_leb(&body, 1);
    buf_put(&body, buf_str(&types));
    BUF(bytes, BYTES_MAX);
    buf_put(&bytes, STR(PREAMBLE));
    put_section(&bytes, SECTION_TYPE, buf_str(&body));
    check_refused(&bytes, "nested more than");
}

// Each type is a tuple of twice the one before.
TEST(value_types_do_not_double_for_ever)
{
    BUF(body, BYTES_MAX);
    put_leb(&body, DOUBLINGS + 1);
    put_byte(&body, 0x79);
    for (unsigned i = 0; i < DOUBLINGS; i++) {
        buf_put(&body, STR("\x6f\2"));
        put_leb(&body, i);
        put_leb(&body, i);
    }
    BUF(bytes, BYTES_MAX);
    buf_put(&bytes, STR(PREAMBLE));
    put_section(&bytes, SECTION_TYPE, buf_str(&body));
    check_refused(&bytes, "type");
}

// Each instance type exports two instances of the one before; the last is imported.
TEST(instance_types_do_not_double_for_ever)
{
    BUF(bytes, BYTES_MAX);
    buf_put(&bytes, STR(PREAMBLE));
    put_section(&bytes, SECTION_TYPE, STR("\1\x42\0"));
    for (unsigned i = 0; i < DOUBLINGS; i++) {
        BUF(body, BYTES_MAX);
        // (instance (alias outer 1 i type) (export "a" (instance 0)) (export "b" (instance 0)))
        buf_put(&body, STR("\1\x42\3\2\3\2\1"));
        put_leb(&body, i);
        buf_put(&body, STR("\4\0\1a\5\0\4\0\1b\5\0"));
        put_section(&bytes, SECTION_TYPE, buf_str(&body));
    }
    BUF(import, BYTES_MAX);
    buf_put(&import, STR("\1\0\1x\5"));
    put_leb(&import, DOUBLINGS);
    put_section(&bytes, SECTION_IMPORT, buf_str(&import));
    check_refused(&bytes, "type");
}

TEST(counts_are_held_against_the_bytes)
{
    static const struct str sections[] = {
        STR_INIT(PREAMBLE "\7\5\xff\xff\xff\xff\x0f"),       // types
        STR_INIT(PREAMBLE "\7\7\1\x72\xff\xff\xff\xff\x0f"), // fields of a record
        STR_INIT(PREAMBLE "\7\7\1\x6d\xff\xff\xff\xff\x0f"), // names of an enum
        STR_INIT(PREAMBLE "\7\7\1\x40\xff\xff\xff\xff\x0f"), // parameters
        STR_INIT(PREAMBLE "\7\7\1\x41\xff\xff\xff\xff\x0f"), // declarators
        STR_INIT(PREAMBLE "\3\7\1\x50\xff\xff\xff\xff\x0f"), // of a module type
        STR_INIT(PREAMBLE "\3\7\1\x60\xff\xff\xff\xff\x0f"), // core parameters
        STR_INIT(PREAMBLE "\3\7\1\x4e\xff\xff\xff\xff\x0f"), // a recursion group
        STR_INIT(PREAMBLE "\5\7\1\1\xff\xff\xff\xff\x0f"),   // exports of an instance
        STR_INIT(PREAMBLE "\2\7\1\1\xff\xff\xff\xff\x0f"),   // of a core instance
        STR_INIT(PREAMBLE "\x0a\7\1\0\xff\xff\xff\xff\x0f"), // bytes of a name
        STR_INIT(PREAMBLE "\4\xff\xff\xff\xff\x0f"),         // bytes of a section
    };
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        ERROR(err);
        CHECK(decide(sections[i], &err) < 0);
        CHECK_CONTAINS(error_text(&err), "byte 0x");
    }
}

TEST(many_definitions_take_linear_time)
{
    BUF(types, BYTES_MAX);
    put_leb(&types, DEFINITIONS);
    for (unsigned i = 0; i < DEFINITIONS; i++)
        put_byte(&types, 0x79);
    BUF(imports, BYTES_MAX);
    put_leb(&imports, DEFINITIONS / 10);
    for (unsigned i = 0; i < DEFINITIONS / 10; i++) {
        put_byte(&imports, 0);
        put_name(&imports, "a", i);
        buf_put(&imports, STR("\3\0"));
        put_leb(&imports, i);
    }
    BUF(bytes, BYTES_MAX);
    buf_put(&bytes, STR(PREAMBLE));
    put_section(&bytes, SECTION_TYPE, buf_str(&types));
    put_section(&bytes, SECTION_IMPORT, buf_str(&imports));
    check_valid(&bytes);
}

// INSTANCES imports of an instance type with MEMBERS members: their product is not made.
TEST(large_instances_are_not_written_out)
{
    BUF(type, BYTES_MAX);
    put_leb(&type, 1);
    put_byte(&type, 0x42);
    put_leb(&type, MEMBERS + 1);
    buf_put(&type, STR("\1\x40\0\1\0"));
    for (unsigned i = 0; i < MEMBERS; i++) {
        buf_put(&type, STR("\4\0"));
        put_name(&type, "f", i);
        buf_put(&type, STR("\1\0"));
    }
    BUF(imports, BYTES_MAX);
    put_leb(&imports, INSTANCES);
    for (unsigned i = 0; i < INSTANCES; i++) {
        put_byte(&imports, 0);
        put_name(&imports, "i", i);
        buf_put(&imports, STR("\5\0"));
    }
    BUF(bytes, BYTES_MAX);
    buf_put(&bytes, STR(PREAMBLE));
    put_section(&bytes, SECTION_TYPE, buf_str(&type));
    put_section(&bytes, SECTION_IMPORT, buf_str(&imports));
    ERROR(err);
    (void)!decide(buf_str(&bytes), &err);
}
