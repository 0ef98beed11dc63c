// SPDX-License-Identifier: Apache-2.0
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "testing/test.h"

#define MS 1000000ull

static struct loop *new_loop(bool is_virtual)
{
    struct loop *loop = NULL;
    ERROR(err);
    int rc = is_virtual ? loop_new_virtual(&loop, &err) : loop_new(&loop, &err);
    CHECK_INT(rc, 0);
    return loop;
}

static void turn_until(struct loop *loop, const bool *flag)
{
    for (int i = 0; i < 1000 && !*flag; i++)
        loop_turn(loop, true);
    CHECK(*flag);
}

// ---- timers -------------------------------------------------------------------------------------

static char fired[128];
struct named_timer {
    struct loop_timer timer;
    char name;
    uint64_t again_ns; // started again by its callback, UINT64_MAX: not
};

static void note(char name)
{
    size_t len = strlen(fired);
    if (len + 1 < sizeof(fired)) {
        fired[len] = name;
        fired[len + 1] = 0;
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct named_timer *named = container_of(timer, struct named_timer, timer);
    note(named->name);
    if (named->again_ns != UINT64_MAX)
        loop_timer_start(timer, named->again_ns);
}

TEST(virtual_timers_fire_in_order_and_only_when_time_moves)
{
    struct loop *loop = new_loop(true);
    static const unsigned due[] = {50, 10, 30, 10, 40, 20, 60};
    struct named_timer timers[ARRAY_LEN(due)];
    fired[0] = 0;
    for (size_t i = 0; i < ARRAY_LEN(due); i++) {
        timers[i] = (struct named_timer){.name = (char)('a' + i), .again_ns = UINT64_MAX};
        loop_timer_init(&timers[i].timer, loop, on_timer);
        loop_timer_start(&timers[i].timer, due[i] * MS);
    }
    CHECK(loop_turn(loop, false));
    CHECK_TEXT(fired, "");
    loop_advance(loop, 9 * MS);
    CHECK_TEXT(fired, "");
    loop_advance(loop, MS);
    CHECK_TEXT(fired, "bd");
    loop_timer_stop(&timers[2].timer);
    loop_timer_start(&timers[0].timer, 15 * MS);
    loop_advance(loop, 20 * MS);
    CHECK_TEXT(fired, "bdfa");
    loop_timer_done(&timers[6].timer);
    loop_advance(loop, 100 * MS);
    CHECK_TEXT(fired, "bdfae");
    CHECK(loop_now(loop) == 130 * MS);
    CHECK(!loop_turn(loop, false));
    loop_free(loop);
}

TEST(a_timer_that_restarts_itself_is_bounded)
{
    struct loop *loop = new_loop(true);
    struct named_timer timer = {.name = 'x', .again_ns = 4 * MS};
    loop_timer_init(&timer.timer, loop, on_timer);
    loop_timer_start(&timer.timer, 0);
    fired[0] = 0;
    loop_turn(loop, false);
    CHECK_TEXT(fired, "x");
    loop_advance(loop, 12 * MS);
    CHECK_TEXT(fired, "xxxx");
    timer.again_ns = 0;
    loop_advance(loop, 4 * MS);
    CHECK(strlen(fired) <= 5 + LOOP_TIMER_ROUNDS_MAX);
    loop_timer_done(&timer.timer);
    loop_free(loop);
}

TEST(heap_survives_many_random_starts_and_stops)
{
    struct loop *loop = new_loop(true);
    struct named_timer timers[64];
    uint64_t seed = 42;
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        timers[i] = (struct named_timer){.name = '.', .again_ns = UINT64_MAX};
        loop_timer_init(&timers[i].timer, loop, on_timer);
    }
    for (int step = 0; step < 20000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct loop_timer *timer = &timers[(seed >> 33) % ARRAY_LEN(timers)].timer;
        if (seed >> 62 == 0)
            loop_timer_stop(timer);
        else
            loop_timer_start(timer, (seed >> 40) % 1000 * MS);
        fired[0] = 0;
        loop_advance(loop, (seed >> 50) % 3 * MS);
        for (size_t i = 0; i < ARRAY_LEN(timers); i++)
            CHECK(!timers[i].timer.active || timers[i].timer.due > loop_now(loop) ||
                  timers[i].timer.due == loop_now(loop));
    }
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        loop_timer_done(&timers[i].timer);
    CHECK(!loop_turn(loop, false));
    loop_free(loop);
}

