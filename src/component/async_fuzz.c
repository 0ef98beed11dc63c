// SPDX-License-Identifier: Apache-2.0
// Streams between two component instances under random interleavings of read, write, cancel, drop,
// transfer, join and poll, held against a model that says what each built-in answers; and tasks
// with callbacks that call each other, are cancelled and held back, none of which may be lost.
#include <stddef.h>
#include <stdint.h>

#include "component/async_builtin.h"
#include "component/canon_copy.h"
#include "component/stream.h"
#include "component/subtask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INSTANCES    2
#define MEMORY_BYTES 4096u
#define STREAMS_MAX  4
#define STEPS_MAX    400
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

enum { NO_EVENT = -1 };

struct model_end {
    bool is_live;
    bool is_writer;
    bool is_copying, is_done;
    bool in_set;
    uint32_t instance, index;
    uint32_t ptr, len, progress;
    int event; // enum copy_result
};

struct model_stream {
    bool is_used;
    bool is_dropped;
    struct model_end ends[2]; // reader, writer
    int pending;              // of `ends`; -1: none
    uint8_t next_written, next_read;
};

struct model_task {
    uint32_t starts, ends;
};

struct world {
    const uint8_t *data;
    size_t size, at;
    uint32_t steps;
    struct plan plan;
    uint32_t parents[INSTANCES];
    struct plan_lifted lifted[INSTANCES];
    struct func_type type;
    struct async_instance instances[INSTANCES];
    struct async_store store;
    struct arena arena;
    uint8_t memory[INSTANCES][MEMORY_BYTES];
    uint32_t sets[INSTANCES];
    struct model_stream streams[STREAMS_MAX];
    uint32_t calls_made, calls_resolved, host_calls, host_ended;
};

static struct world *world_of(struct async_store *store)
{
    return store->engine;
}

static uint32_t choose(struct world *w, uint32_t count)
{
    return w->at < w->size ? w->data[w->at++] % count : 0;
}

// ---- the engine's part --------------------------------------------------------------------------

static void refresh(struct canon_call *call)
{
}

static int post_return(struct canon_call *call, const void *func, union core_value *flat)
{
    return 0;
}

static const struct canon_ops canon_ops = {.refresh = refresh, .post_return = post_return};

static int begin(struct async_store *store, const struct canon_options *options,
                 struct canon_call *call)
{
    struct world *w = world_of(store);
    *call = (struct canon_call){
        .memory = w->memory[options->component_instance],
        .memory_size = MEMORY_BYTES,
        .handles = &w->instances[options->component_instance].handles,
        .arena = &w->arena,
        .error = call->error,
        .ops = &canon_ops,
        .options = options,
        .may_leave = true,
        .is_async = options->is_async,
        .component_instance = options->component_instance,
        .async = store,
    };
    return 0;
}

static int resume(struct async_thread *thread, struct error *err)
{
    int rc = async_thread_main(thread, err);
    return rc < 0 ? rc : ASYNC_RAN;
}

static int block(struct async_thread *thread, struct error *err)
{
    abort(); // nothing here blocks on a stack
}

static void schedule(struct async_store *store)
{
}

static int guest(struct async_store *store, uint32_t func, union core_value *values, uint32_t count,
                 struct error *err);

static const struct async_ops ops = {
    .resume = resume, .block = block, .schedule = schedule, .begin = begin, .call = guest};

// ---- built-ins ----------------------------------------------------------------------------------

static const struct canon_options async_options[INSTANCES] = {
    {.component_instance = 0, .memory = 0, .realloc = PLAN_NONE, .is_async = true},
    {.component_instance = 1, .memory = 0, .realloc = PLAN_NONE, .is_async = true},
};

static uint64_t run(struct world *w, uint32_t instance, enum canon_kind kind, uint32_t a,
                    uint32_t b, uint32_t c)
{
    struct plan_builtin builtin = {
        .kind = kind, .type = type_primitive(TYPE_U8), .flag = kind == CANON_SUBTASK_CANCEL};
    union core_value values[4] = {{.u64 = a}, {.u64 = b}, {.u64 = c}};
    ERROR(err);
    struct canon_call call = {.error = &err};
    CHECK(begin(&w->store, &async_options[instance], &call) == 0);
    CHECK(async_builtin(&call, &builtin, values) == 0);
    canon_call_end(&call);
    return values[0].u64;
}

// ---- the model of streams -----------------------------------------------------------------------

static struct model_end *other_end(struct model_stream *s, struct model_end *end)
{
    return end == &s->ends[0] ? &s->ends[1] : &s->ends[0];
}

static int number_of(const struct model_stream *s, const struct model_end *end)
{
    return end == &s->ends[0] ? 0 : 1;
}

