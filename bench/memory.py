# SPDX-License-Identifier: Apache-2.0
"""Tables of memory: while a large body passes, of warm instances, of idle connections, of an idle process."""
import os
import re
import resource
import socket
import statistics
import time

import loads
import servers

MIB = 1 << 20
BODY_MIB = 100
WARM_INSTANCES = 500
IDLE_CONNECTIONS = 10000
P3 = ("-Sp3", "-Wcomponent-model-async")


def transfer(server, path, body):
    """Seconds of one exchange by curl on CPU 1."""
    upload = ["-T", body, "-X", "POST", "-H", "expect:"] if body else []
    out = loads.on_cpu_1(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{time_total}", *upload,
                          f"http://127.0.0.1:{server.port}{path}"]).stdout.split()
    if out[:2] != ["200", str(BODY_MIB * MIB)]:
        raise SystemExit(f"bench: {server.argv[0]} answered {path} with status {out[0]} and {out[1]} bytes")
    return float(out[2])


def stream(bench):
    s = bench.servers
    body = os.path.join(s.work, "body")
    with open(body, "wb") as f:
        f.write(bytes(BODY_MIB * MIB))
    cases = [("P2, download", "p2-rogue.wasm", f"/flood?mib={BODY_MIB}", None), ("P2, echo", "p2-echo.wasm", "/", body),
             ("P3, echo, stream handed over", "p3-echo.wasm", "/", body), ("P3, echo, bytes copied", "p3-echo.wasm", "/copy", body)]
    loads.print_head("100 MiB", "server", "MiB/s", "ratio", "CPU ms", "ratio", "resident MB before", "highest during it")

    def once(make, path, body):
        with make() as server:
            transfer(server, path, body)
            before, cpu = server.rss_kb(), server.cpu()
            server.reset_peak()
            times = [transfer(server, path, body) for _ in range(3)]
            return (BODY_MIB / statistics.median(times), (server.cpu() - cpu) / 3 * 1e3, before / 1e3,
                    server.peak_kb() / 1e3)

    for title, guest, path, body in cases:
        peers = [("wash", s.wash(guest)), ("wasmtime", s.wasmtime(guest, *P3))]
        rows = loads.in_turns(peers, bench.rounds, lambda make: once(make, path, body))
        base = rows["wasmtime"]
        for name, (speed, cpu, before, peak) in rows.items():
            bench.results[f"stream/{title}/{name}"] = speed, cpu, before, peak
            loads.print_row(title, name, f"{speed:,.0f}", f"{speed / base[0]:.2f}", f"{cpu:.0f}", f"{cpu / base[1]:.2f}",
                            f"{before:.1f}", f"{peak:.1f}")


def allow_files(count):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most != resource.RLIM_INFINITY else count, most))


def read_answer(connection):
    """Until `content-length` bytes or the last chunk."""
    data = b""
    while True:
        more = connection.recv(65536)
        if not more:
            raise SystemExit("bench: a connection ended before its answer: " + repr(data[:100]))
        data += more
        head, found, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
        if found and (len(body) >= int(length.group(1)) if length else data.endswith(b"0\r\n\r\n")):
            return


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.settimeout(10)
    return connection


def resident(bench):
    """Each of so many requests at once keeps an instance to itself, as its body is not sent yet; afterwards they are warm."""
    s, count = bench.servers, str(WARM_INSTANCES)
    allow_files(WARM_INSTANCES + 100)
    loads.print_head("warm instances, each has served a request", "server", "KB each")
    for guest in ("p2-echo.wasm", "p3-echo.wasm"):
        for name, make in (("wash", s.wash(guest, "--pool-size", count, "--max-invocations", "100000", "--max-concurrency", "1",
                                           "--instance-idle", "100s")),
                           ("wasmtime", s.wasmtime(guest, *P3, "--max-instance-reuse-count", "100000",
                                                   "--max-instance-concurrent-reuse-count", "1",
                                                   "--idle-instance-timeout", "100s"))):
            with make() as server:
                before = server.rss_kb()
                waiting = [connect(server.port) for _ in range(WARM_INSTANCES)]
                for c in waiting:
                    c.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n")
                time.sleep(1)
                for c in waiting:
                    c.sendall(b"x")
                for c in waiting:
                    read_answer(c)
                    c.close()
                time.sleep(0.5)
                each = (server.rss_kb() - before) / WARM_INSTANCES
                bench.results[f"resident/{guest}/{name}"] = (each,)
                loads.print_row(guest, name, f"{each:.1f}")


def idle(bench):
    s = bench.servers
    allow_files(2 * IDLE_CONNECTIONS)
    loads.print_head("10,000 idle keep-alive connections, a request on each before", "KB each")
    for name, make in (("wash", s.wash("p2-hello.wasm")), ("wasmtime", s.wasmtime("p2-hello.wasm"))):
        with make() as server:
            before = server.rss_kb()
            open_ = []
            try:
                while len(open_) < IDLE_CONNECTIONS:
                    open_.append(connect(server.port))
                    open_[-1].sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                    read_answer(open_[-1])
                each = (server.rss_kb() - before) / IDLE_CONNECTIONS
                bench.results[f"idle/{name}"] = (each,)
                loads.print_row(name, f"{each:.2f}")
            except TimeoutError:
                loads.print_row(name, f"no answer to connection {len(open_):,}")
            for c in open_:
                c.close()


def start(bench):
    s = bench.servers
    loads.print_head("first answer after a start, compiled code in the cache", "server", "ms", "resident KB, idle")
    for guest in ("p2-hello.wasm", "js-p2-hello.wasm"):
        def once(make):
            with make() as server:
                time.sleep(0.2)
                return server.first_ms, server.rss_kb()

        peers = [("wash", s.wash(guest)), ("wasmtime", s.wasmtime(guest))]
        for _, make in peers:
            once(make)  # fills the cache
        for name, (first, memory) in loads.in_turns(peers, 5, once).items():
            bench.results[f"start/{guest}/{name}"] = first, memory
            loads.print_row(guest, name, f"{first:.1f}", f"{memory:,.0f}")
