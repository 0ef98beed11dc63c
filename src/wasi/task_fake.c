// SPDX-License-Identifier: Apache-2.0
#include "wasi/task_fake.h"

#include <assert.h>

#include "engine/task.h"

static struct fake *fake_of(struct canon_call *call)
{
    return container_of(call, struct fake, call);
}

void fake_init(struct fake *fake, bool is_virtual)
{
    *fake = (struct fake){.arena = ARENA_INIT((size_t)64 << 20)};
    _unused_ int rc =
        is_virtual ? loop_new_virtual(&fake->loop, NULL) : loop_new(&fake->loop, NULL);
    assert(rc == 0);
    wasi_init(&fake->wasi, &fake->config, fake->loop, NULL);
    fake->call = (struct canon_call){
        .arena = &fake->arena, .error = &fake->error, .host = &fake->wasi, .may_leave = true};
}

void fake_done(struct fake *fake)
{
    wasi_done(&fake->wasi);
    loop_free(fake->loop);
    arena_done(&fake->arena);
    error_done(&fake->error);
}

void task_wait_begin(struct task_wait *wait, struct canon_call *call)
{
    *wait = (struct task_wait){.call = call};
}

int task_park(struct task_wait *wait)
{
    struct fake *fake = fake_of(wait->call);
    fake->parks++;
    while (!wait->woken) {
        if (loop_turn(fake->loop, true))
            continue;
        if (!wait->woken)
            return canon_trap(wait->call, "nothing can wake the task");
    }
    wait->woken = false;
    return 0;
}

void task_wake(struct task_wait *wait)
{
    wait->woken = true;
}

int instance_exit(struct canon_call *call, uint32_t code)
{
    struct fake *fake = fake_of(call);
    fake->exited = true;
    fake->exit_code = code;
    return canon_trap(call, "exit");
}
