// SPDX-License-Identifier: Apache-2.0
// What is rewritten of a core module, and what is left alone. That it does the same is tested by
// src/engine.
#include "component/core_bulk.h"

#include "component/core_module.h"
#include "component/writer.h"
#include "testing/test.h"

// A module with one function of no parameters, `func` its body without size and locals.
struct made {
    struct str memory; // a memory section's contents
    struct str body;
    struct str names; // contents of the function names; none if empty
    bool has_other_custom;
};

static void put_names(struct writer *w, struct str names)
{
    writer_u8(w, CORE_SECTION_CUSTOM);
    size_t section = writer_open(w);
    writer_name(w, STR("name"));
    writer_section(w, 0, STR("\x04main"));
    writer_section(w, 1, names);
    writer_section(w, 2, STR(""));
    writer_close(w, section);
}

static void make(const struct made *made, struct writer *w)
{
    writer_init(w, SIZE_MAX);
    writer_bytes(w, str_of("\0asm\1\0\0\0", 8));
    writer_section(w, CORE_SECTION_TYPE, str_of("\x01\x60\x00\x00", 4));
    writer_section(w, CORE_SECTION_FUNCTION, str_of("\x01\x00", 2));
    writer_section(w, CORE_SECTION_MEMORY, made->memory);
    writer_u8(w, CORE_SECTION_CODE);
    size_t section = writer_open(w);
    writer_u32(w, 1);
    size_t body = writer_open(w);
    writer_u32(w, 0);
    writer_bytes(w, made->body);
    writer_u8(w, 0x0b);
    writer_close(w, body);
    writer_close(w, section);
    if (made->has_other_custom)
        writer_section(w, CORE_SECTION_CUSTOM, STR("\x0b.debug_infoxyz"));
    if (made->names.len > 0)
        put_names(w, made->names);
}

static int rewrite(const struct made *made, struct buf *out, struct error *err)
{
    struct writer w;
    make(made, &w);
    int rc = core_bulk_write(buf_str(&w.bytes), out, err);
    writer_done(&w);
    if (rc != 1)
        CHECK_INT(out->len, 0);
    return rc;
}

static struct str find(const struct buf *bytes, struct str what)
{
    const char *at = memmem(bytes->data, bytes->len, what.data, what.len);
    return at ? str_of(at, what.len) : STR_EMPTY;
}

static void check_rewritten(const struct made *made, struct buf *out, uint32_t added)
{
    ERROR(err);
    if (rewrite(made, out, &err) != 1)
        test_fail(__FILE__, __LINE__, "not rewritten: %s", error_text(&err));
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct core_module module;
    if (core_module_decode(buf_str(out), 0, &arena, &module, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    CHECK_INT(module.func_count, 1 + added);
    CHECK_INT(module.type_count, 1 + added);
    arena_done(&arena);
}

static void check_left(struct str memory, struct str body)
{
    ERROR(err);
    BUF(out, SIZE_MAX);
    struct made made = {.memory = memory, .body = body};
    int rc = rewrite(&made, &out, &err);
    if (rc != 0)
        test_fail(__FILE__, __LINE__, "answered %d %s", rc, error_text(&err));
}

static void check_refused(struct str memory, struct str body, const char *why)
{
    ERROR(err);
    BUF(out, SIZE_MAX);
    struct made made = {.memory = memory, .body = body};
    CHECK(rewrite(&made, &out, &err) < 0);
    CHECK_CONTAINS(error_text(&err), why);
}

#define BYTES(text)  str_of(text, sizeof(text) - 1)
#define ZEROS        "\x41\x00\x41\x00\x41\x00"
#define FILL         "\xfc\x0b\x00"
#define COPY         "\xfc\x0a\x00\x00"
#define UNKNOWN_SIZE "\x41\x00\x41\x00\x41\x00\x01" // the constant is not the instruction before

TEST(what_has_no_large_fill_or_copy_is_left)
{
    struct str memory = BYTES("\x01\x00\x01");
    check_left(memory, STR_EMPTY);
    check_left(memory, BYTES("\x41\x8b\xfc\x0b\x1a"));              // 0xfc 0x0b within a constant
    check_left(memory, BYTES("\x41\x00\x41\x00\x41\xe4\x00" FILL)); // 100 bytes
    check_left(memory, BYTES("\x41\x00\x41\x00\x41\x80\x80\x02" COPY)); // a whole piece
    check_left(memory, BYTES("\x41\x00\x41\x00\x41\x00\xfc\x11\x00"));  // table.fill
}

TEST(each_kind_and_pair_of_memories_has_one_function)
{
    struct str memory = BYTES("\x03\x00\x01\x04\x01\x00\x01");
    struct str bodies[] = {
        BYTES(UNKNOWN_SIZE FILL UNKNOWN_SIZE FILL),
        BYTES(UNKNOWN_SIZE COPY UNKNOWN_SIZE FILL),
        BYTES(UNKNOWN_SIZE COPY UNKNOWN_SIZE "\xfc\x0a\x00\x02" UNKNOWN_SIZE "\xfc\x0a\x02\x00"),
        BYTES("\x41\x00\x41\x00\x41\x81\x80\x02" FILL), // a byte more than a piece
        BYTES("\x41\x00\x41\x00\x41\x7f" FILL),         // -1
        BYTES(UNKNOWN_SIZE "\xfc\x8b\x80\x00\x80\x00"), // numbers longer than they need be
    };
    static const uint32_t added[] = {1, 2, 3, 1, 1, 1};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        BUF(out, SIZE_MAX);
        check_rewritten(&(struct made){.memory = memory, .body = bodies[i]}, &out, added[i]);
    }
}

TEST(names_are_kept_and_others_added)
{
    BUF(out, SIZE_MAX);
    struct made made = {.memory = BYTES("\x01\x00\x01"),
                        .body = BYTES(UNKNOWN_SIZE FILL UNKNOWN_SIZE COPY),
                        .names = BYTES("\x01\x00\x05outer"),
                        .has_other_custom = true};
    check_rewritten(&made, &out, 2);
    CHECK(find(&out, BYTES("\x03\x00\x05outer\x01\x0bmemory.fill\x02\x0bmemory.copy")).len > 0);
    CHECK(find(&out, STR("\x04main")).len > 0);
    CHECK(find(&out, STR(".debug_info")).len == 0);
}

TEST(names_that_are_cut_short_do_no_harm)
{
    BUF(out, SIZE_MAX);
    struct made made = {.memory = BYTES("\x01\x00\x01"),
                        .body = BYTES(UNKNOWN_SIZE FILL),
                        .names = BYTES("\x02\x00\x7fouter")};
    check_rewritten(&made, &out, 1);
}

TEST(what_is_not_understood_is_refused)
{
    struct str memory = BYTES("\x01\x00\x01");
    check_refused(memory, BYTES(UNKNOWN_SIZE FILL "\xff"), "unknown instruction 0xff");
    check_refused(memory, BYTES(UNKNOWN_SIZE "\xfc\x0b\x01"), "memory");
    check_refused(memory, BYTES(UNKNOWN_SIZE FILL "\x10\x01"), "index");
    char many[1 + 2 * (CORE_BULK_MEMORIES_MAX + 1)] = {CORE_BULK_MEMORIES_MAX + 1};
    check_refused(str_of(many, sizeof(many)), BYTES(UNKNOWN_SIZE FILL), "101 memories");
}
