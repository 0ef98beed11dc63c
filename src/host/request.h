// SPDX-License-Identifier: Apache-2.0
// Requests on their way through a worker: each gets an instance, is handled by the guest, and ends.
#pragma once

#include "host/instance_pool.h"
#include "http/exchange.h"

struct requests;

// `idle` is called whenever the last running request has ended.
struct requests *requests_new(struct loop *loop, void (*idle)(void *user), void *user);
// When none runs.
void requests_free(struct requests *requests);
uint32_t requests_live(const struct requests *requests);

void request_serve(struct requests *requests, struct instance_pool *pool,
                   struct http_exchange *exchange);
