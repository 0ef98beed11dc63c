// SPDX-License-Identifier: Apache-2.0
#include "component/guest_test.h"
#include "testing/test.h"

// ---- memory -------------------------------------------------------------------------------------

TEST(views_are_checked_for_bounds_alignment_and_size)
{
    GUEST(guest, ENCODING_UTF8);
    const void *data = NULL;
    CHECK_INT(canon_view(call, 16, 4, 8, 8, &data), 0);
    CHECK(data == guest->memory + 16);
    CHECK_INT(canon_view(call, GUEST_MEMORY_BYTES, 0, 8, 8, &data), 0);
    CHECK_INT(canon_view(call, GUEST_MEMORY_BYTES - 32, 4, 8, 8, &data), 0);
    CHECK_TRAP(guest, canon_view(call, 12, 4, 8, 8, &data), "not aligned to 8");
    CHECK_TRAP(guest, canon_view(call, GUEST_MEMORY_BYTES - 24, 4, 8, 8, &data),
               "outside the memory");
    CHECK_TRAP(guest, canon_view(call, GUEST_MEMORY_BYTES + 8, 0, 8, 8, &data),
               "outside the memory");
    CHECK_TRAP(guest, canon_view(call, 0xfffffff8, 4, 8, 8, &data), "outside the memory");
    CHECK_TRAP(guest, canon_view(call, 8, 0xffffffff, 8, 8, &data), "longer than the limit");
    call->memory_size = UINT64_C(1) << 32;
    CHECK_TRAP(guest, canon_view(call, 0, CANON_LIST_BYTES_MAX + 1, 1, 1, &data), "the limit");
}

TEST(allocation_checks_what_realloc_answers)
{
    GUEST(guest, ENCODING_UTF8);
    uint32_t ptr = 0, len = 0;
    CHECK_INT(canon_lower_bytes(call, "12345678", 2, 4, 4, &ptr, &len), 0);
    CHECK(ptr == 1024 && len == 2 && memcmp(guest->memory + ptr, "12345678", 8) == 0);
    CHECK(!guest->left_during && call->may_leave);
    // The guest is asked for nothing as well: preview1 adapters look at the pointer.
    CHECK_INT(canon_alloc(call, 0, 8, &ptr), 0);
    CHECK_INT(ptr, 1032);
    guest->answer = 1026;
    CHECK_TRAP(guest, canon_alloc(call, 4, 4, &ptr), "realloc returned a bad pointer");
    guest->answer = GUEST_MEMORY_BYTES - 4;
    CHECK_TRAP(guest, canon_alloc(call, 8, 4, &ptr), "outside the memory");
    CHECK_TRAP(guest, canon_lower_bytes(call, "", SIZE_MAX, 8, 8, &ptr, &len), "limit");
    CHECK_TRAP(guest, canon_lower_bytes(call, "", (size_t)1 << 28, 1, 1, &ptr, &len), "limit");
}

// ---- strings ------------------------------------------------------------------------------------

static const char *const texts[] = {"", "hello", "h\xc3\xa9llo", "\xe2\x82\xac 5",
                                    "\xf0\x9f\x8d\xb0 cake \xc3\xbf"};

TEST(strings_come_back_in_every_encoding)
{
    for (int encoding = ENCODING_UTF8; encoding <= ENCODING_LATIN1_UTF16; encoding++) {
        GUEST(guest, (enum string_encoding)encoding);
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            uint32_t ptr = 0, len = 0;
            struct str text = STR_EMPTY;
            CHECK_INT(canon_lower_string(call, str_from(texts[i]), &ptr, &len), 0);
            CHECK_INT(canon_lift_string(call, ptr, len, &text), 0);
            CHECK_STR(text, texts[i]);
        }
    }
}

TEST(strings_take_the_form_of_the_specification)
{
    GUEST(guest, ENCODING_LATIN1_UTF16);
    uint32_t ptr = 0, len = 0;
    CHECK_INT(canon_lower_string(call, str_from("h\xc3\xa9"), &ptr, &len), 0);
    CHECK(len == 2 && memcmp(guest->memory + ptr, "h\xe9", 2) == 0);
    CHECK_INT(canon_lower_string(call, str_from("\xe2\x82\xac!"), &ptr, &len), 0);
    CHECK(len == (2 | 0x80000000u) && memcmp(guest->memory + ptr, "\xac\x20!\0", 4) == 0);
}

