// SPDX-License-Identifier: Apache-2.0
// W3C Trace Context and request ids: every request carries a `traceparent` and an `x-request-id`,
// the client's own where they are valid, new ones where not.
#pragma once

#include "http/fields.h"

#define TRACEPARENT_BYTES    55u
#define REQUEST_ID_BYTES     32u
#define REQUEST_ID_BYTES_MAX 128u // a client's

// What new values are written to; lives as long as the fields.
struct trace_context {
    char traceparent[TRACEPARENT_BYTES];
    char request_id[REQUEST_ID_BYTES];
};

// Trace Context section 3.2: of a version that we can read, with ids that are not all zeros.
bool traceparent_valid(struct str value);

// Completes the fields: at most two are added, and as many only as there is room for up to `max`.
// Returns the new count. A `tracestate` without a valid `traceparent` is taken out (section 3.3).
size_t trace_context_complete(struct trace_context *context, struct http_field *fields,
                              size_t count, size_t max);
