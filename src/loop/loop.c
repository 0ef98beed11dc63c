// SPDX-License-Identifier: Apache-2.0
#include "loop/impl.h"

#include <assert.h>
#include <errno.h>

// ---- deferred work ------------------------------------------------------------------------------

static void queue_init(struct loop_defer_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static struct loop_defer *queue_pop(struct loop_defer_queue *queue)
{
    struct loop_defer *defer = queue->first;
    queue->first = defer->next;
    if (!queue->first)
        queue->last = &queue->first;
    defer->queued = false;
    return defer;
}

static bool queue_remove(struct loop_defer_queue *queue, struct loop_defer *defer)
{
    for (struct loop_defer **at = &queue->first; *at; at = &(*at)->next) {
        if (*at != defer)
            continue;
        *at = defer->next;
        if (!*at)
            queue->last = at;
        return true;
    }
    return false;
}

static void queue_push(struct loop_defer_queue *queue, struct loop_defer *defer)
{
    if (defer->queued)
        return;
    defer->queued = true;
    defer->next = NULL;
    *queue->last = defer;
    queue->last = &defer->next;
}

static void queue_move(struct loop_defer_queue *to, struct loop_defer_queue *from)
{
    if (!from->first)
        return;
    *to->last = from->first;
    to->last = from->last;
    queue_init(from);
}

void loop_defer(struct loop *loop, struct loop_defer *defer)
{
    queue_push(&loop->deferred, defer);
}

void loop_defer_next(struct loop *loop, struct loop_defer *defer)
{
    queue_push(&loop->deferred_next, defer);
}

void loop_defer_cancel(struct loop *loop, struct loop_defer *defer)
{
    if (!defer->queued)
        return;
    defer->queued = false;
    (void)(queue_remove(&loop->deferred_running, defer) || queue_remove(&loop->deferred, defer) ||
           queue_remove(&loop->deferred_next, defer) || queue_remove(&loop->deferred_due, defer));
}

// A deferral that ran a turn of its own would find the batch of the outer one half done, so such
// turns take it up from there.
static void run_deferred(struct loop *loop)
{
    for (int round = 0; round < LOOP_DEFER_ROUNDS_MAX; round++) {
        if (!loop->deferred_running.first) {
            if (!loop->deferred.first)
                return;
            loop->deferred_running = loop->deferred;
            queue_init(&loop->deferred);
        }
        while (loop->deferred_running.first) {
            struct loop_defer *defer = queue_pop(&loop->deferred_running);
            defer->callback(defer);
        }
    }
}

static void on_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
}

static bool has_deferred(const struct loop *loop)
{
    return loop->deferred.first || loop->deferred_next.first || loop->deferred_due.first;
}

