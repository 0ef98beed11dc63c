// SPDX-License-Identifier: Apache-2.0
// wit-bind: C types, handler prototypes and canonical ABI glue from WIT (docs/bindings.md).
//
// Everything is text in an arena: names and expressions are NUL-terminated strings that live until
// the program ends. The first failure is kept in `failure`; generation goes on harmlessly and main
// writes no file then.
#pragma once

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "wit/wit.h"

// Bytes of one generated file.
#define BIND_OUTPUT_BYTES_MAX ((size_t)256 * 1024 * 1024)

// An interface to generate.
struct bind_interface {
    const struct wit_interface *interface;
    bool is_export; // the guest provides it
};

// --extern NS:PKG=PREFIX: types of a package that another header declares.
struct bind_extern {
    struct str package; // "wasi:io"
    const char *prefix;
};

struct bind {
    struct arena arena;
    const char *prefix;
    const struct wit_resolve *resolve;
    VEC(struct bind_interface) interfaces;
    VEC(struct bind_extern) externs;
    const char *subject; // what is generated now, for messages

    struct map owners;      // struct type address to its C name without prefix
    struct map identifiers; // C identifier to what claimed it
    struct map types;       // C type name to its definition
    struct map helpers;     // names of helpers and descriptors that exist
    struct map resources;   // C name of each resource in use to its struct resource_type

    struct buf forwards; // header: struct declarations of resources
    struct buf c_types;  // header: type definitions
    struct buf protos;   // header: functions and tables
    struct buf support;  // source: helpers, in order of use
    struct buf shapes;   // source: struct type descriptors
    struct buf glue;     // source: one function per WIT function
    struct buf tables;   // source: host_func, host_resource, host_interface
    struct error failure;
};

#define bind_text(b, ...) (arena_printf(&(b)->arena, __VA_ARGS__).data)

// Keeps the first failure.
void bind_fail(struct bind *b, const char *fmt, ...) _printf_(2, 3);

// True, once, for a helper that does not exist yet: the caller makes it.
bool bind_is_new(struct bind *b, const char *helper);

// ---- name.c ---------------------------------------------------------------------------------

// The name of a field or case as a C identifier of its own; that of a parameter.
const char *bind_ident(struct bind *b, struct str name);
const char *bind_param(struct bind *b, struct str name);
// The name as part of a longer identifier, in lower or upper case.
const char *bind_lower(struct bind *b, struct str name);
const char *bind_upper(struct bind *b, struct str name);
// "http_types".
const char *bind_interface_name(struct bind *b, const struct wit_interface *interface);
// "http_types_fields".
const char *bind_resource_name(struct bind *b, const struct resource_type *resource);
// "http_types_fields", "list_string": a type's part of C names.
const char *bind_type_name(struct bind *b, const struct type *t);
// The same, where borrow handles differ from own ones.
const char *bind_exact_name(struct bind *b, const struct type *t);
// The prefix of a package: ours, or that of --extern.
const char *bind_prefix(struct bind *b, struct str package, bool *is_extern);
// With prefix: "p2_http_types_fields".
const char *bind_c_name(struct bind *b, const struct type *t);
const char *bind_resource_c_name(struct bind *b, const struct resource_type *resource);
// "p2_http_types_fields_set".
const char *bind_func_name(struct bind *b, const struct wit_interface *interface,
                           const struct wit_func *func);
// Reserves an identifier of the generated header; two claimants are a failure.
void bind_claim(struct bind *b, const char *identifier, const char *what);
// Collects the names of all types of the packages.
void bind_index_types(struct bind *b);

// ---- c_type.c -------------------------------------------------------------------------------

// A variant without any payload is an enum in C as well.
bool bind_is_enum(const struct type *t);
// Passed by pointer.
bool bind_by_pointer(const struct type *t);
// list<T> whose elements look alike in C and in guest memory.
bool bind_is_view(const struct type *list);
bool bind_is_bytes(const struct type *t);
bool bind_is_stream(const struct type *t); // or a future
bool bind_has_own(const struct type *t);
bool bind_has_borrow(const struct type *t);
// Bits of the C type of flags.
unsigned bind_flags_bits(const struct type *t);
// The C type; defines it in the header at its first use.
const char *bind_c_type(struct bind *b, const struct type *t);
// A struct resource * with what the header declares for the resource.
const char *bind_resource_c_type(struct bind *b, const struct resource_type *resource);
// The C member of field or element `i` of a record or tuple.
const char *bind_field(struct bind *b, const struct type *t, uint32_t i);
// "TYPE name" with the blank that fits.
const char *bind_declare(struct bind *b, const char *type, const char *name);
// An initialiser of zeroes.
const char *bind_zero(const char *type);
// "int name(params)" in lines of at most 100 columns.
void bind_put_signature(struct buf *out, const char *head, const struct str *params, size_t count);
// The same as text; `...` are parameters, NULL ends them.
const char *bind_head(struct bind *b, const char *head, ...) __attribute__((sentinel));
// Fails when the type cannot be bound.
void bind_check_type(struct bind *b, const struct type *t);