static void change_text(struct guest *guest)
{
    memset(guest->memory + 16, 0xff, 8);
}

TEST(a_realloc_that_changes_the_text_changes_nothing)
{
    GUEST(guest, ENCODING_UTF16);
    uint32_t ptr = 0, len = 0;
    memcpy(guest->memory + 16, "original", 8);
    guest->during = change_text;
    CHECK_INT(canon_lower_string(call, str_of((char *)guest->memory + 16, 8), &ptr, &len), 0);
    CHECK_INT(len, 8);
    CHECK_INT(memcmp(guest->memory + ptr, "o\0r\0i\0g\0i\0n\0a\0l\0", 16), 0);
    CHECK_INT(guest->memory[16], 0xff);
}

TEST(strings_that_are_ill_formed_trap)
{
    struct str text = STR_EMPTY;
    GUEST(guest, ENCODING_UTF8);
    memcpy(guest->memory + 8, "ab\xed\xa0\x80", 5);
    CHECK_TRAP(guest, canon_lift_string(call, 8, 5, &text), "not valid UTF-8 at code unit 2 of 5");
    call->encoding = ENCODING_UTF16;
    memcpy(guest->memory + 8,
           "a\0\x00\xd8"
           "b\0",
           6);
    CHECK_TRAP(guest, canon_lift_string(call, 8, 3, &text), "not valid UTF-16 at code unit 1");
    CHECK_TRAP(guest, canon_lift_string(call, 8, 2, &text), "not valid UTF-16");
    CHECK_TRAP(guest, canon_lift_string(call, 9, 1, &text), "not aligned");
    CHECK_TRAP(guest, canon_lift_string(call, 8, 0x80000001, &text), "longer than the limit");
    call->encoding = ENCODING_LATIN1_UTF16;
    CHECK_TRAP(guest, canon_lift_string(call, GUEST_MEMORY_BYTES - 2, 0x80000002, &text),
               "outside");
}

TEST(chars_are_scalar_values)
{
    GUEST(guest, ENCODING_UTF8);
    uint32_t c = 0;
    CHECK_INT(canon_lift_char(call, 0x10ffff, &c), 0);
    CHECK_INT(c, 0x10ffff);
    CHECK_TRAP(guest, canon_lift_char(call, 0x110000, &c), "0x110000 is not a Unicode scalar");
    CHECK_TRAP(guest, canon_lift_char(call, 0xd800, &c), "0xd800 is not");
    CHECK_TRAP(guest, canon_lift_char(call, 0xdfff, &c), "0xdfff is not");
}

// ---- handles ------------------------------------------------------------------------------------

struct object {
    int drops;
    int children; // refuses to go while it has some
    struct object *parent;
};

static int object_drop(struct canon_call *call, void *rep)
{
    struct object *object = rep;
    if (object->children > 0)
        return canon_trap(call, "it has children");
    object->drops++;
    if (object->parent)
        object->parent->children--;
    return 0;
}

static const struct host_resource fields = {.interface = STR_INIT("wasi:http/types@0.2.12"),
                                            .name = STR_INIT("fields"),
                                            .drop = object_drop};
static const struct host_resource pollable = {.interface = STR_INIT("wasi:io/poll@0.2.12"),
                                              .name = STR_INIT("pollable"),
                                              .drop = object_drop};

TEST(handles_are_numbered_from_one_and_reused_last_first)
{
    GUEST(guest, ENCODING_UTF8);
    struct object object = {0};
    uint32_t a = 0, b = 0, c = 0;
    CHECK_INT(canon_lower_own(call, &fields, &object, &a), 0);
    CHECK_INT(canon_lower_own(call, &fields, &object, &b), 0);
    CHECK_INT(canon_lower_own(call, &pollable, &object, &c), 0);
    CHECK(a == 1 && b == 2 && c == 3 && guest->handles.live == 3);
    CHECK_INT(canon_resource_drop(call, &fields, a), 0);
    CHECK_INT(canon_resource_drop(call, &fields, b), 0);
    CHECK_INT(canon_lower_own(call, &fields, &object, &a), 0);
    CHECK_INT(a, 2);
    CHECK_INT(object.drops, 2);
}