static uint32_t deliver(struct model_stream *s, struct model_end *end)
{
    if (s->pending == number_of(s, end))
        s->pending = -1;
    uint32_t payload = (uint32_t)end->event | end->progress << 4;
    end->is_copying = false;
    end->is_done = end->event == COPY_DROPPED;
    end->event = NO_EVENT;
    return payload;
}

// Bytes that went from the writer to the reader, checked in the reader's memory.
static void pass(struct world *w, struct model_stream *s, uint32_t count)
{
    struct model_end *reader = &s->ends[0];
    const uint8_t *at = w->memory[reader->instance] + reader->ptr + reader->progress;
    for (uint32_t i = 0; i < count; i++)
        CHECK(at[i] == s->next_read++);
    reader->progress += count;
    s->ends[1].progress += count;
}

// What a copy answers; COPY_BLOCKED: nothing yet.
static uint32_t model_copy(struct world *w, struct model_stream *s, struct model_end *end)
{
    struct model_end *other = other_end(s, end);
    end->is_copying = true;
    end->progress = 0;
    if (s->is_dropped) {
        end->event = COPY_DROPPED;
        return deliver(s, end);
    }
    if (s->pending != number_of(s, other)) {
        s->pending = number_of(s, end);
        return COPY_BLOCKED;
    }
    uint32_t left = other->len - other->progress;
    if (left > 0) {
        uint32_t count = MIN(left, end->len);
        pass(w, s, count);
        if (count > 0)
            other->event = COPY_COMPLETED;
    } else if (!(end->is_writer && end->len == 0 && other->len == 0)) {
        other->event = COPY_COMPLETED;
        s->pending = number_of(s, end);
        return COPY_BLOCKED;
    }
    end->event = COPY_COMPLETED;
    return deliver(s, end);
}

static void copy(struct world *w, struct model_stream *s, struct model_end *end)
{
    end->len = choose(w, 9);
    // Each end has a part of the memory of its own.
    end->ptr = (uint32_t)(s - w->streams) * 128 + (end->is_writer ? 64 : 0) + choose(w, 7) * 8;
    uint8_t *memory = w->memory[end->instance] + end->ptr;
    // A writer offers again what was not taken.
    if (end->is_writer)
        for (uint32_t i = 0; i < end->len; i++)
            memory[i] = (uint8_t)(s->next_read + i);
    enum canon_kind kind = end->is_writer ? CANON_STREAM_WRITE : CANON_STREAM_READ;
    uint32_t got = (uint32_t)run(w, end->instance, kind, end->index, end->ptr, end->len);
    CHECK(got == model_copy(w, s, end));
}

static void cancel(struct world *w, struct model_stream *s, struct model_end *end)
{
    if (end->in_set) {
        (void)run(w, end->instance, CANON_WAITABLE_JOIN, end->index, 0, 0);
        end->in_set = false;
    }
    enum canon_kind kind = end->is_writer ? CANON_STREAM_CANCEL_WRITE : CANON_STREAM_CANCEL_READ;
    uint32_t got = (uint32_t)run(w, end->instance, kind, end->index, 0, 0);
    if (end->event != COPY_DROPPED)
        end->event = COPY_CANCELLED;
    CHECK(got == deliver(s, end));
}

static void drop(struct world *w, struct model_stream *s, struct model_end *end)
{
    struct model_end *other = other_end(s, end);
    enum canon_kind kind = end->is_writer ? CANON_STREAM_DROP_WRITABLE : CANON_STREAM_DROP_READABLE;
    (void)run(w, end->instance, kind, end->index, 0, 0);
    end->is_live = false;
    s->is_dropped = true;
    if (other->is_live && s->pending == number_of(s, other)) {
        other->event = COPY_DROPPED;
        s->pending = -1;
    }
    s->is_used = other->is_live;
}

// The readable end goes to the other instance.
static void transfer(struct world *w, struct model_end *end)
{
    ERROR(err);
    struct canon_call from = {.error = &err}, to = {.error = &err};
    struct stream *stream;
    uint32_t target = 1 - end->instance;
    CHECK(begin(&w->store, &async_options[end->instance], &from) == 0);
    CHECK(begin(&w->store, &async_options[target], &to) == 0);
    CHECK(canon_lift_stream(&from, end->index, false, type_primitive(TYPE_U8), &stream) == 0);
    CHECK(canon_lower_stream(&to, stream, &end->index) == 0);
    end->instance = target;
}

static void join(struct world *w, struct model_end *end)
{
    end->in_set = !end->in_set;
    uint32_t set = end->in_set ? w->sets[end->instance] : 0;
    (void)run(w, end->instance, CANON_WAITABLE_JOIN, end->index, set, 0);
}

