// SPDX-License-Identifier: Apache-2.0
// Tables that map C structs to trees, one row a field: the single source for reading, its errors
// and printing.
//
//     static const struct field fields[] = {
//         {"address", FIELD_STRING, offsetof(struct dev, address)},
//         {"volumes", FIELD_RECORDS, offsetof(struct dev, volumes), .record = &volume_record},
//     };
//     static const struct record dev_record = RECORD(struct dev, fields);
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/vec.h"
#include "data/tree.h"

enum field_kind {
    FIELD_STRING,     // struct str; data NULL: absent
    FIELD_BOOL,       // bool; absent: false
    FIELD_INT,        // struct optional_int
    FIELD_STRINGS,    // struct strings
    FIELD_STRING_MAP, // struct string_map, in the order of the text
    FIELD_RECORD,     // pointer to a struct; NULL: absent
    FIELD_RECORDS,    // RECORD_LIST(struct x)
    FIELD_RECORD_MAP, // RECORD_MAP(struct x)
};

enum field_flags {
    FIELD_REQUIRED = 1,
    FIELD_NOT_NULL = 2,   // null is an error, not the same as absence
    FIELD_ANY_SCALAR = 4, // strings may be written as a number or bool
    FIELD_ALWAYS = 8,     // printed when absent or empty as well: null, false, [] or {}
};

struct optional_int {
    bool is_set;
    int64_t value;
};
struct strings {
    struct str *items;
    size_t len;
    bool is_set; // present, perhaps empty
};
struct string_pair {
    struct str key;
    struct str value;
};
struct string_map {
    struct string_pair *items;
    size_t len;
    bool is_set;
};
// What each kind of list and map of structs looks like to the tables.
struct record_list {
    void *items;
    size_t len;
    bool is_set;
};
struct record_map {
    void *items;
    size_t len;
    bool is_set;
    struct str *names; // of the items
};
#define RECORD_LIST(type)                                                                          \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t len;                                                                                \
        bool is_set;                                                                               \
    }
#define RECORD_MAP(type)                                                                           \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t len;                                                                                \
        bool is_set;                                                                               \
        struct str *names;                                                                         \
    }

struct record;

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    unsigned flags; // enum field_flags
    const struct record *record;
    int64_t min, max; // of an integer; both 0: any
};

struct record {
    const struct field *fields;
    size_t count;
    size_t size; // bytes of the struct
};
#define RECORD(type, fields_)                                                                      \
    {                                                                                              \
        (fields_), ARRAY_LEN(fields_), sizeof(type)                                                \
    }

struct record_reader {
    struct arena *arena;              // holds everything that is read
    const struct tree_source *source; // may be NULL
    // A key that no field has, in words, with the nearest that exists. May be NULL.
    void (*warn)(void *user, const char *message);
    void *user;
};

// Fills the zeroed struct from a map. Errors: "key `dev.address`: expected a string, found a number
// (FILE:LINE)".
_must_use_ int record_read(const struct record_reader *reader, const struct record *record,
                           const struct tree *tree, void *out, struct error *err);

// A map with the struct's fields in the table's order; absent and empty ones left out.
struct tree *record_print(const struct record *record, const void *in);

// " (FILE:LINE)" of a path, or nothing.
const char *record_place(const struct record_reader *reader, struct str path, char *out,
                         size_t out_len);
#define RECORD_PLACE_BYTES ((size_t)512)
