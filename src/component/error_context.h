// SPDX-License-Identifier: Apache-2.0
// Error contexts: a message that goes along with an error (CanonicalABI.md
// "canon error-context.new").
#pragma once

#include "component/canon.h"

#define ERROR_CONTEXT_BYTES_MAX 65536u // of the message; longer ones are cut

struct error_context;

struct error_context *error_context_new(struct str message);
struct error_context *error_context_ref(struct error_context *context);
void error_context_unref(struct error_context *context);
struct str error_context_message(const struct error_context *context);

// The guest keeps its handle: the result is a reference of its own.
_must_use_ int canon_lift_error_context(struct canon_call *call, uint32_t handle,
                                        struct error_context **out);
// Takes the reference over.
_must_use_ int canon_lower_error_context(struct canon_call *call, struct error_context *context,
                                         uint32_t *handle);
_must_use_ int canon_drop_error_context(struct canon_call *call, uint32_t handle);
