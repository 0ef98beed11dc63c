// SPDX-License-Identifier: Apache-2.0
// Merges core modules of a plan that are instantiated as a pair, so that they become one core
// instance with direct calls between them (component/core_merge.h).
#pragma once

#include "component/plan.h"

// Plans with more steps are left as they are.
#define PLAN_MERGE_STEPS_MAX 256

// Changes the plan to one with the same meaning. A pair is an instance and one that takes things of
// it alone, of modules that are instantiated once each; the second is made with the first then,
// which nobody can tell as its instantiation has no effects.
//
// Bodies are not read here: core_merge_write() may still refuse, and the engine may refuse what it
// wrote. Then the component has to be planned anew and not merged.
void plan_merge(struct plan *plan);
