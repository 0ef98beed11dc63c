// SPDX-License-Identifier: Apache-2.0
#include "engine/fault.h"

#include <errno.h>

#include "base/buf.h"

#define FAULT_TEXT_BYTES_MAX ((size_t)64 * 1024)

// Frames of a trap as "at NAME (module+0xOFFSET)" lines. An error's message has its own already.
static void put_frames(struct buf *text, const wasm_trap_t *trap)
{
    wasm_frame_vec_t frames;
    wasm_trap_trace(trap, &frames);
    for (size_t i = 0; i < frames.size; i++) {
        const wasm_name_t *name = wasmtime_frame_func_name(frames.data[i]);
        int rc = name ? buf_printf(text, "\n    %zu: %.*s", i, (int)name->size, name->data)
                      : buf_printf(text, "\n    %zu: function %u", i,
                                   wasm_frame_func_index(frames.data[i]));
        if (rc < 0)
            break;
    }
    wasm_frame_vec_delete(&frames);
}

// The engine prints where it happened before what happened; a reader wants the reason first.
static void put_message(struct buf *text, struct str message)
{
    static const struct str cause = STR_INIT("\n\nCaused by:\n");
    ssize_t at = str_find(message, cause);
    if (at < 0) {
        buf_put(text, message);
        return;
    }
    struct str where = str_sub(message, 0, (size_t)at);
    struct str why = str_trim(str_from_index(message, (size_t)at + cause.len));
    if (str_starts(why, STR("0: ")))
        why = str_from_index(why, 3);
    buf_putf(text, "%.*s\n  %.*s", STR_ARG(why), STR_ARG(where));
}

int fault_take(wasmtime_error_t *error, wasm_trap_t *trap, struct error *err)
{
    if (!error && !trap)
        return 0;
    wasm_byte_vec_t message;
    if (error)
        wasmtime_error_message(error, &message);
    else
        wasm_trap_message(trap, &message);
    // A trap's message of the standard C API ends with a NUL.
    struct str words = str_of(message.data, message.size);
    while (words.len && words.data[words.len - 1] == 0)
        words.len--;
    BUF(text, FAULT_TEXT_BYTES_MAX);
    put_message(&text, str_sub(words, 0, FAULT_TEXT_BYTES_MAX / 2));
    if (!error && str_find(words, STR("wasm backtrace")) < 0)
        put_frames(&text, trap);
    wasm_byte_vec_delete(&message);
    fault_discard(error, trap);
    return error_set(err, -EFAULT, "%.*s", STR_ARG(buf_str(&text)));
}

wasm_trap_t *fault_to_trap(const struct error *err)
{
    const char *text = error_text(err);
    return wasmtime_trap_new(text, strlen(text));
}

void fault_discard(wasmtime_error_t *error, wasm_trap_t *trap)
{
    if (error)
        wasmtime_error_delete(error);
    if (trap)
        wasm_trap_delete(trap);
}
