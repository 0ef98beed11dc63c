# SPDX-License-Identifier: Apache-2.0
"""Outgoing requests: wrk asks a guest, the guest asks nginx (on the generator's CPU) and hands its answer on; a plain proxy of
nginx beside. Each request is one outgoing request."""
import loads
import servers

CONNECTIONS = 64


def table(bench):
    s = bench.servers
    port = servers.free_port()
    with s.nginx(port=port, cpu=1)():
        asked = f"x-url: http://127.0.0.1:{port}/\r\n"

        def wash(guest):
            return s.wash(guest, "--allow-host", "127.0.0.1", "--egress-connections", str(CONNECTIONS), headers=asked)

        def wasmtime(guest):
            return s.wasmtime(guest, "-Sconfig", "-Sinherit-network", "-Sp3", "-Wcomponent-model-async", headers=asked)

        proxy = s.nginx("proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection '';",
                        http=f"upstream up {{ server 127.0.0.1:{port}; keepalive 64; }}")
        loads.print_head("case", "connections", "server", "CPU µs/request", "ratio", "requests/s", "ratio", "p99 µs")
        for title, guest in (("P2 fetch", "p2-fetch.wasm"), ("P3 fetch", "p3-fetch.wasm")):
            peers = [("wash", wash(guest)), ("wasmtime", wasmtime(guest)), ("nginx, proxy", proxy)]
            for c in bench.connections or (CONNECTIONS,):
                rows = loads.in_turns(peers, bench.rounds, lambda make: loads.measure(
                    make, lambda server, seconds: loads.wrk(server, c, seconds), bench.seconds))
                base = rows["wasmtime"]
                for name, (cpu, rate, p99) in rows.items():
                    bench.results[f"{title}/{c}/{name}"] = cpu, rate, p99
                    loads.print_row(title, c, name, f"{cpu:.1f}", f"{cpu / base[0]:.2f}", f"{rate:,.0f}",
                                    f"{rate / base[1]:.2f}", f"{p99:,.0f}")
