// SPDX-License-Identifier: Apache-2.0
// Canonical ABI at run time, without an engine: what generated bindings, host functions and the
// engine share (CanonicalABI.md).
//
// A `struct canon_call` is one crossing of the boundary between a component instance and the host
// (or another component instance). Generated code reads flat arguments, views lists in place in
// linear memory and hands typed C values to handlers; results go the other way.
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "wit/type.h"

// One core value, laid out as the engine's raw value (16 bytes, little endian).
union core_value {
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    uint8_t v128[16];
};

enum string_encoding { ENCODING_UTF8, ENCODING_UTF16, ENCODING_LATIN1_UTF16 };

struct canon_call;
struct async_store;
struct host_job;

// A resource type provided by the host. Its identity is its address.
struct host_resource {
    struct str interface; // "wasi:http/types@0.2.12"
    struct str name;      // "fields"
    // Releases the representation when its last own handle goes. May refuse (a negative return with
    // call->error set traps the guest) while live children forbid it, except when call->teardown.
    // call->data is this resource.
    int (*drop)(struct canon_call *call, void *rep);
};

// ---- handle table of one component instance -----------------------------------------------------

// CanonicalABI.md "Table State" allows 2^28 - 1 in each table.
#define HANDLES_MAX         100000u // default, for all tables of a store
#define HANDLES_CEILING_MAX ((UINT32_C(1) << 28) - 1)

enum handle_kind {
    HANDLE_FREE,
    HANDLE_OWN,
    HANDLE_BORROW,
    HANDLE_SUBTASK,      // rep: struct subtask
    HANDLE_WAITABLE_SET, // rep: struct waitable_set
    HANDLE_STREAM_END,   // rep: struct stream_side; of futures as well
    HANDLE_ERROR_CONTEXT // rep: struct error_context
};

// `type` is the identity of the resource type: a struct host_resource, or the struct plan_resource
// of one that a component defines (both begin with interface and name, for messages); NULL for what
// is no resource. `rep` is the host's pointer, or the component's i32.
struct handle {
    const void *type;
    union {
        void *rep;
        uint32_t rep32;
        uint32_t next_free;
    };
    uint32_t lends;  // calls that borrow through this handle
    uint8_t kind;    // enum handle_kind
    bool is_guest;   // a component defines the type: rep32
    uint32_t *scope; // borrow handle: what counts those to be dropped before the return
};

// Counts the handles of several tables together.
struct handle_quota {
    uint32_t live, max;
};

struct handle_table {
    struct handle_quota *quota; // NULL: HANDLES_MAX in this table alone
    struct handle *items;       // [0] is never handed out
    uint32_t len;
    uint32_t cap;
    uint32_t free; // head of the free list, 0 = none; last freed is first reused (spec)
    uint32_t live;
};

void handle_table_init(struct handle_table *table);
// Releases the memory; does not drop representations.
void handle_table_done(struct handle_table *table);
// Makes it as it was at first, without dropping representations.
void handle_table_clear(struct handle_table *table);

const char *handle_kind_name(enum handle_kind kind); // "waitable set"

// The live handle at `index`, or NULL. Valid until the table changes.
static inline struct handle *handle_table_get(const struct handle_table *table, uint32_t index)
{
    if (index >= table->len || table->items[index].kind == HANDLE_FREE)
        return NULL;
    return &table->items[index];
}
// How many handles may be added.
uint32_t handle_table_room(const struct handle_table *table);
// Adds a handle: 0 and its index, or -ENOSPC without room.
_must_use_ int handle_table_add(struct handle_table *table, const struct handle *handle,
                                uint32_t *index);
// Frees the live handle at `index`.
void handle_table_remove(struct handle_table *table, uint32_t index);

// ---- a call ------------------------------------------------------------------------------------

struct canon_ops {
    // cabi_realloc of the guest; refreshes call->memory and call->memory_size. 0 or a trap.
    int (*realloc)(struct canon_call *call, uint32_t old, uint32_t old_size, uint32_t align,
                   uint32_t size, uint32_t *out);
    // Calls the core function behind an export with flat values in place, refreshes the memory
    // view.
    int (*invoke)(struct canon_call *call, const void *func, union core_value *flat);
    // Reads the memory's place and size again, after other guest code ran.
    void (*refresh)(struct canon_call *call);
    // Calls the function's post-return with its flat results.
    int (*post_return)(struct canon_call *call, const void *func, union core_value *flat);
};