TEST(handles_of_another_type_or_none_trap)
{
    GUEST(guest, ENCODING_UTF8);
    struct object object = {0};
    void *rep = NULL;
    uint32_t h = 0;
    CHECK_TRAP(guest, canon_lift_borrow(call, 0, &fields, &rep), "unknown handle index 0");
    CHECK_INT(canon_lower_own(call, &fields, &object, &h), 0);
    CHECK_TRAP(guest, canon_lift_borrow(call, 0, &fields, &rep), "unknown handle index 0");
    CHECK_TRAP(guest, canon_lift_borrow(call, h + 1, &fields, &rep), "unknown handle index 2");
    CHECK_TRAP(guest, canon_lift_borrow(call, h, &pollable, &rep),
               "handle 1 refers to a `fields`, not a `pollable`");
    CHECK_TRAP(guest, canon_lift_own(call, h, &pollable, &rep), "not a `pollable`");
    CHECK_TRAP(guest, canon_resource_drop(call, &pollable, h), "not a `pollable`");
    CHECK_INT(canon_resource_drop(call, &fields, h), 0);
    CHECK_TRAP(guest, canon_resource_drop(call, &fields, h), "unknown handle index 1");
    CHECK_INT(object.drops, 1);
}

TEST(lent_handles_stay_until_the_call_ends)
{
    GUEST(guest, ENCODING_UTF8);
    struct object object = {0};
    void *rep = NULL;
    uint32_t h = 0;
    CHECK_INT(canon_lower_own(call, &fields, &object, &h), 0);
    for (int i = 0; i < 100; i++)
        CHECK_INT(canon_lift_borrow(call, h, &fields, &rep), 0);
    CHECK(rep == &object);
    CHECK_INT(guest->handles.items[h].lends, 100);
    CHECK_TRAP(guest, canon_resource_drop(call, &fields, h), "has lends");
    CHECK_TRAP(guest, canon_lift_own(call, h, &fields, &rep), "has lends");
    canon_call_end(call);
    CHECK_INT(guest->handles.items[h].lends, 0);
    rep = NULL;
    CHECK_INT(canon_lift_own(call, h, &fields, &rep), 0);
    CHECK(rep == &object && guest->handles.live == 0 && object.drops == 0);
}

TEST(table_has_a_limit)
{
    GUEST(guest, ENCODING_UTF8);
    struct object object = {0};
    uint32_t h = 0;
    for (uint32_t i = 0; i < HANDLES_MAX; i++)
        CHECK_INT(canon_lower_own(call, &fields, &object, &h), 0);
    CHECK_TRAP(guest, canon_lower_own(call, &fields, &object, &h),
               "handle limit of 100000 handles (--max-handles) reached");
    CHECK_INT(canon_resource_drop(call, &fields, 5), 0);
    CHECK_INT(canon_lower_own(call, &fields, &object, &h), 0);
    canon_drop_all(call);
    CHECK_INT(object.drops, HANDLES_MAX + 1);
}

TEST(drop_handler_that_refuses_keeps_the_handle)
{
    GUEST(guest, ENCODING_UTF8);
    struct object parent = {.children = 1}, child = {.parent = &parent};
    uint32_t c = 0, p = 0;
    CHECK_INT(canon_lower_own(call, &fields, &child, &c), 0);
    CHECK_INT(canon_lower_own(call, &fields, &parent, &p), 0);
    CHECK_TRAP(guest, canon_resource_drop(call, &fields, p), "it has children");
    CHECK_INT(guest->handles.live, 2);
    // The parent has the higher index: it refuses at first and goes in the second pass.
    canon_drop_all(call);
    CHECK(parent.drops == 1 && child.drops == 1 && guest->handles.live == 0);
}

// ---- guest resources ----------------------------------------------------------------------------

static const struct resource_type counter = {.interface = STR_INIT("test:a/b"),
                                             .name = STR_INIT("counter")};

