// SPDX-License-Identifier: Apache-2.0
// Generated code at work: test.wit's `kinds` is implemented here; `mirror` is a guest whose every
// function calls the one of the same name in `kinds`. A value that comes back from mirror was
// lowered, lifted, lowered and lifted again. The guest's memory moves at each realloc.
#include <errno.h>
#include <sys/wait.h>

#include "bind_test.h"
#include "testing/test.h"

#define MEMORY_BYTES 8192
#define MOVES_MAX    4096

struct guest {
    struct canon_call call;
    struct handle_table handles;
    struct arena arena;
    struct error error;
    uint32_t next;     // free memory
    uint32_t reallocs; // left, then it traps
    size_t move_count;
    uint8_t *moves[MOVES_MAX]; // memory as it was before
};

// A function of the guest: what it calls in `kinds`.
struct forward {
    const char *name;
    uint32_t slot;  // flat parameters
    uint32_t bytes; // of a result behind a pointer, 0: none
};

static int guest_realloc(struct canon_call *call, uint32_t old, uint32_t old_size, uint32_t align,
                         uint32_t size, uint32_t *out)
{
    struct guest *guest = container_of(call, struct guest, call);
    if (guest->reallocs-- == 0 || guest->move_count == MOVES_MAX)
        return canon_trap(call, "no more memory");
    uint8_t *moved = aligned_alloc(16, MEMORY_BYTES);
    memcpy(moved, call->memory, MEMORY_BYTES);
    guest->moves[guest->move_count++] = call->memory;
    call->memory = moved;
    *out = (guest->next + align - 1) & ~(align - 1);
    guest->next = *out + size;
    return 0;
}

static const struct host_func *find_func(const char *name)
{
    for (uint32_t i = 0; i < t_bind_kinds.func_count; i++)
        if (str_is(t_bind_kinds.funcs[i].name, name))
            return &t_bind_kinds.funcs[i];
    test_fail(__FILE__, __LINE__, "no function %s", name);
}

static int guest_invoke(struct canon_call *call, const void *func, union core_value *flat)
{
    const struct forward *forward = func;
    uint32_t at = 0;
    if (forward->bytes) {
        int rc = guest_realloc(call, 0, 0, 8, forward->bytes, &at);
        if (rc < 0)
            return rc;
        flat[forward->slot].u32 = at;
    }
    int rc = find_func(forward->name)->lower(call, flat);
    canon_call_end(call);
    if (forward->bytes)
        flat[0].u32 = at;
    return rc;
}

// After it no byte of the results is left.
static int guest_post_return(struct canon_call *call, const void *func, union core_value *flat)
{
    memset(call->memory, 0xee, MEMORY_BYTES);
    return 0;
}

static const struct canon_ops guest_ops = {
    .realloc = guest_realloc, .invoke = guest_invoke, .post_return = guest_post_return};

static struct guest *guest_new(void)
{
    struct guest *guest = mem_new(struct guest);
    handle_table_init(&guest->handles);
    guest->arena = ARENA_INIT(1 << 20);
    guest->next = 1024;
    guest->reallocs = UINT32_MAX;
    guest->call = (struct canon_call){.memory = aligned_alloc(16, MEMORY_BYTES),
                                      .memory_size = MEMORY_BYTES,
                                      .handles = &guest->handles,
                                      .arena = &guest->arena,
                                      .error = &guest->error,
                                      .ops = &guest_ops,
                                      .may_leave = true};
    memset(guest->call.memory, 0xcc, MEMORY_BYTES);
    return guest;
}

static void guest_freep(struct guest **guest)
{
    for (size_t i = 0; i < (*guest)->move_count; i++)
        free((*guest)->moves[i]);
    free((*guest)->call.memory);
    handle_table_done(&(*guest)->handles);
    arena_done(&(*guest)->arena);
    error_done(&(*guest)->error);
    free(*guest);
}

#define GUEST(name)                                                                                \
    _cleanup_(guest_freep) struct guest *name = guest_new();                                       \
    struct canon_call *call = &name->call

#define CHECK_TRAP(guest, rc, words)                                                               \
    do {                                                                                           \
        CHECK_INT((rc), -EFAULT);                                                                  \
        CHECK_CONTAINS(error_text(&(guest)->error), words);                                        \
    } while (0)

// ---- the host's side ----------------------------------------------------------------------------