static void open_stream(struct world *w, struct model_stream *s, uint32_t instance)
{
    uint64_t pair = run(w, instance, CANON_STREAM_NEW, 0, 0, 0);
    *s = (struct model_stream){.is_used = true, .pending = -1};
    for (int i = 0; i < 2; i++)
        s->ends[i] = (struct model_end){.is_live = true,
                                        .is_writer = i == 1,
                                        .instance = instance,
                                        .index = (uint32_t)(pair >> 32 * i),
                                        .event = NO_EVENT};
}

static void stream_action(struct world *w, uint32_t instance)
{
    struct model_stream *s = &w->streams[choose(w, STREAMS_MAX)];
    if (!s->is_used) {
        open_stream(w, s, instance);
        return;
    }
    struct model_end *end = &s->ends[choose(w, 2)];
    if (!end->is_live || end->instance != instance)
        return;
    uint32_t action = choose(w, 6);
    if (end->is_copying && action < 3)
        cancel(w, s, end);
    else if (!end->is_copying && !end->is_done && action < 3)
        copy(w, s, end);
    else if (!end->is_copying && action == 3)
        drop(w, s, end);
    else if (!end->is_copying && !end->is_done && !end->in_set && action == 4 && !end->is_writer)
        transfer(w, end);
    else
        join(w, end);
}

// ---- subtasks -----------------------------------------------------------------------------------

static void call_other(struct world *w, uint32_t instance)
{
    union core_value values[CANON_FLAT_MAX] = {{.u64 = 3000}};
    ERROR(err);
    struct canon_call call = {.error = &err};
    CHECK(begin(&w->store, &async_options[instance], &call) == 0);
    uint32_t target = 1 - instance;
    if (w->instances[target].entered)
        return; // it would be entered again
    if (async_lower(&call, &w->lifted[target], values) < 0)
        abort();
    w->calls_made++;
    uint32_t index = values[0].u32 >> 4;
    if ((values[0].u32 & 0xf) == SUBTASK_RETURNED)
        w->calls_resolved++;
    else
        (void)run(w, instance, CANON_WAITABLE_JOIN, index, w->sets[instance], 0);
}

static void cancel_one(struct world *w, uint32_t instance)
{
    const struct handle_table *table = &w->instances[instance].handles;
    for (uint32_t i = 1; i < table->len; i++) {
        if (table->items[i].kind != HANDLE_SUBTASK)
            continue;
        const struct subtask *subtask = table->items[i].rep;
        if (subtask->is_delivered || subtask->is_cancel_requested)
            continue;
        uint32_t state = (uint32_t)run(w, instance, CANON_SUBTASK_CANCEL, i, 0, 0);
        if (state != COPY_BLOCKED) {
            w->calls_resolved++;
            (void)run(w, instance, CANON_SUBTASK_DROP, i, 0, 0);
        }
        return;
    }
}

// ---- events -------------------------------------------------------------------------------------

static struct model_end *find_end(struct world *w, uint32_t instance, uint32_t index,
                                  struct model_stream **stream)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++)
        for (int j = 0; j < 2; j++) {
            struct model_end *end = &w->streams[i].ends[j];
            *stream = &w->streams[i];
            if (w->streams[i].is_used && end->is_live && end->instance == instance &&
                end->index == index)
                return end;
        }
    return NULL;
}

static void take_event(struct world *w, uint32_t instance, struct event event)
{
    struct model_stream *s;
    if (event.code == EVENT_NONE || event.code == EVENT_TASK_CANCELLED)
        return;
    if (event.code == EVENT_SUBTASK) {
        if (event.payload < SUBTASK_RETURNED)
            return;
        w->calls_resolved++;
        (void)run(w, instance, CANON_SUBTASK_DROP, event.index, 0, 0);
        return;
    }
    struct model_end *end = find_end(w, instance, event.index, &s);
    CHECK(end && end->in_set && end->event != NO_EVENT);
    CHECK(event.payload == deliver(s, end));
}

static void poll_set(struct world *w, uint32_t instance)
{
    uint32_t code = (uint32_t)run(w, instance, CANON_WAITABLE_SET_POLL, w->sets[instance], 4000, 0);
    const uint8_t *memory = w->memory[instance] + 4000;
    take_event(
        w, instance,
        (struct event){(enum event_code)code, canon_load32(memory), canon_load32(memory + 4)});
}

// ---- the guests ---------------------------------------------------------------------------------

static void act(struct world *w, uint32_t instance)
{
    switch (choose(w, 8)) {
    case 0:
        call_other(w, instance);
        break;
    case 1:
        cancel_one(w, instance);
        break;
    case 2:
        poll_set(w, instance);
        break;
    case 3:
        if (w->instances[instance].backpressure == 0)
            (void)run(w, instance, CANON_BACKPRESSURE_INC, 0, 0, 0);
        else
            (void)run(w, instance, CANON_BACKPRESSURE_DEC, 0, 0, 0);
        break;
    default:
        stream_action(w, instance);
        break;
    }
}