TEST(guest_resources_know_their_representation)
{
    GUEST(guest, ENCODING_UTF8);
    uint32_t h = 0, rep = 0;
    bool is_own = false;
    CHECK_INT(canon_resource_new(call, &counter, 77, &h), 0);
    CHECK_INT(canon_resource_rep(call, &counter, h, &rep), 0);
    CHECK_INT(rep, 77);
    CHECK_TRAP(guest, canon_resource_rep(call, &fields, h, &rep), "not a `fields`");
    CHECK_INT(canon_resource_remove(call, &counter, h, &is_own, &rep), 0);
    CHECK(is_own && rep == 77);
    CHECK_TRAP(guest, canon_resource_remove(call, &counter, h, &is_own, &rep), "unknown handle");
    CHECK_INT(canon_resource_new(call, &counter, 78, &h), 0);
    canon_drop_all(call);
    CHECK_INT(guest->handles.live, 0);
}

TEST(own_handles_move_between_tables)
{
    GUEST(a, ENCODING_UTF8);
    _cleanup_(guest_freep) struct guest *b = guest_new(ENCODING_UTF8);
    uint32_t h = 0, moved = 0, rep = 0;
    CHECK_INT(canon_resource_new(call, &counter, 5, &h), 0);
    CHECK_INT(canon_transfer_own(call, &b->call, &counter, h, &moved), 0);
    CHECK_INT(a->handles.live, 0);
    CHECK_INT(canon_resource_rep(&b->call, &counter, moved, &rep), 0);
    CHECK_INT(rep, 5);
    CHECK_TRAP(a, canon_transfer_own(call, &b->call, &counter, h, &moved), "unknown handle");
}

TEST(borrow_handles_live_in_the_scope_of_a_call)
{
    GUEST(a, ENCODING_UTF8);
    _cleanup_(guest_freep) struct guest *b = guest_new(ENCODING_UTF8);
    struct canon_resource resource = {.type = &counter, .definer = 7};
    struct canon_call *callee = &b->call;
    uint32_t h = 0, lent = 0, rep = 0;
    bool is_own = true;
    CHECK_INT(canon_resource_new(call, &counter, 5, &h), 0);
    CHECK_INT(canon_transfer_borrow(call, callee, &resource, h, &lent), 0);
    CHECK_INT(a->handles.items[h].lends, 1);
    CHECK_TRAP(b, canon_transfer_own(callee, call, &counter, lent, &rep), "is borrowed");
    CHECK_TRAP(b, canon_check_borrows(callee), "borrow handles still remain");
    CHECK_INT(canon_resource_remove(callee, &counter, lent, &is_own, &rep), 0);
    CHECK(!is_own);
    CHECK_INT(canon_check_borrows(callee), 0);
    canon_call_end(call);
    CHECK_INT(a->handles.items[h].lends, 0);
    // The component that implements the resource gets the representation itself.
    callee->component_instance = 7;
    CHECK_INT(canon_transfer_borrow(call, callee, &resource, h, &lent), 0);
    CHECK_INT(lent, 5);
    CHECK_INT(b->handles.live, 0);
    canon_call_end(call);
}

TEST(host_resources_pass_between_components)
{
    GUEST(a, ENCODING_UTF8);
    _cleanup_(guest_freep) struct guest *b = guest_new(ENCODING_UTF8);
    struct canon_resource resource = {.type = &fields, .definer = CANON_DEFINER_HOST};
    struct object object = {0};
    uint32_t h = 0, lent = 0;
    void *rep = NULL;
    CHECK_INT(canon_lower_own(call, &fields, &object, &h), 0);
    CHECK_INT(canon_transfer_borrow(call, &b->call, &resource, h, &lent), 0);
    CHECK_INT(canon_lift_borrow(&b->call, lent, &fields, &rep), 0);
    CHECK(rep == &object);
    CHECK_TRAP(b, canon_resource_drop(&b->call, &fields, lent), "has lends");
    canon_call_end(&b->call);
    CHECK_INT(canon_resource_drop(&b->call, &fields, lent), 0);
    CHECK_INT(object.drops, 0);
    CHECK_INT(canon_check_borrows(&b->call), 0);
    canon_call_end(call);
    CHECK_INT(canon_resource_drop(call, &fields, h), 0);
    CHECK_INT(object.drops, 1);
}