struct t_bind_kinds_thing {
    uint32_t id;
};
static int things_live;
static int calls; // of handlers

int t_bind_kinds_thing_drop(struct canon_call *call, struct t_bind_kinds_thing *self)
{
    things_live--;
    free(self);
    return 0;
}

int t_bind_kinds_thing_constructor(struct canon_call *call, uint32_t id,
                                   struct t_bind_kinds_thing **ret)
{
    *ret = mem_new(struct t_bind_kinds_thing);
    (*ret)->id = id;
    things_live++;
    return 0;
}

int t_bind_kinds_thing_make(struct canon_call *call, uint32_t id, struct t_bind_kinds_thing **ret)
{
    return t_bind_kinds_thing_constructor(call, id, ret);
}

int t_bind_kinds_thing_id(struct canon_call *call, struct t_bind_kinds_thing *self, uint32_t *ret)
{
    *ret = self->id;
    return 0;
}

int t_bind_kinds_scalars(struct canon_call *call, bool a, int8_t b, uint8_t c, int16_t d,
                         uint16_t e, int32_t f, uint32_t g, int64_t h, uint64_t i, float j,
                         double k, uint32_t l, double *ret)
{
    CHECK(a && b == -1 && c == 255 && d == -2 && e == 65535 && f == -3 && g == UINT32_MAX &&
          h == INT64_MIN && i == UINT64_MAX && j < -0.5f && k > 0.5 && l == 0x1f370);
    *ret = k + (double)j;
    return 0;
}

#define ECHO(name, type)                                                                           \
    int t_bind_kinds_echo_##name(struct canon_call *call, type v, type *ret)                       \
    {                                                                                              \
        calls++;                                                                                   \
        *ret = v;                                                                                  \
        return 0;                                                                                  \
    }
#define ECHO_POINTER(name, type)                                                                   \
    int t_bind_kinds_echo_##name(struct canon_call *call, const type *v, type *ret)                \
    {                                                                                              \
        calls++;                                                                                   \
        *ret = *v;                                                                                 \
        return 0;                                                                                  \
    }

#define MIXED t_tuple_bool_bind_kinds_color_bind_kinds_perms_char

ECHO(s8, int8_t)
ECHO(u16, uint16_t)
ECHO(count, uint64_t)
ECHO(f32, float)
ECHO(char, uint32_t)
ECHO(color, enum t_bind_kinds_color)
ECHO(perms, uint8_t)
ECHO(wide, uint16_t)
ECHO(tone, enum t_bind_kinds_tone)
ECHO(string, struct str)
ECHO(bytes, struct str)
ECHO(points, struct t_list_bind_kinds_point)
ECHO(padded, struct t_list_bind_kinds_padded)
ECHO(strings, struct t_list_list_string)
ECHO(mixed, struct t_list_tuple_bool_bind_kinds_color_bind_kinds_perms_char)
ECHO_POINTER(shape, struct t_bind_kinds_shape)
ECHO(option, struct t_option_option_u32)
ECHO(result, struct t_result_string_bind_kinds_color)
ECHO(unit, struct t_result_void_void)
ECHO(tuple, struct t_tuple_u8_string_f64)
ECHO_POINTER(person, struct t_bind_kinds_person)

int t_bind_kinds_many(struct canon_call *call, struct t_list_string first,
                      const struct t_bind_kinds_person *p, const struct t_bind_kinds_person *q,
                      uint8_t call_, uint32_t *ret)
{
    CHECK_INT(first.len, 2);
    CHECK_STR(first.data[1], "two");
    CHECK_STR(p->name, "Ada");
    CHECK_STR(q->tags.data[0], "math");
    CHECK(p->default_ && !q->default_ && q->letter == 'q');
    *ret = (uint32_t)call_ + p->age;
    return 0;
}

int t_bind_kinds_look(struct canon_call *call, struct t_list_bind_kinds_thing v, uint32_t *ret)
{
    for (size_t i = 0; i < v.len; i++)
        *ret += v.data[i]->id;
    return 0;
}

int t_bind_kinds_take(struct canon_call *call, struct t_bind_kinds_thing *a,
                      struct t_option_bind_kinds_thing b, struct t_list_bind_kinds_thing c,
                      enum t_bind_kinds_color d, uint32_t *ret)
{
    *ret = a->id;
    (void)t_bind_kinds_thing_drop(call, a);
    if (b.is_some) {
        *ret += b.some->id;
        (void)t_bind_kinds_thing_drop(call, b.some);
    }
    for (size_t i = 0; i < c.len; i++) {
        *ret += c.data[i]->id;
        (void)t_bind_kinds_thing_drop(call, c.data[i]);
    }
    return 0;
}

