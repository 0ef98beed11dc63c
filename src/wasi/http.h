// SPDX-License-Identifier: Apache-2.0
// The host's side of wasi:http/incoming-handler 0.2: one exchange of the server served by one call
// of a guest.
//
//     http = wasi_http_new(exchange, peer_gone, user);
//     instance_run(instance, body, done, ...);
//         body:  instance_enter(call, func), then wasi_http_handle(call, func, http)
//         done:  wasi_http_finish(http, end, err, &outcome, &why); then instance_free() or reuse
//
// The response goes out while the guest runs: its head when the guest sets it, its body as the
// guest writes. What the guest leaves undone is settled by wasi_http_finish(): an exchange without
// a response gets 500 (504 when the guest ran out of time, 503 when it was cancelled) without the
// reason, which is for the host's log; a response whose body is not whole is cut, so that the peer
// does not take it for a complete one.
#pragma once

#include "engine/instance.h"
#include "http/exchange.h"

struct wasi_http;

// Takes over the exchange: its events, and its end. `peer_gone` (may be NULL) tells, at most once
// and from the loop, that the exchange was closed before the response was complete. The guest goes
// on; its streams answer `closed`. The host may call instance_cancel() there.
struct wasi_http *wasi_http_new(struct http_exchange *exchange, void (*peer_gone)(void *user),
                                void *user);

// Calls the guest's `handle`; in a task's body, after instance_enter(). `func` is the export
// wasi:http/incoming-handler@0.2 handle.
_must_use_ int wasi_http_handle(struct canon_call *call, const void *func, struct wasi_http *http);

// The same of WASI 0.3, wasi:http/handler: what an instance_call lowers and lifts. `sent` is called
// once, possibly before this returns or when the instance is freed: the answer's body is over.
// wasi_http_finish() of a call that returned waits for it.
_must_use_ int wasi_http_lower(struct canon_call *call, struct wasi_http *http,
                               union core_value *flat);
_must_use_ int wasi_http_answer(struct canon_call *call, struct wasi_http *http,
                                const union core_value *flat, uint32_t flat_max,
                                void (*sent)(void *user), void *user);

// The resources of 0.2 behind an exchange, each with a reference.
struct p2_http_types_incoming_request;
struct p2_http_types_response_outparam;
struct p2_http_types_incoming_request *wasi_http_request(struct wasi_http *http);
struct p2_http_types_response_outparam *wasi_http_outparam(struct wasi_http *http);

struct wasi_http_outcome {
    unsigned status; // what the peer was answered; 0: it was gone before
    bool complete;   // and it got the whole response
};

// Ends the exchange after the task, before the instance is freed; once for each wasi_http_new(),
// also when no task could be started (TASK_TRAPPED and the reason then). `end` and `reason` are
// what task_done got. 0 when the guest answered in full and returned; else a negative code and in
// `why` what went wrong, for the log. `outcome` may be NULL.
int wasi_http_finish(struct wasi_http *http, enum task_end end, const struct error *reason,
                     struct wasi_http_outcome *outcome, struct error *why);