// ---- body.c ---------------------------------------------------------------------------------

// The statements of a generated function.
struct body {
    struct bind *bind;
    struct buf text;
    unsigned indent; // levels
    bool fails;      // uses `rc`
    bool pairs;      // uses `pair`
};

// Where a value lies: flat values, or bytes of memory from `base`.
struct place {
    bool is_flat;
    const char *base; // "flat", "at"
    uint32_t at;      // index or bytes
};

void body_init(struct body *body, struct bind *b);
void body_line(struct body *body, const char *fmt, ...) _printf_(2, 3);
// rc = CALL; when that fails, `undo` (statements, one a line, or NULL) and return rc.
void body_step(struct body *body, const char *undo, const char *call);
// Appends "HEAD\n{ declarations, statements, return 0; }"; releases the body.
void body_finish(struct body *body, struct buf *out, const char *head, bool returns);
struct place place_add(struct place place, uint32_t offset);
// "at + 8", "flat + 2".
const char *place_text(struct bind *b, struct place place);
// Where the payload of a variant, option or result lies.
struct place place_payload(const struct type *t, struct place place);
// Offset of each member of a record or tuple behind `*end`, which is advanced.
uint32_t place_member(const struct type *member, bool is_flat, uint32_t *end);

// ---- lift.c: guest to host -------------------------------------------------------------------

// Statements that set the C lvalue `to` from the guest's value at `from`. `copied` keeps nothing in
// guest memory. A failing step undoes itself, then does `undo`.
void lift_value(struct body *body, const struct type *t, struct place from, const char *to,
                bool copied, const char *undo);

// Whether lift_value() has a step that can fail.
bool lift_has_step(const struct type *t);

// ---- lower.c: host to guest ------------------------------------------------------------------

// Statements that write the C value `from` to the guest's place `to`. A failing step drops what it
// did not pass on, then does `undo`.
void lower_value(struct body *body, const struct type *t, struct place to, const char *from,
                 const char *undo);

bool lower_has_step(const struct type *t);

// ---- owned.c: own handles of a call that fails -----------------------------------------------

// Statements, one a line, that put lifted own handles back into the guest's table ("restore"), or
// drop those that were never lowered ("drop"). NULL for types without own handles.
const char *owned_undo(struct bind *b, const char *verb, const struct type *t, const char *value);
// The same for elements [first, count) of an array that belongs to a list type.
const char *owned_undo_items(struct bind *b, const char *verb, const struct type *list,
                             const char *items, const char *first, const char *count);
// `a` after `b`; either may be NULL.
const char *owned_join(struct bind *b, const char *first, const char *then);

// ---- shape.c: struct type descriptors ---------------------------------------------------------

// The name of a static struct type.
const char *shape_type(struct bind *b, const struct type *t);
// The name of a static struct func_type.
const char *shape_func(struct bind *b, const char *name, const struct func_type *type);

// ---- codec.c: elements of streams and futures -------------------------------------------------

// Makes the codec of what a stream or future carries; the expression of its type, or "NULL".
const char *codec(struct bind *b, const struct type *stream);

// ---- glue.c, async_glue.c, table.c
// --------------------------------------------------------------------------

// A function that reads flat arguments and calls a handler.
void glue_import(struct bind *b, const struct wit_interface *interface,
                 const struct wit_func *func);
// A function that calls the guest.
void glue_export(struct bind *b, const struct wit_interface *interface,
                 const struct wit_func *func);

// The same for functions of asynchronous type.
void glue_async_import(struct bind *b, const struct wit_interface *interface,
                       const struct wit_func *func);
void glue_async_export(struct bind *b, const struct wit_interface *interface,
                       const struct wit_func *func);

// Inside the two: parameters as one tuple, and C text about them.
struct type glue_params(struct bind *b, const struct func_type *type);
const char *glue_param_name(struct bind *b, const struct func_type *type, uint32_t i);
const char *glue_param_value(struct bind *b, const struct func_type *type, uint32_t i);
// Appends declarations of the parameters.
void glue_declare_params(struct bind *b, const struct func_type *type, struct str *out);
// Locals for all parameters, zeroed; what is undone when a step behind [0, count) fails.
void glue_put_locals(struct body *body, const struct func_type *type);
const char *glue_restore(struct bind *b, const struct func_type *type, uint32_t count);
void glue_lift_params(struct body *body, const struct func_type *type, const struct type *tuple,
                      bool in_memory);
void glue_lower_params(struct body *body, const struct func_type *type, const struct type *tuple);

// One interface: prototypes, glue and tables.
void bind_generate(struct bind *b, const struct bind_interface *item);
// Fails when a resource in use is defined nowhere.
void bind_check_resources(struct bind *b);