int t_bind_kinds_things(struct canon_call *call, uint32_t n,
                        struct t_list_tuple_bind_kinds_thing_string *ret)
{
    struct t_tuple_bind_kinds_thing_string *items =
        arena_new_array(call->arena, struct t_tuple_bind_kinds_thing_string, n);
    for (uint32_t i = 0; i < n; i++) {
        (void)t_bind_kinds_thing_constructor(call, i + 1, &items[i].f0);
        items[i].f1 = STR("name");
    }
    ret->data = items;
    ret->len = n;
    return 0;
}

int t_bind_kinds_nothing(struct canon_call *call)
{
    return canon_trap(call, "nothing to do");
}

static struct t_bind_kinds_thing *thing(uint32_t id)
{
    struct t_bind_kinds_thing *rep = NULL;
    (void)t_bind_kinds_thing_constructor(NULL, id, &rep);
    return rep;
}

// ---- values there and back
// ------------------------------------------------------------------------

TEST(scalars_cross)
{
    GUEST(guest);
    const struct forward scalars = {"scalars", 12, 0};
    double sum = 0;
    CHECK_INT(t_bind_mirror_scalars(call, &scalars, true, -1, 255, -2, 65535, -3, UINT32_MAX,
                                    INT64_MIN, UINT64_MAX, -1.5f, 2.0, 0x1f370, &sum),
              0);
    CHECK(sum > 0.49 && sum < 0.51);
}

