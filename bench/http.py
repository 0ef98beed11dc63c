#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP benchmark: the same components under wash and `wasmtime serve`, a static answer of nginx, and the floor.

Usage: http.py --wash WASH --wasmtime WASMTIME [all | WORD...]; the words are those of TABLES below.

One server at a time, pinned to CPU 0 with one worker; the load generator is pinned to CPU 1. Servers take turns A B C, C B A, ...
(--rounds), medians are printed, and ratios to wasmtime (else to nginx) of the same run. Ready to be pasted into docs/benchmarks.md.
"""
import argparse
import os
import sys
import time
from collections import namedtuple

import egress
import goals
import latency
import loads
import memory
import servers

# Tables note their results by name, for the goals.
Bench = namedtuple("Bench", "servers rounds seconds connections rate_program results")
REUSE = 128, 16  # requests of an instance in all, and at once
COLUMNS = ("case", "connections", "server", "CPU µs/request", "ratio", "requests/s", "ratio", "p99 µs")


def compare(bench, title, peers, connections, load, base="wasmtime"):
    rows = loads.in_turns(peers, bench.rounds, lambda make: loads.measure(make, load, bench.seconds))
    for name, (cpu, rate, p99) in rows.items():
        bench.results[f"{title}/{connections}/{name}"] = cpu, rate, p99
        loads.print_row(title, connections, name, f"{cpu:.1f}", f"{cpu / rows[base][0]:.2f}", f"{rate:,.0f}",
                        f"{rate / rows[base][1]:.2f}", f"{p99:,.0f}")


def with_wrk(connections, script=None):
    return lambda server, seconds: loads.wrk(server, connections, seconds, script)


def hello(bench):
    s, guest = bench.servers, "p2-hello.wasm"
    peers = [("wash, instance reset", s.wash(guest)), ("wash, instance made anew", s.wash(guest, "--no-reset")),
             ("wasmtime", s.wasmtime(guest)), ("nginx", s.nginx())]
    if s.floor_path:
        peers.append(("bare epoll", s.floor))
    loads.print_head(*COLUMNS)
    for c in bench.connections or (32, 128):
        compare(bench, "P2 hello", peers, c, with_wrk(c))


def p3(bench):
    s, guest, (all_, at_once) = bench.servers, "p3-hello.wasm", map(str, REUSE)
    peers = [("wash", s.wash(guest, "--max-invocations", all_, "--max-concurrency", at_once)),
             ("wasmtime", s.wasmtime(guest, "-Sp3", "-Wcomponent-model-async", "--max-instance-reuse-count", all_,
                                     "--max-instance-concurrent-reuse-count", at_once)),
             ("nginx", s.nginx())]
    loads.print_head(*COLUMNS)
    for c in bench.connections or (32, 128):
        compare(bench, f"P3 hello, reuse {all_}/{at_once}", peers, c, with_wrk(c))


def wasmcloud(bench):
    s, base = bench.servers, "wasmCloud's wash 2.7.0"
    if not s.wasmcloud_path:
        print("\nwasmCloud's wash is not installed (--wasmcloud).")
        return
    few = bench._replace(rounds=min(bench.rounds, 2))
    loads.print_head(*COLUMNS)
    for c in bench.connections or (32,):
        compare(few, "P2 hello, `wash dev`", [
            ("wash, instance reset", s.wash("p2-hello.wasm")),
            ("wash, instance made anew", s.wash("p2-hello.wasm", "--no-reset")),
            (base, s.wasmcloud("p2-hello.wasm"))], c, with_wrk(c), base)
        compare(few, "P3 hello, `wash dev`", [("wash", s.wash("p3-hello.wasm")), (base, s.wasmcloud("p3-hello.wasm"))], c,
                with_wrk(c), base)


def h2(bench):
    """wasmtime serves HTTP/1 only."""
    peers = [("wash", bench.servers.wash("p2-hello.wasm")), ("nginx", bench.servers.nginx(protocol="http2"))]
    loads.print_head(*COLUMNS)
    for c in bench.connections or (16,):
        for streams in (1, 32):
            compare(bench, f"P2 hello, HTTP/2, {streams} streams a connection", peers, c,
                    lambda server, seconds: loads.h2load(server, c, seconds, streams), "nginx")


def echo(bench):
    script = os.path.join(bench.servers.work, "post.lua")
    with open(script, "w") as f:
        f.write('wrk.method = "POST"\nwrk.body = string.rep("x", 1048576)\n')
    s = bench.servers
    loads.print_head(*COLUMNS)
    for c in bench.connections or (16, 128):
        compare(bench, "P2 echo, 1 MiB", [("wash", s.wash("p2-echo.wasm")), ("wasmtime", s.wasmtime("p2-echo.wasm"))],
                c, with_wrk(c, script))


def adapter(bench):
    """The guest prints a line, with a call of preview 1."""
    s, guest, path = bench.servers, "p2-rogue.wasm", "/chatter?n=1"
    peers = [("adapter merged", s.wash(guest, path=path)),
             ("adapter apart", s.wash(guest, path=path, env={"WASH_MODULES_APART": "1"}))]
    loads.print_head(*COLUMNS)
    for c in bench.connections or (32,):
        compare(bench, "P2, prints a line", peers, c, with_wrk(c), "adapter apart")


TABLES = {
    "hello": ("Hello, WASI 0.2, fresh instances", hello),
    "p3": ("Hello, WASI 0.3, instances shared", p3),
    "wasmcloud": ("Hello, wasmCloud's wash beside", wasmcloud),
    "rate": ("Latency at half of what wasmtime can do", latency.rate),
    "neighbour": ("Beside a guest that spins or eats memory", latency.neighbour),
    "echo": ("Echo of 1 MiB", echo),
    "stream": ("Bodies of 100 MiB", memory.stream),
    "egress": ("Outgoing requests", egress.table),
    "h2": ("HTTP/2", h2),
    "adapter": ("Adapters merged into main modules", adapter),
    "start": ("Start and idle memory", memory.start),
    "resident": ("Warm instances", memory.resident),
    "idle": ("Idle keep-alive connections", memory.idle),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wash", required=True)
    parser.add_argument("--wasmtime", required=True)
    parser.add_argument("--wasmcloud", help="wasmCloud's own wash")
    parser.add_argument("--programs", help="folder of bench-floor and bench-rate (default: bench/ beside WASH's)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", help="1,32,128: instead of each table's own")
    parser.add_argument("words", nargs="*", default="all", choices=[*TABLES, "all"], metavar="WORD")
    args = parser.parse_args()
    words = [args.words] if isinstance(args.words, str) else args.words  # the default: choices refuse a list there
    programs = args.programs or os.path.join(os.path.dirname(args.wash), "..", "..", "bench")
    floor, rate = (os.path.join(programs, name) for name in ("bench-floor", "bench-rate"))
    connections = [int(c) for c in args.connections.split(",")] if args.connections else None
    bench = Bench(servers.Servers(args.wash, args.wasmtime, args.wasmcloud, floor if os.path.exists(floor) else None),
                  args.rounds, args.seconds, connections, rate, {})
    started = time.monotonic()
    before = loads.load_average()
    try:
        for word, (title, table) in TABLES.items():
            if word in words or "all" in words:
                print(f"\n## {title}", flush=True)
                try:
                    table(bench)
                except servers.GuestMissing as missing:
                    print(f"\nNot measured: {missing}.")
        goals.print_table(bench.results)
    finally:
        bench.servers.close()
    print(f"\nLoad average {before:.1f} before, {loads.load_average():.1f} after; {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
