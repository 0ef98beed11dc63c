// SPDX-License-Identifier: Apache-2.0
// What needs a handle of libuv each. libuv frees a handle only after a turn, so they live on the
// heap and are cut off from their owner when it is done with them.
#include "loop/impl.h"

#include <errno.h>
#include <signal.h>

// ---- readiness of descriptors -------------------------------------------------------------------

static void on_poll(uv_poll_t *uv, int status, int uv_events)
{
    struct loop_poll *poll = uv->data;
    if (!poll)
        return;
    unsigned events = 0;
    if (status < 0) {
        events = poll->events | LOOP_HANGUP;
        poll->events = 0;
        uv_poll_stop(uv);
    } else {
        events |= uv_events & UV_READABLE ? LOOP_READABLE : 0;
        events |= uv_events & UV_WRITABLE ? LOOP_WRITABLE : 0;
        events |= uv_events & UV_DISCONNECT ? LOOP_HANGUP : 0;
    }
    if (events)
        poll->callback(poll, events);
}

int loop_poll_init(struct loop_poll *poll, struct loop *loop, int fd,
                   void (*callback)(struct loop_poll *poll, unsigned events))
{
    uv_poll_t *uv = mem_new(uv_poll_t);
    int rc = uv_poll_init(&loop->uv, uv, fd);
    if (rc < 0) {
        free(uv);
        return rc;
    }
    uv->data = poll;
    *poll = (struct loop_poll){.loop = loop, .callback = callback, .impl = uv};
    return 0;
}

int loop_poll_set(struct loop_poll *poll, unsigned events)
{
    events &= LOOP_READABLE | LOOP_WRITABLE;
    if (events == poll->events)
        return 0;
    int rc;
    if (events == 0) {
        rc = uv_poll_stop(poll->impl);
    } else {
        int uv_events = 0;
        uv_events |= events & LOOP_READABLE ? UV_READABLE | UV_DISCONNECT : 0;
        uv_events |= events & LOOP_WRITABLE ? UV_WRITABLE : 0;
        rc = uv_poll_start(poll->impl, uv_events, on_poll);
    }
    if (rc == 0)
        poll->events = events;
    return rc;
}

void loop_poll_done(struct loop_poll *poll)
{
    if (poll->impl)
        loop_handle_close(TAKE(poll->impl));
    poll->events = 0;
}

// ---- signals ------------------------------------------------------------------------------------

static void on_signal(uv_signal_t *uv, int signum)
{
    struct loop_signal *owner = uv->data;
    if (owner)
        owner->callback(owner, signum);
}

int loop_signal_init(struct loop_signal *signal, struct loop *loop, int signum,
                     void (*callback)(struct loop_signal *signal, int signum))
{
    uv_signal_t *uv = mem_new(uv_signal_t);
    int rc = uv_signal_init(&loop->uv, uv);
    if (rc < 0) {
        free(uv);
        return rc;
    }
    rc = uv_signal_start(uv, on_signal, signum);
    if (rc < 0) {
        loop_handle_close(uv);
        return rc;
    }
    uv_unref((uv_handle_t *)uv);
    uv->data = signal;
    *signal = (struct loop_signal){loop, callback, uv};
    return 0;
}

void loop_signal_done(struct loop_signal *signal)
{
    if (signal->impl)
        loop_handle_close(TAKE(signal->impl));
}

// ---- processes ----------------------------------------------------------------------------------

struct loop_child {
    uv_process_t uv; // first: freed as the handle
    bool ended;
};

static void on_exit_of_child(uv_process_t *uv, int64_t status, int signum)
{
    struct loop_child *child = (struct loop_child *)uv;
    struct loop_process *process = uv->data;
    child->ended = true;
    if (process)
        process->callback(process, signum ? -1 : (int)status, signum);
    else
        loop_handle_close(child);
}

int loop_process_start(struct loop_process *process, struct loop *loop, const char *const *argv,
                       const char *const *env, const char *cwd,
                       void (*callback)(struct loop_process *process, int status, int signal),
                       struct error *err)
{
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = UV_INHERIT_FD, .data.fd = STDOUT_FILENO},
                                     {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
    uv_process_options_t options = {
        .exit_cb = on_exit_of_child,
        .file = argv[0],
        .args = (char **)(uintptr_t)argv,
        .env = (char **)(uintptr_t)env,
        .cwd = cwd,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = ARRAY_LEN(stdio),
        .stdio = stdio,
    };
    struct loop_child *child = mem_new(struct loop_child);
    int rc = uv_spawn(&loop->uv, &child->uv, &options);
    if (rc < 0) {
        loop_handle_close(child);
        return error_set_errno(err, rc, "starting %s%s%s", argv[0], cwd ? " in " : "",
                               cwd ? cwd : "");
    }
    child->uv.data = process;
    *process = (struct loop_process){loop, callback, child};
    return 0;
}

int loop_process_kill(struct loop_process *process, int signum)
{
    struct loop_child *child = process->impl;
    if (!child || child->ended)
        return -ESRCH;
    return kill(-child->uv.pid, signum) < 0 ? -errno : 0;
}

void loop_process_done(struct loop_process *process)
{
    struct loop_child *child = TAKE(process->impl);
    if (!child)
        return;
    child->uv.data = NULL;
    if (child->ended)
        loop_handle_close(child);
    else
        uv_unref((uv_handle_t *)&child->uv);
}

// ---- watches ------------------------------------------------------------------------------------

static void on_change(uv_fs_event_t *uv, const char *name, int events, int status)
{
    struct loop_watch *watch = uv->data;
    if (watch)
        watch->callback(watch, status < 0 ? NULL : name);
}

int loop_watch_init(struct loop_watch *watch, struct loop *loop, const char *path,
                    void (*callback)(struct loop_watch *watch, const char *name), struct error *err)
{
    uv_fs_event_t *uv = mem_new(uv_fs_event_t);
    int rc = uv_fs_event_init(&loop->uv, uv);
    if (rc < 0) {
        free(uv);
        return error_set_errno(err, rc, "watching %s", path);
    }
    rc = uv_fs_event_start(uv, on_change, path, 0);
    if (rc < 0) {
        loop_handle_close(uv);
        return error_set_errno(err, rc, "watching %s", path);
    }
    uv_unref((uv_handle_t *)uv);
    uv->data = watch;
    *watch = (struct loop_watch){loop, callback, uv};
    return 0;
}

void loop_watch_done(struct loop_watch *watch)
{
    if (watch->impl)
        loop_handle_close(TAKE(watch->impl));
}
