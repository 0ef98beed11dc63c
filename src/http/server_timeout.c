// SPDX-License-Identifier: Apache-2.0
#include "http/h2.h"

void deadlines_init(struct http_server *server)
{
    const struct http_server_options *options = &server->options;
    const uint32_t durations[DEADLINE_COUNT] = {
        [DEADLINE_OPENING] = options->handshake_timeout_ms,
        [DEADLINE_HEAD] = options->head_timeout_ms,
        [DEADLINE_IDLE] = options->idle_timeout_ms,
        [DEADLINE_BODY] = options->body_timeout_ms,
        [DEADLINE_LINGER] = HTTP_SERVER_LINGER_TIMEOUT_MS,
        [DEADLINE_WRITE] = options->write_timeout_ms,
        [DEADLINE_REST] = H2_REST_MS,
        [DEADLINE_STREAM_BODY] = options->body_timeout_ms,
        [DEADLINE_STREAM_LINGER] = HTTP_SERVER_LINGER_TIMEOUT_MS,
        [DEADLINE_STREAM_WRITE] = options->write_timeout_ms,
    };
    for (int kind = 0; kind < DEADLINE_COUNT; kind++) {
        struct deadline_list *list = &server->deadlines[kind];
        list->head.next = list->head.prev = &list->head;
        list->duration = durations[kind] * NS_PER_MS;
    }
}

void deadline_clear(struct deadline *deadline)
{
    if (deadline->kind == DEADLINE_NONE)
        return;
    deadline->kind = DEADLINE_NONE;
    deadline->prev->next = deadline->next;
    deadline->next->prev = deadline->prev;
}

void deadline_set(struct http_server *server, struct deadline *deadline, enum deadline_kind kind)
{
    struct deadline_list *list = &server->deadlines[kind];
    deadline_clear(deadline);
    // `now` may be a tick old.
    deadline->due = server->now + list->duration + HTTP_SERVER_TICK_MS * NS_PER_MS;
    deadline->kind = kind;
    deadline->next = &list->head;
    deadline->prev = list->head.prev;
    deadline->prev->next = deadline;
    list->head.prev = deadline;
}

static struct connection *owner_of(struct deadline *deadline, enum deadline_kind kind)
{
    return kind == DEADLINE_WRITE ? container_of(deadline, struct connection, write)
                                  : container_of(deadline, struct connection, wait);
}

static void tell_owner(struct deadline *deadline, enum deadline_kind kind)
{
    if (kind == DEADLINE_STREAM_BODY || kind == DEADLINE_STREAM_LINGER ||
        kind == DEADLINE_STREAM_WRITE)
        h2_stream_expired(deadline, kind);
    else if (kind == DEADLINE_REST)
        h2_rest_expired(deadline);
    else
        connection_expired(owner_of(deadline, kind), kind);
}

void deadlines_run(struct http_server *server)
{
    server->now = loop_now(server->loop);
    for (int kind = DEADLINE_NONE + 1; kind < DEADLINE_COUNT; kind++) {
        struct deadline *head = &server->deadlines[kind].head;
        while (head->next != head && head->next->due <= server->now) {
            struct deadline *deadline = head->next;
            deadline_clear(deadline);
            tell_owner(deadline, (enum deadline_kind)kind);
        }
    }
}
