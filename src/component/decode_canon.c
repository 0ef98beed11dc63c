// SPDX-License-Identifier: Apache-2.0
// Canonical definitions and starts (Binary.md "Canonical Definitions", "Start Definitions").
#include <assert.h>

#include "component/core_type.h"
#include "component/decode.h"

static const struct canon_form canons[] = {
    [CANON_LIFT] = {"lift", 0x00, FORM_LIFT},
    [CANON_LOWER] = {"lower", 0x01, FORM_LOWER},
    [CANON_RESOURCE_NEW] = {"resource.new", 0x02, FORM_TYPE},
    [CANON_RESOURCE_DROP] = {"resource.drop", 0x03, FORM_TYPE},
    [CANON_RESOURCE_REP] = {"resource.rep", 0x04, FORM_TYPE},
    [CANON_TASK_CANCEL] = {"task.cancel", 0x05, FORM_NONE},
    [CANON_SUBTASK_CANCEL] = {"subtask.cancel", 0x06, FORM_FLAG},
    [CANON_TASK_RETURN] = {"task.return", 0x09, FORM_RESULT_OPTIONS},
    [CANON_CONTEXT_GET] = {"context.get", 0x0a, FORM_CONTEXT},
    [CANON_CONTEXT_SET] = {"context.set", 0x0b, FORM_CONTEXT},
    [CANON_THREAD_YIELD] = {"thread.yield", 0x0c, FORM_FLAG},
    [CANON_SUBTASK_DROP] = {"subtask.drop", 0x0d, FORM_NONE},
    [CANON_STREAM_NEW] = {"stream.new", 0x0e, FORM_TYPE},
    [CANON_STREAM_READ] = {"stream.read", 0x0f, FORM_TYPE_OPTIONS},
    [CANON_STREAM_WRITE] = {"stream.write", 0x10, FORM_TYPE_OPTIONS},
    [CANON_STREAM_CANCEL_READ] = {"stream.cancel-read", 0x11, FORM_TYPE_FLAG},
    [CANON_STREAM_CANCEL_WRITE] = {"stream.cancel-write", 0x12, FORM_TYPE_FLAG},
    [CANON_STREAM_DROP_READABLE] = {"stream.drop-readable", 0x13, FORM_TYPE},
    [CANON_STREAM_DROP_WRITABLE] = {"stream.drop-writable", 0x14, FORM_TYPE},
    [CANON_FUTURE_NEW] = {"future.new", 0x15, FORM_TYPE},
    [CANON_FUTURE_READ] = {"future.read", 0x16, FORM_TYPE_OPTIONS},
    [CANON_FUTURE_WRITE] = {"future.write", 0x17, FORM_TYPE_OPTIONS},
    [CANON_FUTURE_CANCEL_READ] = {"future.cancel-read", 0x18, FORM_TYPE_FLAG},
    [CANON_FUTURE_CANCEL_WRITE] = {"future.cancel-write", 0x19, FORM_TYPE_FLAG},
    [CANON_FUTURE_DROP_READABLE] = {"future.drop-readable", 0x1a, FORM_TYPE},
    [CANON_FUTURE_DROP_WRITABLE] = {"future.drop-writable", 0x1b, FORM_TYPE},
    [CANON_ERROR_CONTEXT_NEW] = {"error-context.new", 0x1c, FORM_OPTIONS},
    [CANON_ERROR_CONTEXT_DEBUG_MESSAGE] = {"error-context.debug-message", 0x1d, FORM_OPTIONS},
    [CANON_ERROR_CONTEXT_DROP] = {"error-context.drop", 0x1e, FORM_NONE},
    [CANON_WAITABLE_SET_NEW] = {"waitable-set.new", 0x1f, FORM_NONE},
    [CANON_WAITABLE_SET_WAIT] = {"waitable-set.wait", 0x20, FORM_FLAG_MEMORY},
    [CANON_WAITABLE_SET_POLL] = {"waitable-set.poll", 0x21, FORM_FLAG_MEMORY},
    [CANON_WAITABLE_SET_DROP] = {"waitable-set.drop", 0x22, FORM_NONE},
    [CANON_WAITABLE_JOIN] = {"waitable.join", 0x23, FORM_NONE},
    [CANON_BACKPRESSURE_INC] = {"backpressure.inc", 0x24, FORM_NONE},
    [CANON_BACKPRESSURE_DEC] = {"backpressure.dec", 0x25, FORM_NONE},
    [CANON_THREAD_INDEX] = {"thread.index", 0x26, FORM_NONE},
    [CANON_THREAD_NEW_INDIRECT] = {"thread.new-indirect", 0x27, FORM_CORE_TYPE_TABLE},
    [CANON_THREAD_RESUME_LATER] = {"thread.resume-later", 0x28, FORM_NONE},
    [CANON_THREAD_SUSPEND] = {"thread.suspend", 0x29, FORM_FLAG},
    [CANON_THREAD_SUSPEND_THEN_RESUME] = {"thread.suspend-then-resume", 0x2a, FORM_FLAG},
    [CANON_THREAD_YIELD_THEN_RESUME] = {"thread.yield-then-resume", 0x2b, FORM_FLAG},
    [CANON_THREAD_SUSPEND_THEN_PROMOTE] = {"thread.suspend-then-promote", 0x2c, FORM_FLAG},
    [CANON_THREAD_YIELD_THEN_PROMOTE] = {"thread.yield-then-promote", 0x2d, FORM_FLAG},
    [CANON_THREAD_SPAWN_REF] = {"thread.spawn-ref", 0x40, FORM_FLAG_CORE_TYPE},
    [CANON_THREAD_SPAWN_INDIRECT] = {"thread.spawn-indirect", 0x41, FORM_FLAG_CORE_TYPE_TABLE},
    [CANON_THREAD_AVAILABLE_PARALLELISM] = {"thread.available-parallelism", 0x42, FORM_FLAG},
};
static_assert(ARRAY_LEN(canons) == CANON_KIND_COUNT, "one row a canonical definition");

