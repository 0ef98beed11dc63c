// SPDX-License-Identifier: Apache-2.0
// What a world includes under other names (WIT.md "De-duplication of Interfaces", `include ...
// with`): types that are called otherwise are definitions of their own, and so is what is made of
// them.
#pragma once

#include "wit/model.h"

struct renaming {
    struct arena *arena;
    const struct ast_rename *renames;
    struct map types; // address of a wit_typedef to the one that takes its place
    struct map nodes; // address of a type to the one that takes its place
};

void renaming_init(struct renaming *r, struct arena *arena, const struct ast_rename *renames);
void renaming_done(struct renaming *r);
// Adds a type of the included world (NULL: none), behind those it names.
void renaming_type(struct renaming *r, const struct wit_typedef *type);
// Gives an item its new name and types.
void renaming_item(struct renaming *r, struct wit_world_item *item);
