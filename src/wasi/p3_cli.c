// SPDX-License-Identifier: Apache-2.0
// wasi:cli 0.3.
#include <errno.h>

#include "wasi/p3_stream.h"
#include "wasi/stdio_fd.h"
#include "wasi/stdio_stream.h"

// ---- wasi:cli/environment -----------------------------------------------------------------------

int p3_cli_environment_get_environment(struct canon_call *call,
                                       struct p3_list_tuple_string_string *ret)
{
    const struct wasi_config *config = wasi_of(call)->config;
    struct p3_tuple_string_string *pairs =
        arena_new_array(call->arena, struct p3_tuple_string_string, config->env_count);
    for (size_t i = 0; i < config->env_count; i++)
        pairs[i] = (struct p3_tuple_string_string){config->env[i].name, config->env[i].value};
    *ret = (struct p3_list_tuple_string_string){pairs, config->env_count};
    return 0;
}

int p3_cli_environment_get_arguments(struct canon_call *call, struct p3_list_string *ret)
{
    const struct wasi_config *config = wasi_of(call)->config;
    *ret = (struct p3_list_string){config->args, config->arg_count};
    return 0;
}

int p3_cli_environment_get_initial_cwd(struct canon_call *call, struct p3_option_string *ret)
{
    struct str cwd = wasi_of(call)->config->initial_cwd;
    *ret = (struct p3_option_string){cwd.len > 0, cwd};
    return 0;
}

// ---- wasi:cli/exit ------------------------------------------------------------------------------

int p3_cli_exit_exit(struct canon_call *call, struct p3_result_void_void status)
{
    return instance_exit(call, status.is_err ? 1 : 0);
}

int p3_cli_exit_exit_with_code(struct canon_call *call, uint8_t status_code)
{
    return instance_exit(call, status_code);
}

// ---- standard streams ---------------------------------------------------------------------------

static void transfer_done(void *data, struct p2_io_error_error *failure)
{
    struct p3_result_void_cli_types_error_code result = {.is_err = failure != NULL};
    if (failure)
        result.err =
            failure->code == -EPIPE ? P3_CLI_TYPES_ERROR_CODE_PIPE : P3_CLI_TYPES_ERROR_CODE_IO;
    io_error_free(failure);
    p3_future_set(data, &result);
}

static struct p3_future *result_future(struct canon_call *call, struct stream **out)
{
    return p3_future_new(call->async, &p3_codec_result_void_cli_types_error_code, NULL, out);
}

int p3_cli_stdin_read_via_stream(
    struct canon_call *call, struct p3_tuple_stream_u8_future_result_void_cli_types_error_code *ret)
{
    struct p3_future *future = result_future(call, &ret->f1);
    ret->f0 = p3_read_from(call, stdio_in_stream(wasi_of(call)), transfer_done, future);
    return 0;
}

static int write_via_stream(struct canon_call *call, struct stream *data,
                            struct p2_io_streams_output_stream *sink, struct stream **ret)
{
    return p3_write_to(call, data, sink, transfer_done, result_future(call, ret));
}

int p3_cli_stdout_write_via_stream(struct canon_call *call, struct stream *data,
                                   struct stream **ret)
{
    return write_via_stream(call, data, stdio_out_stream(wasi_of(call)), ret);
}

int p3_cli_stderr_write_via_stream(struct canon_call *call, struct stream *data,
                                   struct stream **ret)
{
    return write_via_stream(call, data, stdio_err_stream(wasi_of(call)), ret);
}

// ---- terminals ----------------------------------------------------------------------------------

// The resources have no operations: that there is one says that the stream is a terminal.
struct p3_cli_terminal_input_terminal_input {
    char unused;
};
struct p3_cli_terminal_output_terminal_output {
    char unused;
};

int p3_cli_terminal_input_terminal_input_drop(struct canon_call *call,
                                              struct p3_cli_terminal_input_terminal_input *self)
{
    free(self);
    return 0;
}

int p3_cli_terminal_output_terminal_output_drop(struct canon_call *call,
                                                struct p3_cli_terminal_output_terminal_output *self)
{
    free(self);
    return 0;
}

int p3_cli_terminal_stdin_get_terminal_stdin(
    struct canon_call *call, struct p3_option_cli_terminal_input_terminal_input *ret)
{
    ret->is_some = stdio_is_terminal(call, 0);
    if (ret->is_some)
        ret->some = mem_new(struct p3_cli_terminal_input_terminal_input);
    return 0;
}

static int terminal_output(struct canon_call *call, int number,
                           struct p3_option_cli_terminal_output_terminal_output *ret)
{
    ret->is_some = stdio_is_terminal(call, number);
    if (ret->is_some)
        ret->some = mem_new(struct p3_cli_terminal_output_terminal_output);
    return 0;
}

int p3_cli_terminal_stdout_get_terminal_stdout(
    struct canon_call *call, struct p3_option_cli_terminal_output_terminal_output *ret)
{
    return terminal_output(call, 1, ret);
}

int p3_cli_terminal_stderr_get_terminal_stderr(
    struct canon_call *call, struct p3_option_cli_terminal_output_terminal_output *ret)
{
    return terminal_output(call, 2, ret);
}
