// SPDX-License-Identifier: Apache-2.0
#include "engine/linker.h"
#include "wasi/draft.h"
#include "wasi/p2.h"
#include "wasi/wasi.h"

static const struct host_interface *const interfaces[] = {
    &p2_io_error,
    &p2_io_poll,
    &p2_io_streams,
    &p2_clocks_monotonic_clock,
    &p2_clocks_wall_clock,
    &p2_random_random,
    &p2_random_insecure,
    &p2_random_insecure_seed,
    &p2_cli_environment,
    &p2_cli_exit,
    &p2_cli_stdin,
    &p2_cli_stdout,
    &p2_cli_stderr,
    &p2_cli_terminal_input,
    &p2_cli_terminal_output,
    &p2_cli_terminal_stdin,
    &p2_cli_terminal_stdout,
    &p2_cli_terminal_stderr,
    &p2_filesystem_types,
    &p2_filesystem_preopens,
    &p2_sockets_network,
    &p2_sockets_instance_network,
    &p2_sockets_ip_name_lookup,
    &p2_sockets_tcp,
    &p2_sockets_tcp_create_socket,
    &p2_sockets_udp,
    &p2_sockets_udp_create_socket,
    &p2_http_types,
    &p2_http_outgoing_handler,
    // Plugins replace the first two per workload.
    &draft_config_store,
    &draft_logging_logging,
    &draft_tls_types,
};

void wasi_p2_add_to_linker(struct linker *linker)
{
    for (size_t i = 0; i < ARRAY_LEN(interfaces); i++)
        linker_add_interface(linker, interfaces[i], NULL);
}