struct canon_call {
    uint8_t *memory;      // linear memory of the guest side; may move whenever the guest runs
    uint64_t memory_size; // bytes
    enum string_encoding encoding;
    struct handle_table *handles;
    struct arena *arena; // scratch until the call returns
    struct error *error; // reason of a trap
    void *host;          // the embedder's state of this store (struct instance_options.host)
    void *data;          // the embedder's state of this interface (linker_add_interface)
    const struct canon_ops *ops;
    void *instance;      // the engine's: struct instance
    const void *options; // the engine's: struct canon_options
    // Own handles lent to the running call, so that their lend counts go back when it returns.
    uint32_t lent[8];
    uint32_t lent_count; // beyond 8 they are in lent_more
    uint32_t *lent_more; // in the arena
    bool teardown;       // the store is being destroyed; drop handlers must not fail or suspend
    bool may_leave;      // false while the guest's realloc or post-return runs
    bool is_async;       // the canonical definition has the option `async`
    // Calls between components, and values with handles (canon_copy.h, value.h) need also:
    const struct canon_resource *resources; // by resource_type.index; NULL: no table
    uint32_t component_instance;            // whose boundary this call crosses
    uint32_t borrows; // borrow handles made for this call that its callee has not dropped yet
    uint32_t *scope;  // counts them instead of `borrows`: they belong to a task; or NULL
    struct async_store *async; // of the store; NULL: no asynchronous part
    struct host_job *job;      // of an asynchronous function of the host
};

// What a resource type is at run time; the engine makes one table for each linked program.
#define CANON_DEFINER_HOST UINT32_MAX
struct canon_resource {
    const void *type; // identity: struct host_resource, or struct plan_resource
    uint32_t definer; // component instance that implements it, or CANON_DEFINER_HOST
};

// Limits (CanonicalABI.md "Loading": MAX_STRING_BYTE_LENGTH, MAX_LIST_BYTE_LENGTH).
#define CANON_STRING_BYTES_MAX ((UINT32_C(1) << 28) - 1)
#define CANON_LIST_BYTES_MAX   ((UINT32_C(1) << 28) - 1)
#define CANON_LENDS_MAX        HANDLES_MAX // borrow arguments of one call

// Ends the call with a trap: fills call->error, returns a negative code for handlers to return.
_must_use_ int canon_trap(struct canon_call *call, const char *fmt, ...) _printf_(2, 3);
// The same when there is no room for a handle: names the limit.
_must_use_ int canon_trap_no_room(struct canon_call *call);

// ---- used by generated bindings: guest arguments to host values
// ----------------------------------

// A view of count * elem_size bytes of memory at `ptr`, checked for bounds and alignment.
_must_use_ int canon_view(struct canon_call *call, uint32_t ptr, uint32_t count, uint32_t elem_size,
                          uint32_t align, const void **out);
// A string as valid UTF-8: in place for utf8, transcoded into the arena otherwise.
_must_use_ int canon_lift_string(struct canon_call *call, uint32_t ptr, uint32_t len,
                                 struct str *out);
_must_use_ int canon_lift_char(struct canon_call *call, uint32_t value, uint32_t *out);
// The representation behind an own or borrow handle passed as borrow<resource>; lent until the call
// returns (canon_call_end).
_must_use_ int canon_lift_borrow(struct canon_call *call, uint32_t handle,
                                 const struct host_resource *resource, void **rep);
// The same for own<resource>: the handle leaves the table, the representation is the handler's.
_must_use_ int canon_lift_own(struct canon_call *call, uint32_t handle,
                              const struct host_resource *resource, void **rep);

// ---- used by generated bindings: host values to the guest
// ----------------------------------------

