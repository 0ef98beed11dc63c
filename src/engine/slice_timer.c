// SPDX-License-Identifier: Apache-2.0
#include "engine/slice_timer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "engine/internal.h"

// Looking costs about a microsecond: 1 % of what hot code gets.
#define LOOK_NS 100000u

// The one whose slice runs on this thread.
static _Thread_local struct executor *watched;

static void look(int number)
{
    int saved_errno = errno;
    struct executor *executor = watched;
    struct pollfd events = {.events = POLLIN};
    if (executor)
        events.fd = loop_descriptor(executor->loop);
    if (executor && poll(&events, 1, 0) > 0) {
        atomic_store(&executor->preempt, true);
        wasmtime_engine_increment_epoch(executor->engine->wasm);
    }
    errno = saved_errno;
}

static void install(void)
{
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SLICE_SIGNAL, &action, NULL);
}

static bool create(struct slice_timer *timer)
{
    static pthread_once_t installed = PTHREAD_ONCE_INIT;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SLICE_SIGNAL};
    event._sigev_un._tid = gettid();
    pthread_once(&installed, install);
    timer->exists = timer_create(CLOCK_MONOTONIC, &event, &timer->id) == 0;
    return timer->exists;
}

void slice_timer_start(struct slice_timer *timer, struct executor *executor, uint32_t ns)
{
    if (!timer->exists && !create(timer))
        return;
    struct itimerspec when = {.it_value.tv_nsec = MAX(ns, LOOK_NS), .it_interval.tv_nsec = LOOK_NS};
    watched = executor;
    (void)timer_settime(timer->id, 0, &when, NULL);
}

void slice_timer_stop(struct slice_timer *timer)
{
    static const struct itimerspec never;
    watched = NULL;
    if (timer->exists)
        (void)timer_settime(timer->id, 0, &never, NULL);
}

void slice_timer_done(struct slice_timer *timer)
{
    if (timer->exists)
        (void)timer_delete(timer->id);
    timer->exists = false;
}
