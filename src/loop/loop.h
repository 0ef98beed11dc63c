// SPDX-License-Identifier: Apache-2.0
// One event loop per thread, over libuv.
//
// Rules: (1) Everything but loop_post() is called on the loop's own thread. (2) Handles are
// embedded in their owner and initialised with ..._init(). (3) Callbacks run from the loop only,
// never from inside the call that started them. (4) After ..._stop() or ..._done() a handle's
// callback does not run again, and the owner may be freed at once. (5) A stopped handle can be
// started again; a done one must be initialised again. (6) Times are the loop's clock, nanoseconds
// since an arbitrary start. (7) A loop must outlive its handles. (8) Active are started timers,
// watched descriptors, running processes, work, deferrals and holds; signals, watches and messages
// that other threads may post are not.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct loop;

_must_use_ int loop_new(struct loop **out, struct error *err);
// For tests: time stands still except for loop_advance(); descriptors work as usual.
_must_use_ int loop_new_virtual(struct loop **out, struct error *err);
// Waits for work that is under way; messages not yet run are dropped.
void loop_free(struct loop *loop);

// Runs until loop_stop() or until nothing is active. With a virtual clock a timer alone does not
// keep it running.
void loop_run(struct loop *loop);
// One turn; waits for events only if `wait`. True while something is active.
bool loop_turn(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);
// Keeps the loop active until as many releases, e.g. to wait for messages only.
void loop_hold(struct loop *loop);
void loop_release(struct loop *loop);

uint64_t loop_now(struct loop *loop);
// Readable while events wait that the loop has not seen; timers do not show. Any thread may poll
// it.
int loop_descriptor(const struct loop *loop);
// Virtual clock: moves time forward and runs what falls due, in order. A timer started for "now"
// by a timer runs in the same call, up to LOOP_TIMER_ROUNDS_MAX times.
#define LOOP_TIMER_ROUNDS_MAX 64
void loop_advance(struct loop *loop, uint64_t ns);

// ---- timers ------------------------------------------------------------------------------------
struct loop_timer {
    struct loop *loop;
    void (*callback)(struct loop_timer *timer);
    uint64_t due; // on the loop's clock
    uint64_t order;
    size_t index; // in the loop's heap
    bool active;
};
void loop_timer_init(struct loop_timer *timer, struct loop *loop,
                     void (*callback)(struct loop_timer *timer));
// Fires once, `ns` from now at the earliest (rounded up to milliseconds); restarts when active.
void loop_timer_start(struct loop_timer *timer, uint64_t ns);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_done(struct loop_timer *timer);

// ---- readiness of descriptors -------------------------------------------------------------------
#define LOOP_READABLE 1u
#define LOOP_WRITABLE 2u
#define LOOP_HANGUP   4u // peer closed; reported with the others, need not be asked for
struct loop_poll {
    struct loop *loop;
    void (*callback)(struct loop_poll *poll, unsigned events);
    void *impl;
    unsigned events; // watched
};
// `fd` must be non-blocking; it stays the caller's and is closed after loop_poll_done().
_must_use_ int loop_poll_init(struct loop_poll *poll, struct loop *loop, int fd,
                              void (*callback)(struct loop_poll *poll, unsigned events));
// Watches for the events (level-triggered); 0 stops. Cheap when nothing changes. A hangup of the
// peer's sending side is reported with LOOP_READABLE only, since it lasts. After an error on the
// descriptor all watched events are reported once and watching stops.
_must_use_ int loop_poll_set(struct loop_poll *poll, unsigned events);
void loop_poll_done(struct loop_poll *poll);

// ---- deferred work ------------------------------------------------------------------------------
// Runs once at the end of the current turn, before the loop waits again, in order of deferral. What
// is deferred meanwhile runs in the same turn's end as well, up to LOOP_DEFER_ROUNDS_MAX rounds.
#define LOOP_DEFER_ROUNDS_MAX 64
struct loop_defer {
    struct loop_defer *next;
    void (*callback)(struct loop_defer *defer);
    bool queued;
};
void loop_defer(struct loop *loop, struct loop_defer *defer); // no effect when queued
// Runs once after the loop has looked for events, behind what they defer; again no effect when
// queued. What goes on so gives way in each turn; the loop does not wait meanwhile.
void loop_defer_next(struct loop *loop, struct loop_defer *defer);
void loop_defer_cancel(struct loop *loop, struct loop_defer *defer);

// ---- from other threads -------------------------------------------------------------------------
// Runs callback(arg) on the loop's thread. Thread-safe; messages of one thread keep their order.
void loop_post(struct loop *loop, void (*callback)(void *arg), void *arg);

// Runs work(arg) on the thread pool, then done(arg) on this loop.
void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

// ---- processes, signals, files ------------------------------------------------------------------
struct loop_signal {
    struct loop *loop;
    void (*callback)(struct loop_signal *signal, int signum);
    void *impl;
};
_must_use_ int loop_signal_init(struct loop_signal *signal, struct loop *loop, int signum,
                                void (*callback)(struct loop_signal *signal, int signum));
void loop_signal_done(struct loop_signal *signal);

// Child process: argv NULL-terminated, stdin from /dev/null, stdout and stderr inherited, in its
// own process group. `env` NULL inherits.
struct loop_process {
    struct loop *loop;
    // Exit status, or -1 and the signal that ended it.
    void (*callback)(struct loop_process *process, int status, int signal);
    void *impl;
};
_must_use_ int loop_process_start(struct loop_process *process, struct loop *loop,
                                  const char *const *argv, const char *const *env, const char *cwd,
                                  void (*callback)(struct loop_process *process, int status,
                                                   int signal),
                                  struct error *err);
// Sends a signal to the child's process group. -ESRCH after it ended.
int loop_process_kill(struct loop_process *process, int signum);
// A child that still runs is left running and reaped when it ends.
void loop_process_done(struct loop_process *process);

// Tells that something in the folder (not below) or the file changed.
struct loop_watch {
    struct loop *loop;
    void (*callback)(struct loop_watch *watch, const char *name); // name may be NULL
    void *impl;
};
_must_use_ int loop_watch_init(struct loop_watch *watch, struct loop *loop, const char *path,
                               void (*callback)(struct loop_watch *watch, const char *name),
                               struct error *err);
void loop_watch_done(struct loop_watch *watch);
