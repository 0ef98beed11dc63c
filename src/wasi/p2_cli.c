// SPDX-License-Identifier: Apache-2.0
// wasi:cli 0.2.
#include "wasi/stdio_fd.h"
#include "wasi/stdio_stream.h"

// ---- wasi:cli/environment -----------------------------------------------------------------------

int p2_cli_environment_get_environment(struct canon_call *call,
                                       struct p2_list_tuple_string_string *ret)
{
    const struct wasi_config *config = wasi_of(call)->config;
    struct p2_tuple_string_string *pairs =
        arena_new_array(call->arena, struct p2_tuple_string_string, config->env_count);
    for (size_t i = 0; i < config->env_count; i++)
        pairs[i] = (struct p2_tuple_string_string){config->env[i].name, config->env[i].value};
    *ret = (struct p2_list_tuple_string_string){pairs, config->env_count};
    return 0;
}

int p2_cli_environment_get_arguments(struct canon_call *call, struct p2_list_string *ret)
{
    const struct wasi_config *config = wasi_of(call)->config;
    *ret = (struct p2_list_string){config->args, config->arg_count};
    return 0;
}

int p2_cli_environment_initial_cwd(struct canon_call *call, struct p2_option_string *ret)
{
    struct str cwd = wasi_of(call)->config->initial_cwd;
    *ret = (struct p2_option_string){cwd.len > 0, cwd};
    return 0;
}

// ---- wasi:cli/exit ------------------------------------------------------------------------------

int p2_cli_exit_exit(struct canon_call *call, struct p2_result_void_void status)
{
    return instance_exit(call, status.is_err ? 1 : 0);
}

int p2_cli_exit_exit_with_code(struct canon_call *call, uint8_t status_code)
{
    return instance_exit(call, status_code);
}

// ---- standard streams ---------------------------------------------------------------------------

int p2_cli_stdin_get_stdin(struct canon_call *call, struct p2_io_streams_input_stream **ret)
{
    *ret = stdio_in_stream(wasi_of(call));
    return 0;
}

int p2_cli_stdout_get_stdout(struct canon_call *call, struct p2_io_streams_output_stream **ret)
{
    *ret = stdio_out_stream(wasi_of(call));
    return 0;
}

int p2_cli_stderr_get_stderr(struct canon_call *call, struct p2_io_streams_output_stream **ret)
{
    *ret = stdio_err_stream(wasi_of(call));
    return 0;
}

// ---- terminals ----------------------------------------------------------------------------------

// The resources have no operations: that there is one says that the stream is a terminal.
struct p2_cli_terminal_input_terminal_input {
    char unused;
};
struct p2_cli_terminal_output_terminal_output {
    char unused;
};

int p2_cli_terminal_input_terminal_input_drop(struct canon_call *call,
                                              struct p2_cli_terminal_input_terminal_input *self)
{
    free(self);
    return 0;
}

int p2_cli_terminal_output_terminal_output_drop(struct canon_call *call,
                                                struct p2_cli_terminal_output_terminal_output *self)
{
    free(self);
    return 0;
}

int p2_cli_terminal_stdin_get_terminal_stdin(
    struct canon_call *call, struct p2_option_cli_terminal_input_terminal_input *ret)
{
    ret->is_some = stdio_is_terminal(call, 0);
    if (ret->is_some)
        ret->some = mem_new(struct p2_cli_terminal_input_terminal_input);
    return 0;
}

static int terminal_output(struct canon_call *call, int number,
                           struct p2_option_cli_terminal_output_terminal_output *ret)
{
    ret->is_some = stdio_is_terminal(call, number);
    if (ret->is_some)
        ret->some = mem_new(struct p2_cli_terminal_output_terminal_output);
    return 0;
}

int p2_cli_terminal_stdout_get_terminal_stdout(
    struct canon_call *call, struct p2_option_cli_terminal_output_terminal_output *ret)
{
    return terminal_output(call, 1, ret);
}

int p2_cli_terminal_stderr_get_terminal_stderr(
    struct canon_call *call, struct p2_option_cli_terminal_output_terminal_output *ret)
{
    return terminal_output(call, 2, ret);
}
