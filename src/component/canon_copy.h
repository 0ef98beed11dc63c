// SPDX-License-Identifier: Apache-2.0
// Calls between two component instances: values are lifted from one and lowered into the other in
// one pass, without a form in between. Lists of plain elements are one memcpy, strings are
// transcoded where encodings differ, handles change tables.
//
// The engine makes two calls: `caller` with the options of the `canon lower`, `callee` with those
// of the `canon lift`; both with `handles`, `error`, `component_instance` and, when handles may
// pass, `resources` set, and `callee` zero in `lent_count` and `borrows`. With `args` as the
// caller's core function received them and `flat` of CANON_FLAT_MAX values:
//
//     rc = canon_copy_params(type, caller, callee, args, flat);   // callee's realloc may run
//     rc = invoke the callee's core function with flat, results in place;
//     rc = canon_copy_result(type, callee, caller, flat, args);   // caller's realloc may run;
//                                                                 // results of the import in args
//     rc = call the callee's post-return with flat, callee->may_leave false, if there is one;
//     canon_call_end(caller);                                     // always, also after a failure
//
// Under the option `async` (canon_call.is_async) the caller passes fewer flat values and takes the
// result in memory, and the callee returns through task.return, with more flat values.
//
// Each step may trap (negative, reason in the error of the call at fault), which ends the sequence.
// Whether the callee may be entered and the caller may leave is the engine's to check before.
// Memory views of both calls must be fresh when each of the two functions is called; they are kept
// fresh by realloc (struct canon_ops) meanwhile. Both calls may have the same memory.
#pragma once

#include "component/canon.h"

#define CANON_FLAT_MAX (TYPE_FLAT_MAX + 1) // core parameters, a return pointer included

// Lifts the caller's arguments and lowers them for the callee.
_must_use_ int canon_copy_params(const struct func_type *type, struct canon_call *caller,
                                 struct canon_call *callee, const union core_value *args,
                                 union core_value *flat);

// Traps when the callee kept borrow handles; then lifts its result from `flat` and lowers it for
// the caller: into args[0], or to the return pointer, the last of `args`. `flat` stays as it is.
_must_use_ int canon_copy_result(const struct func_type *type, struct canon_call *callee,
                                 struct canon_call *caller, const union core_value *flat,
                                 union core_value *args);

// Lifts `count` elements in a row from one memory and lowers them into another; both ranges were
// checked.
_must_use_ int canon_copy_elements(const struct type *element, uint32_t count,
                                   struct canon_call *from, uint32_t from_ptr,
                                   struct canon_call *to, uint32_t to_ptr);
