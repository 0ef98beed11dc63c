// SPDX-License-Identifier: Apache-2.0
// Dynamic values: any value of the component model beside its type, for callers that learn types at
// run time (`wash run --invoke`, tests). Bindings do not use them.
#pragma once

#include "component/canon.h"

// What it holds is said by its type, which the holder keeps beside it.
struct value {
    union {
        bool boolean;
        int64_t s64;    // s8 ... s64
        uint64_t u64;   // u8 ... u64
        float f32;      //
        double f64;     //
        uint32_t c;     // char: a Unicode scalar value
        uint32_t flags; // bit i: flag i
        struct str str; // string; list<u8> as its bytes
        struct {        // list, map (tuples of key and value), record, tuple
            struct value *items;
            uint32_t count;
        };
        struct {                   // variant, enum, option (0 none, 1 some), result (0 ok, 1 error)
            struct value *payload; // NULL: none
            uint32_t index;
        };
        struct { // own, borrow: identity of the resource type and representation
            const void *resource;
            void *rep;
        };
        struct stream *stream; // stream, future: the reading side, which is the holder's
    };
};

// True for list<u8>, whose values are `str`.
bool type_is_bytes(const struct type *t);

// Equal values of one type. Floats by their bits, but every NaN equals every other.
bool value_equal(const struct type *t, const struct value *a, const struct value *b);

// ---- through the canonical ABI ------------------------------------------------------------------

// Calls a lifted function of a guest: lowers `args` (one a parameter), invokes, lifts the result
// into `arena`, runs post-return and ends the call. `*result` is untouched when the type has none.
// Values that would take more than the arena's limit trap.
_must_use_ int value_call(struct canon_call *call, const void *func, const struct func_type *type,
                          const struct value *args, struct arena *arena, struct value *result);

// The two halves: arguments to the flat values of the core function (`flat` has room for
// TYPE_FLAT_MAX), and its flat results to a value.
_must_use_ int value_lower_params(struct canon_call *call, const struct func_type *type,
                                  const struct value *args, union core_value *flat);
_must_use_ int value_lift_result(struct canon_call *call, const struct func_type *type,
                                 union core_value *flat, struct arena *arena, struct value *result);

// The other direction: a guest calls a function given as values (an import).
_must_use_ int value_lift_params(struct canon_call *call, const struct func_type *type,
                                 union core_value *flat, struct arena *arena, struct value *args);
_must_use_ int value_lower_result(struct canon_call *call, const struct func_type *type,
                                  const struct value *result, union core_value *flat);

// One value: as flat core values (types of at most TYPE_FLAT_MAX), or at `ptr` in memory, whose
// range is checked.
_must_use_ int value_lower_flat(struct canon_call *call, const struct type *t,
                                const struct value *value, union core_value *flat);
_must_use_ int value_lift_flat(struct canon_call *call, const struct type *t,
                               union core_value *flat, struct arena *arena, struct value *out);
_must_use_ int value_store(struct canon_call *call, const struct type *t, const struct value *value,
                           uint32_t ptr);
_must_use_ int value_load(struct canon_call *call, const struct type *t, uint32_t ptr,
                          struct arena *arena, struct value *out);