const struct canon_form *canon_form(enum canon_kind kind)
{
    return &canons[kind];
}

const char *canon_kind_name(enum canon_kind kind)
{
    return canons[kind].name;
}

static uint32_t option_index(struct decoder *d, bool *has, enum sort sort, size_t at)
{
    if (*has)
        reader_fail_at(&d->r, at, "canonical option comes twice");
    *has = true;
    return decode_index(d, sort);
}

static void decode_option(struct decoder *d, struct canon_def_options *o, bool *has_encoding)
{
    size_t at = d->r.pos;
    uint8_t op = reader_u8(&d->r);
    switch (op) {
    case 0x00:
    case 0x01:
    case 0x02:
        if (*has_encoding)
            reader_fail_at(&d->r, at, "two string encodings");
        *has_encoding = true;
        o->encoding = op;
        break;
    case 0x03:
        o->memory = option_index(d, &o->has_memory, SORT_CORE_MEMORY, at);
        break;
    case 0x04:
        o->realloc = option_index(d, &o->has_realloc, SORT_CORE_FUNC, at);
        break;
    case 0x05:
        o->post_return = option_index(d, &o->has_post_return, SORT_CORE_FUNC, at);
        break;
    case 0x06:
        o->is_async = true;
        break;
    case 0x07:
        o->callback = option_index(d, &o->has_callback, SORT_CORE_FUNC, at);
        break;
    default:
        reader_fail_at(&d->r, at, "unknown canonical option 0x%02x", op);
    }
}

static void decode_options(struct decoder *d, struct canon_def_options *o)
{
    bool has_encoding = false;
    uint32_t count = reader_count(&d->r, 1, "canonical options");
    for (uint32_t i = 0; i < count && !reader_failed(&d->r); i++)
        decode_option(d, o, &has_encoding);
}

static void decode_func_sort(struct decoder *d)
{
    size_t at = d->r.pos;
    if (reader_u8(&d->r) != 0)
        reader_fail_at(&d->r, at, "canonical definition of something that is not a function");
}

