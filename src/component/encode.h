// SPDX-License-Identifier: Apache-2.0
// Writes the binary format of components and their types (Binary.md): the inverse of
// component/decode.h, whose structs say what each definition holds.
//
// An encoder is one scope with its own index spaces: a component, or the declarators of a component
// or instance type. Every function adds a definition and returns the index that it got, so that the
// caller never counts. Definitions of one section that follow each other share it. Nested scopes
// are encoders of their own which the parent takes in when they are complete. What exceeds
// COMPONENT_BYTES_MAX is reported by encoder_finish().
//
//     struct encoder root, type;
//     encoder_init(&root, SCOPE_COMPONENT);
//     encoder_init(&type, SCOPE_INSTANCE_TYPE);
//     uint32_t u8s = encode_value_type(&type, &(struct value_def){.kind = TYPE_LIST, ...});
//     ...
//     uint32_t index = encode_scope_type(&root, &type);
//     encode_import(&root, &(struct import_def){.name.name = STR("a:b/c"), .type = {...}});
#pragma once

#include "component/decode.h"
#include "component/writer.h"

struct encoder {
    enum scope_kind kind;
    uint32_t counts[SORT_COUNT]; // length of each index space
    struct writer out;           // complete sections, or declarators
    struct writer open;          // of a component: definitions of the section being filled
    uint8_t section;             // its id
    uint32_t open_count;         // definitions in it; of a type: declarators so far
};

void encoder_init(struct encoder *e, enum scope_kind kind);
void encoder_done(struct encoder *e);
// Appends the binary of the component (preamble and sections) to `out`; -EFBIG over
// COMPONENT_BYTES_MAX or out->max.
_must_use_ int encoder_finish(struct encoder *e, struct buf *out, struct error *err);

// ---- definitions of components ------------------------------------------------------------------

uint32_t encode_core_module(struct encoder *e, struct str bytes);
uint32_t encode_core_instance(struct encoder *e, const struct instance_def *def);
uint32_t encode_instance(struct encoder *e, const struct instance_def *def);
// Index of a core function, or for CANON_LIFT of a component function.
uint32_t encode_canon(struct encoder *e, const struct canon_def *def);
// A nested component; releases `inner`.
uint32_t encode_component(struct encoder *e, struct encoder *inner);
void encode_custom_section(struct encoder *e, struct str name, struct str content);

// ---- definitions of components and types --------------------------------------------------------

uint32_t encode_alias(struct encoder *e, const struct alias_def *def);
// A value, function or resource type.
uint32_t encode_type(struct encoder *e, const struct type_def *def);
// A component or instance type; releases `scope`.
uint32_t encode_scope_type(struct encoder *e, struct encoder *scope);
// Index in the space of the sort that is imported.
uint32_t encode_import(struct encoder *e, const struct import_def *def);
// In a component def->item is exported; in a type def->type is declared.
uint32_t encode_export(struct encoder *e, const struct export_def *def);

// ---- in fewer words -----------------------------------------------------------------------------

uint32_t encode_value_type(struct encoder *e, const struct value_def *def);
uint32_t encode_func_type(struct encoder *e, const struct func_def *def);
// An item of a component instance, of a core instance, of an enclosing scope.
uint32_t encode_alias_export(struct encoder *e, enum sort sort, uint32_t instance, struct str name);
uint32_t encode_alias_core_export(struct encoder *e, enum sort sort, uint32_t instance,
                                  struct str name);
uint32_t encode_alias_outer(struct encoder *e, enum sort sort, uint32_t outer, uint32_t index);
// An import or a type's export under a plain name; `index` is that of the type. `is_resource`
// declares a type of its own (`sub resource`); otherwise SORT_TYPE equals `index`.
uint32_t encode_import_of(struct encoder *e, struct str name, enum sort sort, uint32_t index);
uint32_t encode_export_of(struct encoder *e, struct str name, enum sort sort, uint32_t index);
uint32_t encode_resource_bound(struct encoder *e, struct str name, bool is_import);
