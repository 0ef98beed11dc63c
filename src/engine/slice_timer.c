// SPDX-License-Identifier: Apache-2.0
#include "engine/slice_timer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "engine/internal.h"

// A look costs up to 20 microseconds, where a virtual machine's timers are slow. So looks are
// frequent only while the loop has events now and then: until 50 ms after the last one.
#define BUSY_LOOK_NS  100000u
#define BUSY_LOOKS    500u
#define QUIET_LOOK_NS 2000000u

// The one whose slice runs on this thread.
static _Thread_local struct executor *watched;

static uint32_t look_ns(const struct slice_timer *timer)
{
    return timer->looks_left > 0 ? BUSY_LOOK_NS : QUIET_LOOK_NS;
}

// For one look: were the next one due before this one has ended, the code would never go on.
static void arm(const struct slice_timer *timer, uint32_t ns)
{
    const struct itimerspec when = {.it_value.tv_nsec = ns};
    (void)timer_settime(timer->id, 0, &when, NULL);
}

static void look(struct executor *executor)
{
    struct slice_timer *timer = &executor->slice_timer;
    struct pollfd events = {.fd = loop_descriptor(executor->loop), .events = POLLIN};
    if (poll(&events, 1, 0) > 0) {
        atomic_store(&executor->preempt, true);
        wasmtime_engine_increment_epoch(executor->engine->wasm);
        return;
    }
    if (timer->looks_left > 0)
        timer->looks_left--;
    arm(timer, look_ns(timer));
}

static void on_signal(int number)
{
    int saved_errno = errno;
    if (watched)
        look(watched);
    errno = saved_errno;
}

static void install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
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
    watched = executor;
    arm(timer, ns > 0 ? ns : look_ns(timer));
}

void slice_timer_stop(struct slice_timer *timer)
{
    if (watched && atomic_load(&watched->preempt))
        timer->looks_left = BUSY_LOOKS;
    watched = NULL;
    if (timer->exists)
        arm(timer, 0);
}

void slice_timer_done(struct slice_timer *timer)
{
    if (timer->exists)
        (void)timer_delete(timer->id);
    timer->exists = false;
}
