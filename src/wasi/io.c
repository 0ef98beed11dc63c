// SPDX-License-Identifier: Apache-2.0
#include "wasi/io.h"

#include <stdarg.h>

// ---- events -------------------------------------------------------------------------------------

static void queue(struct wasi_event *event, struct wasi_waiter *waiter)
{
    waiter->next = event->first;
    waiter->link = &event->first;
    if (waiter->next)
        waiter->next->link = &waiter->next;
    event->first = waiter;
}

void wasi_event_add(struct wasi_event *event, struct wasi_waiter *waiter, struct task_wait *wait)
{
    *waiter = (struct wasi_waiter){.wait = wait};
    queue(event, waiter);
}

void wasi_event_add_defer(struct wasi_event *event, struct wasi_waiter *waiter, struct loop *loop,
                          struct loop_defer *defer)
{
    *waiter = (struct wasi_waiter){.loop = loop, .defer = defer};
    queue(event, waiter);
}

void wasi_event_remove(struct wasi_waiter *waiter)
{
    if (!waiter->link)
        return;
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
}

void wasi_event_wake(struct wasi_event *event)
{
    for (struct wasi_waiter *waiter = event->first; waiter; waiter = waiter->next) {
        if (waiter->wait)
            task_wake(waiter->wait);
        else
            loop_defer(waiter->loop, waiter->defer);
    }
}

void wasi_watch_begin(struct wasi_watch *watch, const struct pollable_ops *ops, void *source,
                      struct wasi_event *event, struct task_wait *wait)
{
    *watch = (struct wasi_watch){.ops = ops, .source = source, .event = event};
    if (!event)
        return;
    bool is_first = !event->first;
    wasi_event_add(event, &watch->waiter, wait);
    if (is_first && ops->watch)
        ops->watch(source);
}

void wasi_watch_end(struct wasi_watch *watch)
{
    if (!watch->event)
        return;
    wasi_event_remove(&watch->waiter);
    if (!watch->event->first && watch->ops->unwatch)
        watch->ops->unwatch(watch->source);
}

int wasi_block_until(struct canon_call *call, const struct pollable_ops *ops, void *source,
                     struct wasi_event *event)
{
    if (ops->ready(source))
        return 0;
    struct task_wait wait;
    struct wasi_watch watch;
    task_wait_begin(&wait, call);
    wasi_watch_begin(&watch, ops, source, event, &wait);
    int rc = 0;
    while (rc == 0 && !ops->ready(source))
        rc = task_park(&wait);
    wasi_watch_end(&watch);
    return rc;
}

// ---- pollables ----------------------------------------------------------------------------------

struct p2_io_poll_pollable *pollable_new(const struct pollable_ops *ops, void *source,
                                         struct wasi_event *event)
{
    struct p2_io_poll_pollable *pollable = mem_new(struct p2_io_poll_pollable);
    *pollable = (struct p2_io_poll_pollable){ops, source, event};
    return pollable;
}

static bool always_ready(void *source)
{
    return true;
}

struct p2_io_poll_pollable *pollable_new_ready(void)
{
    static const struct pollable_ops ops = {.ready = always_ready};
    return pollable_new(&ops, NULL, NULL);
}

// ---- errors -------------------------------------------------------------------------------------

struct p2_io_error_error *io_error_new(int code, const char *fmt, ...)
{
    struct p2_io_error_error *error = mem_new(struct p2_io_error_error);
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&error->message, fmt, args) < 0)
        die_oom(0);
    va_end(args);
    error->code = code;
    error->http_code = -1;
    return error;
}

void io_error_free(struct p2_io_error_error *error)
{
    if (!error)
        return;
    free(error->message);
    free(error);
}

// ---- streams ------------------------------------------------------------------------------------

void input_stream_init(struct p2_io_streams_input_stream *stream,
                       const struct input_stream_ops *ops, struct wasi_parent *parent)
{
    *stream = (struct p2_io_streams_input_stream){.ops = ops, .parent = parent};
    if (parent)
        parent->children++;
}

void output_stream_init(struct p2_io_streams_output_stream *stream,
                        const struct output_stream_ops *ops, struct wasi_parent *parent)
{
    *stream = (struct p2_io_streams_output_stream){.ops = ops, .parent = parent};
    if (parent)
        parent->children++;
}