TEST(real_timers_fire_not_before_their_time)
{
    struct loop *loop = new_loop(false);
    struct named_timer a = {.name = 'a', .again_ns = UINT64_MAX};
    struct named_timer b = {.name = 'b', .again_ns = UINT64_MAX};
    struct named_timer c = {.name = 'c', .again_ns = UINT64_MAX};
    loop_timer_init(&a.timer, loop, on_timer);
    loop_timer_init(&b.timer, loop, on_timer);
    loop_timer_init(&c.timer, loop, on_timer);
    fired[0] = 0;
    uint64_t start = loop_now(loop);
    loop_timer_start(&a.timer, 10 * MS);
    loop_timer_start(&b.timer, 3 * MS + 1);
    loop_timer_start(&c.timer, MS);
    loop_timer_stop(&c.timer);
    loop_run(loop);
    CHECK_TEXT(fired, "ba");
    CHECK(loop_now(loop) - start >= 10 * MS);
    loop_free(loop);
}

// ---- deferrals ----------------------------------------------------------------------------------

struct named_defer {
    struct loop_defer defer;
    struct loop *loop;
    char name;
    struct loop_defer *then;
    struct loop_defer *cancels;
};

static void on_defer(struct loop_defer *defer)
{
    struct named_defer *named = container_of(defer, struct named_defer, defer);
    note(named->name);
    if (named->then)
        loop_defer(named->loop, named->then);
    if (named->cancels)
        loop_defer_cancel(named->loop, named->cancels);
}

TEST(deferrals_run_in_order_within_the_turn)
{
    struct loop *loop = new_loop(true);
    struct named_defer a = {{.callback = on_defer}, loop, 'a', NULL, NULL};
    struct named_defer b = {{.callback = on_defer}, loop, 'b', &a.defer, NULL};
    struct named_defer c = {{.callback = on_defer}, loop, 'c', NULL, NULL};
    struct named_defer d = {{.callback = on_defer}, loop, 'd', NULL, &c.defer};
    fired[0] = 0;
    loop_defer(loop, &a.defer);
    loop_defer(loop, &b.defer);
    loop_defer(loop, &b.defer);
    loop_defer(loop, &d.defer);
    loop_defer(loop, &c.defer);
    CHECK(!loop_turn(loop, true));
    CHECK_TEXT(fired, "abda");
    loop_defer(loop, &c.defer);
    loop_defer_cancel(loop, &c.defer);
    loop_defer(loop, &a.defer);
    loop_run(loop);
    CHECK_TEXT(fired, "abdaa");
    loop_free(loop);
}

TEST(deferrals_without_end_do_not_hang_the_turn)
{
    struct loop *loop = new_loop(false);
    struct named_defer a = {{.callback = on_defer}, loop, 'a', &a.defer, NULL};
    fired[0] = 0;
    loop_defer(loop, &a.defer);
    CHECK(loop_turn(loop, true));
    CHECK(strlen(fired) >= LOOP_DEFER_ROUNDS_MAX);
    loop_defer_cancel(loop, &a.defer);
    CHECK(!loop_turn(loop, true));
    loop_free(loop);
}

struct repeating {
    struct loop_defer defer;
    struct loop *loop;
    int left;
};

static void on_repeating(struct loop_defer *defer)
{
    struct repeating *repeating = container_of(defer, struct repeating, defer);
    note('n');
    if (--repeating->left > 0)
        loop_defer_next(repeating->loop, defer);
}

static void on_event_with_deferral(void *arg)
{
    struct named_defer *named = arg;
    note('e');
    loop_defer(named->loop, &named->defer);
}

TEST(what_is_deferred_to_the_next_turn_runs_once_in_it_behind_events)
{
    struct loop *loop = new_loop(false);
    struct repeating next = {{.callback = on_repeating}, loop, 3};
    struct named_defer a = {{.callback = on_defer}, loop, 'a', NULL, NULL};
    fired[0] = 0;
    loop_post(loop, on_event_with_deferral, &a);
    loop_defer_next(loop, &next.defer);
    loop_defer_next(loop, &next.defer);
    CHECK(loop_turn(loop, true));
    CHECK_TEXT(fired, "ean");
    CHECK(loop_turn(loop, true));
    CHECK_TEXT(fired, "eann");
    loop_defer_cancel(loop, &next.defer);
    CHECK(!loop_turn(loop, true));
    CHECK_TEXT(fired, "eann");
    loop_defer_next(loop, &next.defer);
    loop_run(loop); // does not wait
    CHECK_TEXT(fired, "eannn");
    loop_free(loop);
}

// ---- descriptors --------------------------------------------------------------------------------

struct pair {
    struct loop_poll poll;
    int fds[2];
    unsigned seen;
    int calls;
    bool done_in_callback;
};

static void on_poll(struct loop_poll *poll, unsigned events)
{
    struct pair *pair = container_of(poll, struct pair, poll);
    pair->seen |= events;
    pair->calls++;
    if (pair->done_in_callback)
        loop_poll_done(poll);
}

