// SPDX-License-Identifier: Apache-2.0
// Value, function and resource types of the component model: one immutable, structural model for
// WIT text, decoded components and generated host bindings (CanonicalABI.md, Explainer.md "Types").
//
// Types live in an arena or are static; nodes are shared and never change once published.
#pragma once

#include "base/arena.h"

struct wit_typedef;

enum type_kind {
    TYPE_BOOL,
    TYPE_S8,
    TYPE_U8,
    TYPE_S16,
    TYPE_U16,
    TYPE_S32,
    TYPE_U32,
    TYPE_S64,
    TYPE_U64,
    TYPE_F32,
    TYPE_F64,
    TYPE_CHAR,
    TYPE_STRING,
    TYPE_ERROR_CONTEXT,
    TYPE_LIST,
    TYPE_FIXED_LIST,
    TYPE_MAP,
    TYPE_RECORD,
    TYPE_TUPLE,
    TYPE_VARIANT,
    TYPE_ENUM,
    TYPE_OPTION,
    TYPE_RESULT,
    TYPE_FLAGS,
    TYPE_OWN,
    TYPE_BORROW,
    TYPE_STREAM,
    TYPE_FUTURE,
};
#define TYPE_KIND_COUNT (TYPE_FUTURE + 1)

// Nesting of types that decoders and parsers accept; bounds every recursion over a type.
#define TYPE_DEPTH_MAX 100

// A resource type. Its identity is its address.
struct resource_type {
    struct str interface; // "wasi:http/types@0.2.12"; empty when not from an interface
    struct str name;      // "fields"
    uint32_t index;       // the owner's numbering (in a plan: index into plan->resources)
};

// A named or positional member: record field, tuple element (no name), variant case (type may be
// NULL), enum case and flag (type NULL), function parameter.
struct type_field {
    struct str name;
    const struct type *type;
};

// Canonical ABI facts with 32-bit memories. Flat types are 'i' i32, 'I' i64, 'f' f32, 'F' f64.
#define TYPE_FLAT_MAX 16 // flattened parameters before they are passed in memory
struct type_layout {
    uint32_t size;
    uint32_t align;
    // Number of flat values, or TYPE_FLAT_MAX + 1 for "more than that".
    uint8_t flat_count;
    char flat[TYPE_FLAT_MAX + 1];
    bool has_handles;  // own, borrow, stream, future or error-context inside
    bool has_pointers; // string or list inside: values are not self-contained in their bytes
    bool is_plain;     // integers and floats only: every bit pattern is valid, copy is memcpy
    bool has_padding;  // of a plain type: some of its bytes belong to no value
};

struct type {
    enum type_kind kind;
    struct str name;            // of a named type, else empty
    const struct type *element; // list, fixed list, option, stream, future, result's ok, map's key
    const struct type *error;   // result's error, map's value
    uint32_t length;            // fixed list
    const struct type_field *fields; // record, tuple, variant, enum, flags
    uint32_t field_count;
    const struct resource_type *resource; // own, borrow
    // Of a model of WIT (wit/wit.h), else NULL: the definition that a reference by name names, and
    // the one by which a handle that is no such reference names its resource.
    const struct wit_typedef *def;
    const struct wit_typedef *resource_def;
    struct type_layout layout; // zero in static descriptors used for comparison only
};

struct func_type {
    const struct type_field *params;
    uint32_t param_count;
    const struct type *result; // NULL: none
    bool is_async;
};

// The shared node of a primitive kind (bool ... string, error-context), with its layout.
const struct type *type_primitive(enum type_kind kind);

// Computes t->layout from its parts, which must have theirs. 0, or -EOVERFLOW when the size does
// not fit 32 bits (CanonicalABI.md "Alignment", "Element Size", "Flattening").
_must_use_ int type_compute_layout(struct type *t);

// Discriminant bytes of a variant, enum, option or result with `case_count` cases: 1, 2 or 4.
uint32_t type_discriminant_size(uint32_t case_count);
// Where the payload of a variant, option or result begins (0 for other kinds).
uint32_t type_payload_offset(const struct type *t);
// Number of cases and the payload type of case `i` of a variant, enum, option or result
// (option: 0 none, 1 some; result: 0 ok, 1 error). NULL: no payload.
uint32_t type_case_count(const struct type *t);
const struct type *type_case(const struct type *t, uint32_t i);

// Says whether two resource types are the same one. `data` is the caller's.
typedef bool (*resource_eq)(const struct resource_type *a, const struct resource_type *b,
                            void *data);

// Structural equality, names of fields and cases included, names of the types themselves not.
// `same` NULL compares resource types by address. On a difference *why (if not NULL) gets a phrase
// such as "field `seconds`: u64, not u32" allocated in `arena`.
bool type_equal(const struct type *want, const struct type *have, resource_eq same, void *data,
                struct arena *arena, struct str *why);
bool func_type_equal(const struct func_type *want, const struct func_type *have, resource_eq same,
                     void *data, struct arena *arena, struct str *why);

// The type as WIT text: its name when it has one, else written out ("list<u8>").
struct str type_to_text(const struct type *t, struct arena *arena);
struct str func_type_to_text(const struct func_type *t, struct arena *arena);