// Left-over deferrals must not wait for an event.
static void stay_awake_for_deferred(struct loop *loop)
{
    if (has_deferred(loop))
        uv_idle_start(&loop->idle, on_idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    run_deferred(loop);
    queue_move(&loop->deferred_due, &loop->deferred_next);
    stay_awake_for_deferred(loop);
}

// ---- messages and work --------------------------------------------------------------------------

void loop_post(struct loop *loop, void (*callback)(void *arg), void *arg)
{
    struct loop_message *message = mem_new(struct loop_message);
    message->callback = callback;
    message->arg = arg;
    uv_mutex_lock(&loop->post_lock);
    *loop->posted_last = message;
    loop->posted_last = &message->next;
    uv_mutex_unlock(&loop->post_lock);
    uv_async_send(&loop->wake);
}

static struct loop_message *take_posted(struct loop *loop)
{
    uv_mutex_lock(&loop->post_lock);
    struct loop_message *messages = loop->posted;
    loop->posted = NULL;
    loop->posted_last = &loop->posted;
    uv_mutex_unlock(&loop->post_lock);
    return messages;
}

static void on_wake(uv_async_t *wake)
{
    for (struct loop_message *message = take_posted(wake->data); message;) {
        struct loop_message *next = message->next;
        message->callback(message->arg);
        free(message);
        message = next;
    }
}

struct loop_work_request {
    uv_work_t uv;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void on_work(uv_work_t *uv)
{
    struct loop_work_request *request = uv->data;
    request->work(request->arg);
}

static void on_work_done(uv_work_t *uv, int status)
{
    struct loop_work_request *request = uv->data;
    void (*done)(void *arg) = request->done;
    void *arg = request->arg;
    free(request);
    if (done)
        done(arg);
}

void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct loop_work_request *request = mem_new(struct loop_work_request);
    *request = (struct loop_work_request){.work = work, .done = done, .arg = arg};
    request->uv.data = request;
    int rc = uv_queue_work(&loop->uv, &request->uv, on_work, on_work_done);
    assert(rc == 0);
}

// ---- life ---------------------------------------------------------------------------------------

static int new_loop(struct loop **out, bool is_virtual, struct error *err)
{
    struct loop *loop = mem_new(struct loop);
    int rc = uv_loop_init(&loop->uv);
    if (rc < 0) {
        free(loop);
        return error_set_errno(err, rc, "making an event loop");
    }
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc < 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return error_set_errno(err, rc, "making an event loop's wake-up descriptor");
    }
    loop->wake.data = loop;
    uv_unref((uv_handle_t *)&loop->wake);
    uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    loop_alarm_init(loop);
    uv_mutex_init(&loop->post_lock);
    queue_init(&loop->deferred);
    queue_init(&loop->deferred_running);
    queue_init(&loop->deferred_next);
    queue_init(&loop->deferred_due);
    loop->posted_last = &loop->posted;
    loop->is_virtual = is_virtual;
    *out = loop;
    return 0;
}

int loop_new(struct loop **out, struct error *err)
{
    return new_loop(out, false, err);
}

int loop_new_virtual(struct loop **out, struct error *err)
{
    return new_loop(out, true, err);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void loop_handle_close(void *handle)
{
    uv_handle_t *uv = handle;
    uv->data = NULL;
    if (!uv_is_closing(uv))
        uv_close(uv, free_handle);
}

static void close_left_over(uv_handle_t *handle, void *arg)
{
    struct loop *loop = arg;
    if (uv_is_closing(handle))
        return;
    bool embedded = (void *)handle == &loop->wake || (void *)handle == &loop->prepare ||
                    (void *)handle == &loop->idle || (void *)handle == &loop->alarm;
    uv_close(handle, embedded ? NULL : free_handle);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    do {
        uv_walk(&loop->uv, close_left_over, loop);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    } while (uv_loop_close(&loop->uv) == UV_EBUSY);
    for (struct loop_message *message = take_posted(loop); message;) {
        struct loop_message *next = message->next;
        free(message);
        message = next;
    }
    uv_mutex_destroy(&loop->post_lock);
    vec_done(&loop->timers);
    free(loop);
}

// ---- turns --------------------------------------------------------------------------------------

static bool is_alive(const struct loop *loop)
{
    return has_deferred(loop) || loop->deferred_running.first || uv_loop_alive(&loop->uv);
}

bool loop_turn(struct loop *loop, bool wait)
{
    if (loop->is_virtual)
        loop_timers_run(loop);
    run_deferred(loop);
    stay_awake_for_deferred(loop);
    if (!uv_loop_alive(&loop->uv)) {
        // uv_run() would not look at the wake-up descriptor.
        on_wake(&loop->wake);
    } else {
        uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        queue_move(&loop->deferred, &loop->deferred_due);
    }
    run_deferred(loop);
    return is_alive(loop) || loop->timers.len > 0;
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    for (bool active = true; active && !loop->stopped;) {
        loop_turn(loop, true);
        active = is_alive(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    // Called from a deferral just before the loop waits: it must not wait any more.
    uv_stop(&loop->uv);
}

void loop_hold(struct loop *loop)
{
    if (loop->holds++ == 0)
        uv_ref((uv_handle_t *)&loop->wake);
}

void loop_release(struct loop *loop)
{
    assert(loop->holds > 0);
    if (--loop->holds == 0)
        uv_unref((uv_handle_t *)&loop->wake);
}

int loop_descriptor(const struct loop *loop)
{
    return uv_backend_fd(&loop->uv);
}