static void pair_open(struct pair *pair, struct loop *loop)
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds), 0);
    CHECK_INT(loop_poll_init(&pair->poll, loop, pair->fds[0], on_poll), 0);
}

static void pair_close(struct pair *pair)
{
    loop_poll_done(&pair->poll);
    close(pair->fds[0]);
    if (pair->fds[1] >= 0)
        close(pair->fds[1]);
}

TEST(poll_reports_what_is_watched_as_long_as_it_lasts)
{
    struct loop *loop = new_loop(true);
    struct pair pair = {0};
    pair_open(&pair, loop);
    CHECK(!loop_turn(loop, false));
    CHECK_INT(loop_poll_set(&pair.poll, LOOP_READABLE), 0);
    CHECK(loop_turn(loop, false));
    CHECK_INT(pair.calls, 0);
    CHECK_INT(write(pair.fds[1], "x", 1), 1);
    loop_turn(loop, true);
    loop_turn(loop, true);
    CHECK_INT(pair.calls, 2);
    CHECK_INT(pair.seen, LOOP_READABLE);
    CHECK_INT(loop_poll_set(&pair.poll, LOOP_WRITABLE), 0);
    pair.seen = 0;
    loop_turn(loop, true);
    CHECK_INT(pair.seen, LOOP_WRITABLE);
    CHECK_INT(loop_poll_set(&pair.poll, 0), 0);
    CHECK(!loop_turn(loop, true));
    CHECK_INT(loop_poll_set(&pair.poll, LOOP_READABLE), 0);
    close(pair.fds[1]);
    pair.fds[1] = -1;
    pair.seen = 0;
    loop_turn(loop, true);
    CHECK_INT(pair.seen, LOOP_READABLE | LOOP_HANGUP);
    pair_close(&pair);
    loop_free(loop);
}

TEST(poll_may_be_done_in_its_callback)
{
    struct loop *loop = new_loop(false);
    struct pair *pair = mem_new(struct pair);
    pair->done_in_callback = true;
    pair_open(pair, loop);
    CHECK_INT(loop_poll_set(&pair->poll, LOOP_READABLE | LOOP_WRITABLE), 0);
    loop_run(loop);
    CHECK_INT(pair->calls, 1);
    pair_close(pair);
    free(pair);
    loop_free(loop);
}

// ---- messages and work --------------------------------------------------------------------------

struct mailbox {
    struct loop *loop;
    pthread_t thread;
    int next;
    bool in_order;
    bool complete;
};

static void on_message(void *arg)
{
    static int expected;
    int *message = arg;
    note(*message == expected++ ? '.' : '!');
    free(message);
}

static void on_last_message(void *arg)
{
    struct mailbox *mailbox = arg;
    mailbox->complete = true;
    loop_release(mailbox->loop);
}

static void *post_many(void *arg)
{
    struct mailbox *mailbox = arg;
    for (int i = 0; i < 100; i++) {
        int *message = mem_new(int);
        *message = i;
        loop_post(mailbox->loop, on_message, message);
    }
    loop_post(mailbox->loop, on_last_message, mailbox);
    return NULL;
}