#define CHECK_ECHO(name, type, value)                                                              \
    do {                                                                                           \
        const struct forward echo = {"echo-" #name, 1, 0};                                         \
        type got = 0;                                                                              \
        CHECK_INT(t_bind_mirror_echo_##name(call, &echo, (value), &got), 0);                       \
        CHECK(!(got < (value)) && !(got > (value)));                                               \
    } while (0)
#define CHECK_ECHO_2(name, ident, type, value)                                                     \
    do {                                                                                           \
        const struct forward echo = {name, 1, 0};                                                  \
        type got = 0;                                                                              \
        CHECK_INT(t_bind_mirror_echo_##ident(call, &echo, (value), &got), 0);                      \
        CHECK_INT(got, (value));                                                                   \
    } while (0)

TEST(single_values_cross)
{
    GUEST(guest);
    CHECK_ECHO(s8, int8_t, -127);
    CHECK_ECHO(u16, uint16_t, 0xfffe);
    CHECK_ECHO(count, uint64_t, UINT64_MAX - 1);
    CHECK_ECHO(f32, float, 0.25f);
    CHECK_ECHO_2("echo-char", char, uint32_t, 0x10ffffu);
    CHECK_ECHO_2("echo-color", color, enum t_bind_kinds_color, T_BIND_KINDS_COLOR_BLUE);
    CHECK_ECHO_2("echo-perms", perms, uint8_t, T_BIND_KINDS_PERMS_READ | T_BIND_KINDS_PERMS_EXEC);
    CHECK_ECHO_2("echo-wide", wide, uint16_t, T_BIND_KINDS_WIDE_F8);
    CHECK_ECHO_2("echo-tone", tone, enum t_bind_kinds_tone, T_BIND_KINDS_TONE_HIGH);
}

TEST(strings_and_lists_cross)
{
    GUEST(guest);
    struct str text = STR_EMPTY;
    const struct forward string = {"echo-string", 2, 8}, bytes = {"echo-bytes", 2, 8};
    CHECK_INT(t_bind_mirror_echo_string(call, &string, STR("caf\xc3\xa9"), &text), 0);
    CHECK_STR(text, "caf\xc3\xa9");
    CHECK_INT(t_bind_mirror_echo_bytes(call, &bytes, STR("\xff\x01"), &text), 0);
    CHECK_STR(text, "\xff\x01");
    CHECK_INT(t_bind_mirror_echo_bytes(call, &bytes, (struct str){NULL, 0}, &text), 0);
    CHECK_INT(text.len, 0);

    const struct forward points = {"echo-points", 2, 8}, padded = {"echo-padded", 2, 8};
    const struct t_bind_kinds_point p[] = {{1, -2}, {3, -4}};
    struct t_list_bind_kinds_point got = {0};
    CHECK_INT(
        t_bind_mirror_echo_points(call, &points, (struct t_list_bind_kinds_point){p, 2}, &got), 0);
    CHECK(got.len == 2 && memcmp(got.data, p, sizeof(p)) == 0);
    const struct t_bind_kinds_padded q[] = {{7, UINT64_MAX}, {8, 1}};
    struct t_list_bind_kinds_padded back = {0};
    CHECK_INT(
        t_bind_mirror_echo_padded(call, &padded, (struct t_list_bind_kinds_padded){q, 2}, &back),
        0);
    CHECK(back.len == 2 && back.data[0].small == 7 && back.data[0].large == UINT64_MAX &&
          back.data[1].small == 8 && back.data[1].large == 1);
}

TEST(nested_lists_cross)
{
    GUEST(guest);
    const struct str words[] = {STR_INIT("a"), STR_INIT(""), STR_INIT("ccc")};
    const struct t_list_string lists[] = {{words, 3}, {NULL, 0}, {words + 2, 1}};
    const struct forward strings = {"echo-strings", 2, 8}, mixed = {"echo-mixed", 2, 8};
    struct t_list_list_string got = {0};
    CHECK_INT(
        t_bind_mirror_echo_strings(call, &strings, (struct t_list_list_string){lists, 3}, &got), 0);
    CHECK(got.len == 3 && got.data[0].len == 3 && got.data[1].len == 0 && got.data[2].len == 1);
    CHECK_STR(got.data[0].data[0], "a");
    CHECK_STR(got.data[2].data[0], "ccc");

    const struct MIXED m[] = {{true, T_BIND_KINDS_COLOR_GREEN, 7, 'x'}, {false, 0, 0, 0xe000}};
    struct t_list_tuple_bool_bind_kinds_color_bind_kinds_perms_char in = {m, 2}, out = {0};
    CHECK_INT(t_bind_mirror_echo_mixed(call, &mixed, in, &out), 0);
    CHECK(out.len == 2 && out.data[0].f0 && out.data[0].f1 == T_BIND_KINDS_COLOR_GREEN &&
          out.data[0].f2 == 7 && out.data[0].f3 == 'x' && out.data[1].f3 == 0xe000);
}

TEST(variants_cross)
{
    GUEST(guest);
    const struct forward echo = {"echo-shape", 3, 16};
    struct t_bind_kinds_shape v = {.tag = T_BIND_KINDS_SHAPE_CIRCLE, .circle = 1.5f}, got;
    CHECK_INT(t_bind_mirror_echo_shape(call, &echo, &v, &got), 0);
    CHECK(got.tag == T_BIND_KINDS_SHAPE_CIRCLE && got.circle > 1.4f && got.circle < 1.6f);
    v = (struct t_bind_kinds_shape){.tag = T_BIND_KINDS_SHAPE_AREA, .area = -2.5};
    CHECK_INT(t_bind_mirror_echo_shape(call, &echo, &v, &got), 0);
    CHECK(got.tag == T_BIND_KINDS_SHAPE_AREA && got.area < -2.4 && got.area > -2.6);
    v = (struct t_bind_kinds_shape){.tag = T_BIND_KINDS_SHAPE_LABEL, .label = STR("label")};
    CHECK_INT(t_bind_mirror_echo_shape(call, &echo, &v, &got), 0);
    CHECK_STR(got.label, "label");
    v = (struct t_bind_kinds_shape){.tag = T_BIND_KINDS_SHAPE_SPOT, .spot = {-7, 8}};
    CHECK_INT(t_bind_mirror_echo_shape(call, &echo, &v, &got), 0);
    CHECK(got.spot.x == -7 && got.spot.y == 8);
    struct t_bind_kinds_thing *held = thing(9);
    v = (struct t_bind_kinds_shape){.tag = T_BIND_KINDS_SHAPE_HELD, .held = held};
    CHECK_INT(t_bind_mirror_echo_shape(call, &echo, &v, &got), 0);
    CHECK(got.held == held && guest->handles.live == 0);
    (void)t_bind_kinds_thing_drop(call, held);
}

TEST(options_results_and_records_cross)
{
    GUEST(guest);
    const struct forward option = {"echo-option", 3, 12}, result = {"echo-result", 3, 12};
    struct t_option_option_u32 o;
    CHECK_INT(t_bind_mirror_echo_option(call, &option,
                                        (struct t_option_option_u32){true, {true, UINT32_MAX}}, &o),
              0);
    CHECK(o.is_some && o.some.is_some && o.some.some == UINT32_MAX);
    CHECK_INT(t_bind_mirror_echo_option(call, &option, (struct t_option_option_u32){true}, &o), 0);
    CHECK(o.is_some && !o.some.is_some);
    struct t_result_string_bind_kinds_color r = {.ok = STR("fine")}, got;
    CHECK_INT(t_bind_mirror_echo_result(call, &result, r, &got), 0);
    CHECK_STR(got.ok, "fine");
    r = (struct t_result_string_bind_kinds_color){true, {.err = T_BIND_KINDS_COLOR_BLUE}};
    CHECK_INT(t_bind_mirror_echo_result(call, &result, r, &got), 0);
    CHECK(got.is_err && got.err == T_BIND_KINDS_COLOR_BLUE);
    const struct forward unit = {"echo-unit", 1, 0}, tuple = {"echo-tuple", 4, 24};
    struct t_result_void_void u = {false};
    CHECK_INT(t_bind_mirror_echo_unit(call, &unit, (struct t_result_void_void){true}, &u), 0);
    CHECK(u.is_err);
    struct t_tuple_u8_string_f64 t = {200, STR_INIT("t"), 0.5}, t2;
    CHECK_INT(t_bind_mirror_echo_tuple(call, &tuple, t, &t2), 0);
    CHECK(t2.f0 == 200 && t2.f2 > 0.4 && t2.f2 < 0.6);
    CHECK_STR(t2.f1, "t");
}

static const struct str tags[] = {STR_INIT("math"), STR_INIT("poetry")};
static const struct str numbers[] = {STR_INIT("one"), STR_INIT("two")};
static const struct t_bind_kinds_person ada = {STR_INIT("Ada"), 36, true, {tags, 2}, 'a'};

TEST(many_parameters_go_through_memory)
{
    GUEST(guest);
    const struct forward person = {"echo-person", 7, 28}, many = {"many", 1, 0};
    struct t_bind_kinds_person got, other = ada;
    CHECK_INT(t_bind_mirror_echo_person(call, &person, &ada, &got), 0);
    CHECK_STR(got.name, "Ada");
    CHECK_STR(got.tags.data[1], "poetry");
    CHECK(got.age == 36 && got.default_ && got.letter == 'a');
    other.default_ = false;
    other.letter = 'q';
    uint32_t sum = 0;
    CHECK_INT(
        t_bind_mirror_many(call, &many, (struct t_list_string){numbers, 2}, &ada, &other, 4, &sum),
        0);
    CHECK_INT(sum, 40);
}

// ---- handles
// --------------------------------------------------------------------------------------

TEST(own_handles_move)
{
    GUEST(guest);
    const struct forward take = {"take", 6, 0}, things = {"things", 1, 8};
    struct t_bind_kinds_thing *list[] = {thing(4), thing(8)};
    uint32_t sum = 0;
    CHECK_INT(t_bind_mirror_take(
                  call, &take, thing(1), (struct t_option_bind_kinds_thing){true, thing(2)},
                  (struct t_list_bind_kinds_thing){list, 2}, T_BIND_KINDS_COLOR_RED, &sum),
              0);
    CHECK(sum == 15 && things_live == 0 && guest->handles.live == 0);
    struct t_list_tuple_bind_kinds_thing_string got = {0};
    CHECK_INT(t_bind_mirror_things(call, &things, 3, &got), 0);
    CHECK(got.len == 3 && got.data[2].f0->id == 3 && guest->handles.live == 0);
    CHECK_STR(got.data[2].f1, "name");
    for (size_t i = 0; i < got.len; i++)
        (void)t_bind_kinds_thing_drop(call, got.data[i].f0);
    CHECK_INT(things_live, 0);
}

TEST(borrowed_lists_and_drop)
{
    GUEST(guest);
    union core_value flat[17] = {{.u32 = 5}};
    CHECK_INT(find_func("[constructor]thing")->lower(call, flat), 0);
    uint32_t a = flat[0].u32;
    flat[0].u32 = 6;
    CHECK_INT(find_func("[static]thing.make")->lower(call, flat), 0);
    uint32_t b = flat[0].u32;
    CHECK_INT(find_func("[method]thing.id")->lower(call, flat), 0);
    CHECK_INT(flat[0].u32, 6);
    memcpy(call->memory + 64, (uint32_t[]){a, b, a}, 12);
    flat[0].u32 = 64;
    flat[1].u32 = 3;
    CHECK_INT(find_func("look")->lower(call, flat), 0);
    CHECK_INT(flat[0].u32, 16);
    CHECK_TRAP(guest, canon_resource_drop(call, &t_bind_kinds_thing_resource, a), "lends");
    canon_call_end(call);
    CHECK_INT(canon_resource_drop(call, &t_bind_kinds_thing_resource, a), 0);
    CHECK_INT(canon_resource_drop(call, &t_bind_kinds_thing_resource, b), 0);
    CHECK_INT(things_live, 0);
}

// Whatever step fails, every thing is either in the table or gone.
TEST(failing_calls_lose_no_handle)
{
    for (uint32_t reallocs = 0; reallocs < 8; reallocs++) {
        GUEST(guest);
        const struct forward things = {"things", 1, 8};
        struct t_list_tuple_bind_kinds_thing_string got = {0};
        guest->reallocs = reallocs;
        int rc = t_bind_mirror_things(call, &things, 3, &got);
        CHECK_INT(rc, reallocs < 5 ? -EFAULT : 0);
        for (size_t i = 0; i < got.len; i++)
            (void)t_bind_kinds_thing_drop(call, got.data[i].f0);
        canon_drop_all(call);
        CHECK_INT(things_live, 0);
    }
}

TEST(arguments_that_fail_go_back_into_the_table)
{
    GUEST(guest);
    uint32_t h[4];
    for (uint32_t i = 0; i < 4; i++)
        CHECK_INT(canon_lower_own(call, &t_bind_kinds_thing_resource, thing(i), &h[i]), 0);
    memcpy(call->memory + 64, (uint32_t[]){h[2], h[3], 77}, 12);
    union core_value flat[17] = {{.u32 = h[0]}, {.u32 = 1}, {.u32 = h[1]}, {.u32 = 64}, {.u32 = 3}};
    CHECK_TRAP(guest, find_func("take")->lower(call, flat), "unknown handle index 77");
    CHECK(guest->handles.live == 4 && things_live == 4);
    flat[4].u32 = 2;
    flat[5].u32 = 3;
    CHECK_TRAP(guest, find_func("take")->lower(call, flat), "3 is no case of `color`");
    CHECK(guest->handles.live == 4 && things_live == 4);
    flat[1].u32 = 2;
    CHECK_TRAP(guest, find_func("take")->lower(call, flat), "2 is no case of `option<thing>`");
    CHECK(guest->handles.live == 4 && things_live == 4);
    canon_drop_all(call);
    CHECK_INT(things_live, 0);
}

// ---- hostile guests
// -------------------------------------------------------------------------------

TEST(bad_values_trap_before_the_handler)
{
    GUEST(guest);
    union core_value flat[17] = {{.u32 = 3}};
    calls = 0;
    CHECK_TRAP(guest, find_func("echo-color")->lower(call, flat), "3 is no case of `color`");
    flat[0].u32 = 0xd800;
    CHECK_TRAP(guest, find_func("echo-char")->lower(call, flat), "not a Unicode scalar");
    flat[0].u32 = 6;
    CHECK_TRAP(guest, find_func("echo-shape")->lower(call, flat), "6 is no case of `shape`");
    flat[0].u32 = MEMORY_BYTES - 1;
    flat[1].u32 = 2;
    flat[2].u32 = 0;
    CHECK_TRAP(guest, find_func("echo-string")->lower(call, flat), "outside the memory");
    flat[0].u32 = 2;
    CHECK_TRAP(guest, find_func("echo-points")->lower(call, flat), "not aligned to 4");
    flat[0].u32 = 0;
    flat[1].u32 = UINT32_MAX;
    CHECK_TRAP(guest, find_func("echo-padded")->lower(call, flat), "longer than the limit");
    flat[0].u32 = 7;
    CHECK_TRAP(guest, find_func("[method]thing.id")->lower(call, flat), "unknown handle index 7");
    // The return pointer is checked before the handler runs.
    flat[0].u32 = flat[1].u32 = 0;
    flat[2].u32 = MEMORY_BYTES - 4;
    CHECK_TRAP(guest, find_func("echo-bytes")->lower(call, flat), "outside the memory");
    flat[2].u32 = 6;
    CHECK_TRAP(guest, find_func("echo-bytes")->lower(call, flat), "not aligned to 4");
    CHECK_INT(calls, 0);
    CHECK_TRAP(guest, find_func("nothing")->lower(call, flat), "nothing to do");
}

TEST(odd_values_are_narrowed)
{
    GUEST(guest);
    union core_value flat[17] = {{.u32 = 0xffffff80}};
    CHECK_INT(find_func("echo-s8")->lower(call, flat), 0);
    CHECK_INT(flat[0].i32, -128);
    flat[0].u32 = 0x12345;
    CHECK_INT(find_func("echo-u16")->lower(call, flat), 0);
    CHECK_INT(flat[0].u32, 0x2345);
    flat[0].u32 = UINT32_MAX;
    CHECK_INT(find_func("echo-perms")->lower(call, flat), 0);
    CHECK_INT(flat[0].u32, 7);
    // A bool in memory is any byte but 0; (true, red, no flags, 'a').
    memcpy(call->memory + 64, "\x80\0\0\0a\0\0\0", 8);
    flat[0].u32 = 64;
    flat[1].u32 = 1;
    flat[2].u32 = 128;
    CHECK_INT(find_func("echo-mixed")->lower(call, flat), 0);
    uint32_t at = canon_load32(call->memory + 128);
    CHECK(canon_load32(call->memory + 132) == 1 && call->memory[at] == 1);
    CHECK_INT(canon_load32(call->memory + at + 4), 'a');
}

TEST(parameters_in_memory_are_checked)
{
    GUEST(guest);
    union core_value flat[17] = {{.u32 = MEMORY_BYTES - 8}};
    CHECK_TRAP(guest, find_func("many")->lower(call, flat), "outside the memory");
    flat[0].u32 = 2;
    CHECK_TRAP(guest, find_func("many")->lower(call, flat), "not aligned to 4");
}

// ---- the generator itself
// ---------------------------------------------------------------------------

// Runs wit-bind on later.wit, which it must refuse; what it says goes to `text`.
static void refused(const char *arguments, char *text, size_t size)
{
    const char *program = getenv("WIT_BIND"), *wit = getenv("WIT_BIND_LATER");
    if (!program || !wit)
        test_skip("WIT_BIND and WIT_BIND_LATER are not set");
    _cleanup_(mem_freep) char *command =
        mem_printf("'%s' --prefix t --header /dev/null --source /dev/null %s '%s' 2>&1", program,
                   arguments, wit);
    FILE *pipe = popen(command, "re");
    CHECK(pipe);
    size_t len = fread(text, 1, size - 1, pipe);
    text[len] = 0;
    CHECK_INT(WEXITSTATUS(pclose(pipe)), 1);
}

TEST(what_cannot_be_bound_is_refused_by_name)
{
    char text[1024];
    refused("--import later/slow", text, sizeof(text));
    CHECK_CONTAINS(text, "function `wait` of test:later/slow@1.0.0: type `list<u32, 4>` cannot be");
    refused("--import later/bytes", text, sizeof(text));
    CHECK_CONTAINS(text, "function `read` of test:later/bytes@1.0.0: type `error-context` cannot");
    refused("--import later/none", text, sizeof(text));
    CHECK_CONTAINS(text, "there is no interface `later/none`");
}

TEST(descriptors_match)
{
    for (uint32_t i = 0; i < t_bind_mirror.func_count; i++) {
        const struct host_func *mirror = &t_bind_mirror.funcs[i];
        _cleanup_(mem_freep) char *name = str_dup(mirror->name);
        const struct host_func *func = find_func(name);
        CHECK(mirror->type != func->type && !mirror->lower);
        struct arena arena = ARENA_INIT(SIZE_MAX);
        bool equal = func_type_equal(mirror->type, func->type, NULL, NULL, &arena, NULL);
        arena_done(&arena);
        CHECK(equal);
    }
    CHECK_STR(t_bind_kinds.name, "test:bind/kinds@1.0.0");
    CHECK_INT(t_bind_kinds.resource_count, 1);
    CHECK_STR(t_bind_kinds.resources[0]->name, "thing");
    CHECK_STR(t_bind_kinds.resources[0]->interface, "test:bind/kinds@1.0.0");
}
