// SPDX-License-Identifier: Apache-2.0
// What the parts of the printer share.
#pragma once

#include "base/buf.h"
#include "base/map.h"
#include "wit/wit.h"

// The functions of resources, of the interface or world being printed.
struct print_scope {
    struct map resource_last; // address of a resource's typedef to its last function, index + 1
    struct map resource_first;
    const struct wit_func **funcs;
    uint32_t *next; // of the same resource: index + 1
    size_t func_count;
};

struct printer {
    struct buf *out;
    bool full; // the buffer is at its maximum: print no more
    unsigned indent;
    const struct wit_package *package; // names of its interfaces need no prefix
    const struct print_scope *scope;
};

void print_text(struct printer *p, struct str text);
void print_chars(struct printer *p, const char *text);
void print_begin_line(struct printer *p);
void print_blank_line(struct printer *p);
// Opens and closes a block of lines.
void print_open(struct printer *p);
void print_close(struct printer *p);
// A name, with `%` when it is a keyword.
void print_name(struct printer *p, struct str name);
// Doc comment and attributes, each on a line.
void print_annotations(struct printer *p, struct str docs, const struct wit_stability *stability);

void print_type(struct printer *p, const struct type *t);
// Written out, whatever its name.
void print_structure(struct printer *p, const struct type *t);
// "func(a: u32) -> string" of a function; a method's self is left out.
void print_func_type(struct printer *p, const struct wit_func *func);
// A type of an interface or world that did not come by `use`, or the line of one function.
void print_typedef(struct printer *p, const struct wit_typedef *type);
void print_func(struct printer *p, const struct wit_func *func);

void print_package_name(struct printer *p, const struct wit_package *package);
void print_version(struct printer *p, const struct wit_package *package); // "@1.2.3", or nothing
// A whole package as a block.
void print_nested_package(struct printer *p, const struct wit_package *package);
void print_interface(struct printer *p, const struct wit_interface *interface);
void print_world(struct printer *p, const struct wit_world *world);