TEST(messages_of_another_thread_arrive_in_order)
{
    struct loop *loop = new_loop(false);
    struct mailbox mailbox = {.loop = loop};
    fired[0] = 0;
    loop_hold(loop);
    CHECK_INT(pthread_create(&mailbox.thread, NULL, post_many, &mailbox), 0);
    loop_run(loop);
    pthread_join(mailbox.thread, NULL);
    CHECK(mailbox.complete);
    CHECK_INT(strlen(fired), 100);
    CHECK(!strchr(fired, '!'));
    loop_free(loop);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

TEST(a_message_is_run_even_when_nothing_else_is_active)
{
    struct loop *loop = new_loop(true);
    bool flag = false;
    loop_post(loop, set_flag, &flag);
    loop_turn(loop, true);
    CHECK(flag);
    loop_free(loop);
}

struct job {
    pthread_t worker;
    bool done;
};

static void job_work(void *arg)
{
    ((struct job *)arg)->worker = pthread_self();
}

static void job_done(void *arg)
{
    ((struct job *)arg)->done = true;
}

TEST(work_runs_on_another_thread_and_is_done_on_the_loop)
{
    struct loop *loop = new_loop(true);
    struct job job = {.worker = pthread_self()};
    loop_work(loop, job_work, job_done, &job);
    CHECK(!job.done);
    loop_run(loop);
    CHECK(job.done);
    CHECK(!pthread_equal(job.worker, pthread_self()));
    job.done = false;
    loop_work(loop, job_work, job_done, &job);
    loop_free(loop);
    CHECK(job.done);
}

// ---- signals, processes, files ------------------------------------------------------------------

static bool signalled;
static void on_signal(struct loop_signal *signal, int signum)
{
    signalled = signum == SIGUSR1;
    loop_release(signal->loop);
}

TEST(signals_are_delivered_on_the_loop)
{
    struct loop *loop = new_loop(false);
    struct loop_signal usr1;
    CHECK_INT(loop_signal_init(&usr1, loop, SIGUSR1, on_signal), 0);
    CHECK(!loop_turn(loop, true));
    loop_hold(loop);
    CHECK_INT(kill(getpid(), SIGUSR1), 0);
    loop_run(loop);
    CHECK(signalled);
    loop_signal_done(&usr1);
    loop_free(loop);
}

struct child {
    struct loop_process process;
    int status;
    int signal;
    bool ended;
};

static void on_end(struct loop_process *process, int status, int signum)
{
    struct child *child = container_of(process, struct child, process);
    child->status = status;
    child->signal = signum;
    child->ended = true;
}

TEST(processes_report_how_they_ended)
{
    struct loop *loop = new_loop(false);
    struct child child = {0};
    ERROR(err);
    static const char *const fails[] = {"sh", "-c", "test \"$A\" = b && exit 3", NULL};
    static const char *const env[] = {"A=b", "PATH=/usr/bin:/bin", NULL};
    CHECK_INT(loop_process_start(&child.process, loop, fails, env, "/", on_end, &err), 0);
    loop_run(loop);
    CHECK(child.ended);
    CHECK_INT(child.status, 3);
    CHECK_INT(loop_process_kill(&child.process, SIGTERM), -ESRCH);
    loop_process_done(&child.process);

    static const char *const sleeps[] = {"sleep", "100", NULL};
    child.ended = false;
    CHECK_INT(loop_process_start(&child.process, loop, sleeps, NULL, NULL, on_end, &err), 0);
    CHECK_INT(loop_process_kill(&child.process, SIGTERM), 0);
    loop_run(loop);
    CHECK_INT(child.status, -1);
    CHECK_INT(child.signal, SIGTERM);
    loop_process_done(&child.process);

    CHECK_INT(loop_process_start(&child.process, loop, sleeps, NULL, NULL, on_end, &err), 0);
    CHECK_INT(loop_process_kill(&child.process, SIGKILL), 0);
    loop_process_done(&child.process);

    static const char *const missing[] = {"no-such-program-anywhere", NULL};
    CHECK_INT(loop_process_start(&child.process, loop, missing, NULL, NULL, on_end, &err), -ENOENT);
    CHECK_CONTAINS(error_text(&err), "no-such-program-anywhere");
    loop_free(loop);
}

static bool changed;
static void on_change(struct loop_watch *watch, const char *name)
{
    if (name && strcmp(name, "new.txt") == 0)
        changed = true;
}

TEST(watches_tell_of_new_files)
{
    struct loop *loop = new_loop(false);
    struct loop_watch watch;
    ERROR(err);
    char dir[] = "/tmp/loop-watch-XXXXXX";
    CHECK(mkdtemp(dir));
    CHECK_INT(loop_watch_init(&watch, loop, dir, on_change, &err), 0);
    _cleanup_(mem_freep) char *path = mem_printf("%s/new.txt", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    close(fd);
    loop_hold(loop);
    turn_until(loop, &changed);
    loop_release(loop);
    loop_watch_done(&watch);
    CHECK_INT(loop_watch_init(&watch, loop, "/no/such/folder", on_change, &err), -ENOENT);
    CHECK_CONTAINS(error_text(&err), "/no/such/folder");
    unlink(path);
    rmdir(dir);
    loop_free(loop);
}

// ---- stopping -----------------------------------------------------------------------------------

struct stopper {
    struct loop *loop;
    struct loop_timer timer;
    struct loop_defer defer;
};

static void stop_in_deferral(struct loop_defer *defer)
{
    loop_stop(container_of(defer, struct stopper, defer)->loop);
}

static void defer_from_timer(struct loop_timer *timer)
{
    struct stopper *stopper = container_of(timer, struct stopper, timer);
    loop_defer(stopper->loop, &stopper->defer);
}

TEST(a_stop_in_a_deferral_ends_a_loop_that_has_nothing_else_to_wait_for)
{
    ERROR(err);
    struct stopper stopper = {.defer.callback = stop_in_deferral};
    CHECK_INT(loop_new(&stopper.loop, &err), 0);
    loop_timer_init(&stopper.timer, stopper.loop, defer_from_timer);
    loop_hold(stopper.loop);
    for (int i = 0; i < 3; i++) {
        loop_timer_start(&stopper.timer, 0);
        loop_run(stopper.loop); // hangs if the stop is missed
    }
    loop_release(stopper.loop);
    loop_timer_done(&stopper.timer);
    loop_free(stopper.loop);
}
