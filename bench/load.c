// SPDX-License-Identifier: Apache-2.0
// Prints what decoding, validating and planning a component costs, of the files named and of two
// that are made here, of types alone: the densest there are. Usage: bench-load FILE...
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/file.h"
#include "component/component.h"
#include "component/plan.h"
#include "component/validate.h"

#define PREAMBLE     STR("\0asm\x0d\0\1\0")
#define BYTES_MAX    ((size_t)256 << 20)
#define MEASURE_NS   500000000u
#define TYPES        100000u
#define INTERFACES   20u
#define FUNCTIONS    2000u
#define SECTION_TYPE 7

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int load_once(struct str bytes, uint64_t ns[3], struct error *err)
{
    uint64_t start = now_ns();
    struct component *component;
    int rc = component_decode(bytes, &component, err);
    if (rc < 0)
        return rc;
    uint64_t decoded = now_ns();
    rc = component_validate(component, NULL, err);
    uint64_t validated = now_ns();
    struct plan *plan = NULL;
    if (rc == 0)
        rc = plan_new(component, &plan, err);
    uint64_t planned = now_ns();
    if (rc == 0)
        plan_free(plan);
    component_free(component);
    ns[0] += decoded - start;
    ns[1] += validated - decoded;
    ns[2] += planned - validated;
    return rc;
}

static int measure(const char *name, struct str bytes, struct error *err)
{
    uint64_t ns[3] = {0};
    uint64_t start = now_ns();
    double rounds = 0;
    do {
        int rc = load_once(bytes, ns, err);
        if (rc < 0)
            return error_wrap(err, "%s", name);
        rounds++;
    } while (now_ns() - start < MEASURE_NS);
    double total = (double)(ns[0] + ns[1] + ns[2]) / rounds;
    printf("| %s | %.2f | %.2f | %.2f | %.2f | %.0f |\n", name, (double)bytes.len / 1e6,
           (double)ns[0] / rounds / 1e6, (double)ns[1] / rounds / 1e6, (double)ns[2] / rounds / 1e6,
           (double)bytes.len * 1e3 / total);
    return 0;
}

// ---- components of types alone ------------------------------------------------------------------

static void put_leb(struct buf *out, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        (void)!buf_add_char(out, (char)((value & 0x7f) | 0x80));
    (void)!buf_add_char(out, (char)value);
}

// The number of a type where a primitive could stand: signed.
static void put_type(struct buf *out, size_t index)
{
    for (; index >= 0x40; index >>= 7)
        (void)!buf_add_char(out, (char)((index & 0x7f) | 0x80));
    (void)!buf_add_char(out, (char)index);
}

static void put_section(struct buf *out, char id, struct str body)
{
    (void)!buf_add_char(out, id);
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

// list<u8>, tuple<list<u8>, u32>, option<...>, list<u8>, ...
static void make_types(struct buf *out)
{
    BUF(body, BYTES_MAX);
    put_leb(&body, (size_t)TYPES * 3);
    for (unsigned i = 0; i < TYPES; i++) {
        buf_put(&body, STR("\x70\x7d\x6f\2"));
        put_type(&body, (size_t)i * 3);
        buf_put(&body, STR("\x79\x6b"));
        put_type(&body, (size_t)i * 3 + 1);
    }
    buf_put(out, PREAMBLE);
    put_section(out, SECTION_TYPE, buf_str(&body));
}

// Imports as a world of WIT has them: interfaces of functions with a record and a result each.
static void make_interfaces(struct buf *out)
{
    BUF(type, BYTES_MAX);
    (void)!buf_add_char(&type, 1);
    (void)!buf_add_char(&type, 0x42);
    put_leb(&type, (size_t)FUNCTIONS * 5);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        size_t first = (size_t)i * 4; // each function defines three types and exports one
        buf_put(&type, STR("\1\x72\2\4left\x79\5right\x73\4\0"));
        put_name(&type, "record", i);
        buf_put(&type, STR("\3\0"));
        put_leb(&type, first);
        buf_put(&type, STR("\1\x6a\1"));
        put_type(&type, first + 1);
        buf_put(&type, STR("\1\x73\1\x40\2\1a"));
        put_type(&type, first + 1);
        buf_put(&type, STR("\1b\x79\0"));
        put_type(&type, first + 2);
        buf_put(&type, STR("\4\0"));
        put_name(&type, "func", i);
        buf_put(&type, STR("\1"));
        put_leb(&type, first + 3);
    }
    buf_put(out, PREAMBLE);
    for (unsigned i = 0; i < INTERFACES; i++) {
        put_section(out, SECTION_TYPE, buf_str(&type));
        BUF(import, 64);
        buf_put(&import, STR("\1\0"));
        put_name(&import, "test:bench/interface", i);
        (void)!buf_add_char(&import, 5);
        put_leb(&import, i);
        put_section(out, 10, buf_str(&import));
    }
}

static int measure_made(const char *name, void (*make)(struct buf *out), struct error *err)
{
    BUF(bytes, BYTES_MAX);
    make(&bytes);
    return measure(name, buf_str(&bytes), err);
}

static int measure_file(const char *path, struct error *err)
{
    BUF(bytes, BYTES_MAX);
    int rc = file_read(path, &bytes, err);
    const char *slash = strrchr(path, '/');
    return rc < 0 ? rc : measure(slash ? slash + 1 : path, buf_str(&bytes), err);
}

int main(int argc, char **argv)
{
    ERROR(err);
    int rc = 0;
    printf("| component | MB | decode ms | validate ms | plan ms | MB/s "
           "|\n|---|---|---|---|---|---|\n");
    for (int i = 1; i < argc && rc == 0; i++)
        rc = measure_file(argv[i], &err);
    if (rc == 0)
        rc = measure_made("300,000 value types", make_types, &err);
    if (rc == 0)
        rc = measure_made("20 interfaces of 2,000 functions", make_interfaces, &err);
    if (rc < 0)
        fprintf(stderr, "bench-load: %s\n", error_text(&err));
    return rc < 0;
}