static void resolve(struct world *w, uint32_t instance, struct async_task *task)
{
    struct plan_builtin builtin = {.kind = CANON_TASK_RETURN, .type = w->type.result};
    union core_value values[2] = {{.u64 = 7}};
    ERROR(err);
    struct canon_options options = async_options[instance];
    options.is_async = false;
    struct canon_call call = {.error = &err};
    CHECK(begin(&w->store, &options, &call) == 0);
    if (task->state == TASK_CANCEL_DELIVERED) {
        builtin.kind = CANON_TASK_CANCEL;
        builtin.type = NULL;
    }
    CHECK(async_builtin(&call, &builtin, values) == 0);
}

// Function 2 * i of instance i, and its callback 2 * i + 1.
static int guest(struct async_store *store, uint32_t func, union core_value *values, uint32_t count,
                 struct error *err)
{
    struct world *w = world_of(store);
    uint32_t instance = func / 2;
    struct async_task *task = store->current->task;
    CHECK(task && store->current->component_instance == instance);
    if (func % 2 == 1)
        take_event(w, instance,
                   (struct event){(enum event_code)values[0].u32, values[1].u32, values[2].u32});
    for (uint32_t n = choose(w, 6); n > 0 && w->steps < STEPS_MAX; n--) {
        w->steps++;
        act(w, instance);
    }
    bool ends = w->at >= w->size || w->steps >= STEPS_MAX || choose(w, 3) == 0;
    if (ends && task->state != TASK_RESOLVED)
        resolve(w, instance, task);
    if (ends && w->instances[instance].backpressure > 0)
        (void)run(w, instance, CANON_BACKPRESSURE_DEC, 0, 0, 0);
    // An event for the set may never come: yield more often than wait.
    values[0].u64 = ends ? 0 : choose(w, 4) == 0 ? 2 | w->sets[instance] << 4 : 1;
    return 0;
}

// ---- the host -----------------------------------------------------------------------------------

static int host_start(struct async_task *task, struct canon_call *callee, union core_value *flat)
{
    flat[0].u64 = 1;
    return 0;
}

static int host_resolve(struct async_task *task, struct canon_call *callee,
                        const union core_value *flat, uint32_t flat_max)
{
    CHECK(!flat || flat[0].u32 == 7);
    return 0;
}

static void host_ended(struct async_task *task)
{
    ((struct world *)task->caller_data)->host_ended++;
}

static const struct async_caller host = {host_start, host_resolve, host_ended};

static void open_world(struct world *w)
{
    w->type = (struct func_type){.result = type_primitive(TYPE_U32), .is_async = true};
    w->plan.component_instance_count = INSTANCES;
    w->plan.component_parents = w->parents;
    w->arena = ARENA_INIT(1 << 20);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        w->parents[i] = PLAN_NONE;
        w->lifted[i] = (struct plan_lifted){
            .type = &w->type, .options = async_options[i], .func = 2 * i, .name = STR("f")};
        w->lifted[i].options.callback = 2 * i + 1;
    }
    async_store_init(&w->store, &ops, &w->plan, w->instances, w);
    for (uint32_t i = 0; i < INSTANCES; i++)
        w->sets[i] = (uint32_t)run(w, i, CANON_WAITABLE_SET_NEW, 0, 0, 0);
}

static void close_world(struct world *w)
{
    for (uint32_t i = 0; i < INSTANCES; i++) {
        struct canon_call call = {.error = NULL};
        CHECK(begin(&w->store, &async_options[i], &call) == 0);
        canon_drop_all(&call);
    }
    async_store_done(&w->store);
    arena_done(&w->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct world *w = &world;
    *w = (struct world){.data = data, .size = size};
    open_world(w);
    ERROR(err);
    for (uint32_t i = 0; i < STEPS_MAX && w->at < w->size; i++) {
        struct async_task *task;
        uint32_t target = choose(w, INSTANCES);
        if (choose(w, 2) == 0) {
            w->host_calls++;
            CHECK(async_call(&w->store, &w->lifted[target], &host, w, &task, &err) == 0);
        }
        CHECK(async_tick(&w->store, &err) == 0);
    }
    // Yielding tasks end now; those that wait for an event may wait for ever.
    for (uint32_t i = 0; i < 1000 && async_has_ready(&w->store); i++)
        CHECK(async_tick(&w->store, &err) == 0);
    CHECK(w->host_ended <= w->host_calls && w->calls_resolved <= w->calls_made);
    if (!w->store.tasks)
        CHECK(w->host_ended == w->host_calls && w->store.thread_count == 0);
    close_world(w);
    return 0;
}
