// SPDX-License-Identifier: Apache-2.0
#include "engine/linker.h"
#include "wasi/p3.h"
#include "wasi/wasi.h"

static const struct host_interface *const interfaces[] = {
    &p3_clocks_types,
    &p3_clocks_monotonic_clock,
    &p3_clocks_system_clock,
    &p3_random_random,
    &p3_random_insecure,
    &p3_random_insecure_seed,
    &p3_cli_types,
    &p3_cli_environment,
    &p3_cli_exit,
    &p3_cli_stdin,
    &p3_cli_stdout,
    &p3_cli_stderr,
    &p3_cli_terminal_input,
    &p3_cli_terminal_output,
    &p3_cli_terminal_stdin,
    &p3_cli_terminal_stdout,
    &p3_cli_terminal_stderr,
    &p3_filesystem_types,
    &p3_filesystem_preopens,
    &p3_http_types,
    &p3_http_client,
    &p3_sockets_types,
    &p3_sockets_ip_name_lookup,
    &p3_tls_types,
    &p3_tls_client,
};

void wasi_p3_add_to_linker(struct linker *linker)
{
    for (size_t i = 0; i < ARRAY_LEN(interfaces); i++)
        linker_add_interface(linker, interfaces[i], NULL);
}
