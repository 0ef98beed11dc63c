// SPDX-License-Identifier: Apache-2.0
// WIT text as it was written: names are not resolved. Lists are linked, in source order.
#pragma once

#include "wit/lexer.h"
#include "wit/wit.h"

struct ast_name {
    struct str text; // empty: absent
    struct wit_pos pos;
};

// `types`, or `wasi:http/types@0.2.12`.
struct ast_path {
    struct str ns; // empty: a name of the same package
    struct str package;
    struct str version;
    struct ast_name name;
    struct wit_pos pos; // where it begins
};

enum ast_type_kind { AST_TYPE_BUILTIN, AST_TYPE_NAME };

struct ast_type {
    enum ast_type_kind form;
    enum type_kind kind;  // of a built-in
    struct ast_name name; // of a name; what own<> and borrow<> name
    struct wit_pos pos;
    const struct ast_type *element;
    const struct ast_type *error;
    const struct ast_type *next; // in a tuple
    uint32_t length;
};

// A record field, parameter, variant or enum case, flag.
struct ast_field {
    struct ast_name name;
    const struct ast_type *type;
    struct str docs; // not of a parameter
    struct ast_field *next;
};

struct ast_fields {
    struct ast_field *first;
    uint32_t count;
};

struct ast_func {
    enum wit_func_kind kind;
    struct ast_name name;
    struct str docs;
    struct wit_stability stability;
    struct wit_pos stability_pos;
    bool is_async;
    struct ast_fields params;
    const struct ast_type *result;
    struct ast_func *next;
};

// `a as b` in use and include.
struct ast_rename {
    struct ast_name from;
    struct ast_name to; // `from` when there is no `as`
    struct ast_rename *next;
};

enum ast_item_kind {
    AST_USE,
    AST_ALIAS,
    AST_RECORD,
    AST_VARIANT,
    AST_ENUM,
    AST_FLAGS,
    AST_RESOURCE,
    AST_FUNC,
    AST_IMPORT,
    AST_EXPORT,
    AST_INCLUDE,
};

struct ast_item {
    enum ast_item_kind kind;
    struct ast_name name; // empty: use, include, import and export of a path alone
    struct str docs;
    struct wit_stability stability;
    struct wit_pos pos;
    struct wit_pos stability_pos;
    struct ast_path path;        // use, include, import, export
    struct ast_rename *renames;  // use, include
    struct ast_fields fields;    // record, variant, enum, flags
    const struct ast_type *type; // alias
    struct ast_func *funcs;      // func, import, export: one; resource: its functions
    struct ast_item *body;       // import, export of an inline interface
    bool has_body;
    struct ast_item *next;
};

enum ast_decl_kind { AST_INTERFACE, AST_WORLD, AST_TOP_USE };

struct ast_decl {
    enum ast_decl_kind kind;
    struct ast_name name; // of a top-level use: what it is called here
    struct str docs;
    struct wit_stability stability;
    struct wit_pos stability_pos;
    struct ast_path path; // top-level use
    struct ast_item *items;
    struct ast_decl *next;
};

// A file, or a nested package of a file.
struct ast_file {
    struct ast_path package; // name.text empty: no header
    struct str docs;         // of the package
    struct wit_pos docs_pos; // where its comments begin
    struct ast_decl *decls;
    struct ast_file *nested;
    struct ast_file *next;
};
