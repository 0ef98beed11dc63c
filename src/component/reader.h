// SPDX-License-Identifier: Apache-2.0
// Reads the primitives of the binary formats (LEB128, names, vectors) with offsets for messages.
//
// Errors stick: after the first one every read returns zero and nothing advances, so a decoder
// checks reader_failed() where it loops or stores, not after every byte.
#pragma once

#include "base/arena.h"
#include "base/error.h"

// Vector elements that one file may declare in total; with the check of each count against the
// bytes that are left it bounds what decoding allocates.
#define READER_ITEMS_MAX 1000000u

// Where in the file a reader is, outermost last: "component 0, type 3".
struct reader_path {
    const struct reader_path *up;
    const char *what;
    uint32_t index;
    struct str name; // instead of the index when not empty
};

struct reader {
    const uint8_t *data;
    size_t pos;
    size_t end;          // reads stop here
    size_t base;         // offset of data[0] in the file
    const char *subject; // first word of messages: "component", "core module"
    const struct reader_path *path;
    uint32_t items_left;
    int rc; // 0, or the code of the first error
    struct error *err;
};

void reader_init(struct reader *r, struct str bytes, size_t base, const char *subject,
                 struct error *err);

static inline bool reader_failed(const struct reader *r)
{
    return r->rc != 0;
}
static inline bool reader_at_end(const struct reader *r)
{
    return r->rc != 0 || r->pos >= r->end;
}
static inline size_t reader_left(const struct reader *r)
{
    return r->end - r->pos;
}

// Records "SUBJECT: byte 0x..  (path): message" for the position `at`, unless there is an error
// already. Returns the reader's code.
int reader_fail_at(struct reader *r, size_t at, const char *fmt, ...) _printf_(3, 4);
#define reader_fail(r, ...) reader_fail_at((r), (r)->pos, __VA_ARGS__)

uint8_t reader_u8(struct reader *r);
uint8_t reader_peek(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
// Signed LEB128 of at most `bits` bits (32, 33 or 64).
int64_t reader_signed(struct reader *r, unsigned bits);
struct str reader_bytes(struct reader *r, size_t len);
// A length and that many bytes of UTF-8.
struct str reader_name(struct reader *r);
// A byte that must be 0 or 1.
bool reader_flag(struct reader *r, const char *what);
// The length of a vector whose elements take at least `bytes_min` each: what cannot fit is refused.
uint32_t reader_count(struct reader *r, size_t bytes_min, const char *what);
// An index below `count`.
uint32_t reader_index(struct reader *r, uint32_t count, const char *what);

// Reads a size and narrows the reader to that many bytes; returns the former end, for
// reader_leave(), which insists that all of them were read.
size_t reader_enter(struct reader *r, const char *what);
void reader_leave(struct reader *r, size_t end, const char *what);