static void decode_lift_or_lower(struct decoder *d, struct canon_def *def)
{
    decode_func_sort(d);
    if (def->kind == CANON_LIFT) {
        def->func = decode_index(d, SORT_CORE_FUNC);
        decode_options(d, &def->options);
        def->type = decode_index(d, SORT_TYPE);
    } else {
        def->func = decode_index(d, SORT_FUNC);
        decode_options(d, &def->options);
    }
}

static void decode_task_return(struct decoder *d, struct canon_def *def)
{
    size_t at = d->r.pos;
    uint8_t form = reader_u8(&d->r);
    if (form == 0) {
        def->has_result = true;
        def->result = decode_val_ref(d);
    } else if (form != 1 || reader_u8(&d->r) != 0) {
        reader_fail_at(&d->r, at, "unknown form of a result");
    }
    decode_options(d, &def->options);
}

static void decode_operands(struct decoder *d, struct canon_def *def, enum operand_form form)
{
    switch (form) {
    case FORM_NONE:
        break;
    case FORM_TYPE:
        def->type = decode_index(d, SORT_TYPE);
        break;
    case FORM_TYPE_OPTIONS:
        def->type = decode_index(d, SORT_TYPE);
        decode_options(d, &def->options);
        break;
    case FORM_TYPE_FLAG:
        def->type = decode_index(d, SORT_TYPE);
        def->flag = reader_flag(&d->r, "`async`");
        break;
    case FORM_FLAG:
        def->flag = reader_flag(&d->r, "a flag");
        break;
    case FORM_FLAG_MEMORY:
        def->flag = reader_flag(&d->r, "`cancellable`");
        def->options.has_memory = true;
        def->options.memory = decode_index(d, SORT_CORE_MEMORY);
        break;
    case FORM_OPTIONS:
        decode_options(d, &def->options);
        break;
    case FORM_RESULT_OPTIONS:
        decode_task_return(d, def);
        break;
    case FORM_CONTEXT:
        def->core_type = core_read_val_type(&d->r);
        def->slot = reader_u32(&d->r);
        break;
    case FORM_LIFT:
    case FORM_LOWER:
        decode_lift_or_lower(d, def);
        break;
    case FORM_FLAG_CORE_TYPE:
    case FORM_FLAG_CORE_TYPE_TABLE:
        def->flag = reader_flag(&d->r, "`shared`");
        def->type = decode_index(d, SORT_CORE_TYPE);
        if (form == FORM_FLAG_CORE_TYPE_TABLE)
            def->table = decode_index(d, SORT_CORE_TABLE);
        break;
    case FORM_CORE_TYPE_TABLE:
        def->type = decode_index(d, SORT_CORE_TYPE);
        def->table = decode_index(d, SORT_CORE_TABLE);
        break;
    }
}

const struct canon_def *decode_canon(struct decoder *d)
{
    struct canon_def *def = decode_new(d, struct canon_def);
    size_t at = d->r.pos;
    uint8_t op = reader_u8(&d->r);
    for (uint32_t i = 0; i < ARRAY_LEN(canons); i++) {
        if (canons[i].op != op)
            continue;
        def->kind = (enum canon_kind)i;
        decode_operands(d, def, canons[i].form);
        return def;
    }
    reader_fail_at(&d->r, at, "unknown canonical definition 0x%02x", op);
    return def;
}

const struct start_def *decode_start(struct decoder *d)
{
    struct start_def *def = decode_new(d, struct start_def);
    def->func = decode_index(d, SORT_FUNC);
    def->arg_count = reader_count(&d->r, 1, "start arguments");
    uint32_t *args = decode_new_array(d, uint32_t, def->arg_count);
    for (uint32_t i = 0; i < def->arg_count && !reader_failed(&d->r); i++)
        args[i] = decode_index(d, SORT_VALUE);
    def->args = args;
    size_t at = d->r.pos;
    def->result_count = reader_u32(&d->r);
    if (def->result_count > 1)
        reader_fail_at(&d->r, at, "start with %u results", def->result_count);
    return def;
}
