// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/ip-name-lookup 0.3, over the lookups of 0.2.
#include <assert.h>

#include "wasi/p3_sockets.h"

#define FROM(name) P2_SOCKETS_NETWORK_ERROR_CODE_##name
#define TO(name)   P3_SOCKETS_IP_NAME_LOOKUP_ERROR_CODE_##name

typedef struct p2_sockets_ip_name_lookup_resolve_address_stream lookup_stream;
typedef struct p3_result_list_sockets_types_ip_address_sockets_ip_name_lookup_error_code
    lookup_result;

static_assert(sizeof(struct p3_sockets_types_ip_address) ==
                  sizeof(struct p2_sockets_network_ip_address),
              "addresses of both versions");

static int fail(lookup_result *ret, enum p2_sockets_network_error_code code)
{
    static const struct {
        enum p2_sockets_network_error_code from;
        enum p3_sockets_ip_name_lookup_error_code_tag to;
    } codes[] = {
        {FROM(ACCESS_DENIED), TO(ACCESS_DENIED)},
        {FROM(INVALID_ARGUMENT), TO(INVALID_ARGUMENT)},
        {FROM(NAME_UNRESOLVABLE), TO(NAME_UNRESOLVABLE)},
        {FROM(TEMPORARY_RESOLVER_FAILURE), TO(TEMPORARY_RESOLVER_FAILURE)},
        {FROM(PERMANENT_RESOLVER_FAILURE), TO(PERMANENT_RESOLVER_FAILURE)},
    };
    *ret = (lookup_result){.is_err = true, .err = {.tag = TO(OTHER)}};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].from == code)
            ret->err.tag = codes[i].to;
    return 0;
}

struct lookup {
    lookup_stream *stream;
    struct p2_io_poll_pollable *pollable;
    struct wasi_waiter waiter;
    struct loop *loop;
    struct loop_defer defer;
    struct host_job *job;
    lookup_result *ret;
};

static void lookup_free(struct lookup *lookup)
{
    wasi_event_remove(&lookup->waiter);
    loop_defer_cancel(lookup->loop, &lookup->defer);
    (void)!p2_io_poll_pollable_drop(NULL, lookup->pollable);
    (void)!p2_sockets_ip_name_lookup_resolve_address_stream_drop(NULL, lookup->stream);
    free(lookup);
}

// All addresses of a stream that is ready.
static int collect(lookup_stream *stream, struct arena *arena, lookup_result *ret)
{
    struct p3_sockets_types_ip_address *list =
        arena_new_array(arena, struct p3_sockets_types_ip_address, LOOKUP_ADDRESSES_MAX);
    size_t len = 0;
    while (len < LOOKUP_ADDRESSES_MAX) {
        struct p2_result_option_sockets_network_ip_address_sockets_network_error_code next = {0};
        int rc = p2_sockets_ip_name_lookup_resolve_address_stream_resolve_next_address(NULL, stream,
                                                                                       &next);
        if (rc < 0)
            return rc;
        if (next.is_err)
            return fail(ret, next.err);
        if (!next.ok.is_some)
            break;
        memcpy(&list[len++], &next.ok.some, sizeof(*list));
    }
    ret->ok = (struct p3_list_sockets_types_ip_address){list, len};
    return 0;
}

static void on_found(struct loop_defer *defer)
{
    struct lookup *lookup = container_of(defer, struct lookup, defer);
    struct host_job *job = lookup->job;
    if (!lookup->pollable->ops->ready(lookup->pollable->source))
        return;
    (void)!collect(lookup->stream, &job->arena, lookup->ret);
    lookup_free(lookup);
    host_job_done(job);
}

static void lookup_cancelled(struct host_job *job)
{
    lookup_free(job->data);
    host_job_cancelled(job);
}

static void lookup_dropped(struct host_job *job)
{
    lookup_free(job->data);
}

int p3_sockets_ip_name_lookup_resolve_addresses(struct canon_call *call, struct host_job *job,
                                                struct str name, lookup_result *ret)
{
    struct p2_result_sockets_ip_name_lookup_resolve_address_stream_sockets_network_error_code
        begun = {0};
    int rc = p2_sockets_ip_name_lookup_resolve_addresses(call, NULL, name, &begun);
    if (rc < 0 || begun.is_err)
        return rc < 0 ? rc : fail(ret, begun.err);
    struct lookup *lookup = mem_new(struct lookup);
    *lookup =
        (struct lookup){.stream = begun.ok, .loop = wasi_of(call)->loop, .job = job, .ret = ret};
    lookup->defer.callback = on_found;
    rc = p2_sockets_ip_name_lookup_resolve_address_stream_subscribe(call, lookup->stream,
                                                                    &lookup->pollable);
    if (rc == 0 && lookup->pollable->ops->ready(lookup->pollable->source)) {
        rc = collect(lookup->stream, &job->arena, ret);
        lookup_free(lookup);
        return rc;
    }
    job->data = lookup;
    job->cancel = lookup_cancelled;
    job->dropped = lookup_dropped;
    wasi_event_add_defer(lookup->pollable->event, &lookup->waiter, lookup->loop, &lookup->defer);
    return CANON_PENDING;
}
