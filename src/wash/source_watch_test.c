// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include "testing/test.h"
#include "wash/source_watch.h"

static void put(const char *dir, const char *name, const char *content)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    fputs(content, file);
    fclose(file);
}

static void make_dir(const char *dir, const char *name)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, name);
    CHECK_INT(mkdir(path, 0777), 0);
}

static void count_change(void *user)
{
    ++*(int *)user;
}

static void stop(struct loop_timer *timer)
{
    loop_stop(timer->loop);
}

static void run_for(struct loop *loop, uint64_t ms)
{
    struct loop_timer timer;
    loop_timer_init(&timer, loop, stop);
    loop_timer_start(&timer, ms * 1000000);
    loop_run(loop);
    loop_timer_done(&timer);
}

TEST(changes_of_content_are_told_and_output_is_not)
{
    ERROR(err);
    char dir[] = "/tmp/wash-watch-test-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    struct loop *loop;
    struct source_watch *watch;
    int changes = 0;
    const char *ignored[] = {"out.wasm"};
    make_dir(dir, "src");
    make_dir(dir, "target");
    put(dir, "src/lib.rs", "one");
    CHECK_INT(loop_new(&loop, &err), 0);
    CHECK_INT(source_watch_new(loop, dir, ignored, 1, count_change, &changes, &watch, &err), 0);
    CHECK(!source_watch_differs(watch));

    put(dir, "target/x", "output");
    put(dir, "out.wasm", "output");
    put(dir, ".hidden", "editor");
    put(dir, "src/lib.rs", "one");
    run_for(loop, 3 * SOURCE_WATCH_SETTLE_MS);
    CHECK_INT(changes, 0);

    put(dir, "src/lib.rs", "two");
    CHECK(source_watch_differs(watch));
    run_for(loop, 3 * SOURCE_WATCH_SETTLE_MS);
    CHECK_INT(changes, 1);
    source_watch_mark(watch);

    make_dir(dir, "src/inner");
    run_for(loop, 3 * SOURCE_WATCH_SETTLE_MS);
    source_watch_mark(watch);
    int before = changes;
    put(dir, "src/inner/new.rs", "three");
    run_for(loop, 3 * SOURCE_WATCH_SETTLE_MS);
    CHECK(changes > before);

    source_watch_free(watch);
    loop_free(loop);
    _cleanup_(mem_freep) char *command = mem_printf("rm -r %s", dir);
    FILE *remove = popen(command, "re");
    CHECK(remove != NULL && pclose(remove) == 0);
}