// Guest memory from its realloc, which is asked for 0 bytes as well (guests look at the pointer);
// *ptr is checked for bounds and alignment.
_must_use_ int canon_alloc(struct canon_call *call, uint32_t size, uint32_t align, uint32_t *ptr);
// Copies count * elem_size bytes into new guest memory.
_must_use_ int canon_lower_bytes(struct canon_call *call, const void *data, size_t count,
                                 uint32_t elem_size, uint32_t align, uint32_t *ptr, uint32_t *len);
// UTF-8 text (must be valid) to a string in the guest's encoding.
_must_use_ int canon_lower_string(struct canon_call *call, struct str text, uint32_t *ptr,
                                  uint32_t *len);
// A new own handle for a representation whose ownership passes to the guest.
_must_use_ int canon_lower_own(struct canon_call *call, const struct host_resource *resource,
                               void *rep, uint32_t *handle);
// Checks a return pointer: `size` bytes at `ptr`, aligned.
_must_use_ int canon_check_range(struct canon_call *call, uint32_t ptr, uint32_t size,
                                 uint32_t align);

// Gives back the lends of the call. The engine calls it when a host function returns.
void canon_call_end(struct canon_call *call);
// What a call lent, kept beyond it by a subtask (CanonicalABI.md "Subtask State": lenders).
struct canon_lends {
    uint32_t *items; // heap; NULL: none
    uint32_t count;
};
// Takes the lends over from the call; to be given back, once, to the same table.
void canon_lends_keep(struct canon_call *call, struct canon_lends *out);
void canon_lends_return(struct canon_lends *lends, struct handle_table *handles);

// resource.drop of a host resource: removes the handle and, for an own handle, calls the drop
// handler.
_must_use_ int canon_resource_drop(struct canon_call *call, const struct host_resource *resource,
                                   uint32_t handle);
// Drops what is left in the table when its store ends, newest first; a handler that refuses is
// asked again after all others. Sets call->teardown. Destructors of guest resources do not run.
void canon_drop_all(struct canon_call *call);

// ---- resources that a component defines, and handles between two components ---------------------
//
// `type` is the identity, as in struct handle.

// resource.new and resource.rep.
_must_use_ int canon_resource_new(struct canon_call *call, const void *type, uint32_t rep,
                                  uint32_t *handle);
_must_use_ int canon_resource_rep(struct canon_call *call, const void *type, uint32_t handle,
                                  uint32_t *rep);
// resource.drop of a guest resource: removes the handle. When *is_own the caller then runs the
// destructor with *rep; a borrow handle only leaves the scope of its call.
_must_use_ int canon_resource_remove(struct canon_call *call, const void *type, uint32_t handle,
                                     bool *is_own, uint32_t *rep);

// Moves an own handle between the tables of two calls. Works for resources of the host as well.
_must_use_ int canon_transfer_own(struct canon_call *from, struct canon_call *to, const void *type,
                                  uint32_t handle, uint32_t *out);
// Lends a handle of `from` (until canon_call_end(from)) to `to`: as a borrow handle that `to`'s
// callee must drop, or as the representation when `to` is the component instance that implements
// the resource (CanonicalABI.md lower_borrow).
_must_use_ int canon_transfer_borrow(struct canon_call *from, struct canon_call *to,
                                     const struct canon_resource *resource, uint32_t handle,
                                     uint32_t *out);
// A borrow handle for a host's representation, in the scope of `call` (a call of an export).
_must_use_ int canon_lower_borrow(struct canon_call *call, const struct host_resource *resource,
                                  void *rep, uint32_t *handle);
// When a callee returns: traps if it kept borrow handles that were made for the call.
_must_use_ int canon_check_borrows(struct canon_call *call);

static inline uint32_t canon_load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}
static inline void canon_store32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

// ---- host interfaces
// ------------------------------------------------------------------------------

// One function of an interface, generated from WIT.
struct host_func {
    struct str name; // "[method]fields.set"
    const struct func_type *type;
    // Import: reads the flat arguments, calls the handler, writes the flat results (same array).
    // Export-only interfaces have NULL.
    int (*lower)(struct canon_call *call, union core_value *flat);
    void *data; // call->data of this function; NULL: that of its interface
};

struct host_interface {
    struct str name; // "wasi:http/types@0.2.12"
    const struct host_func *funcs;
    uint32_t func_count;
    const struct host_resource *const *resources;
    uint32_t resource_count;
};
