# SPDX-License-Identifier: Apache-2.0
"""Latency at a constant rate (bench/rate.c), and what a guest that misbehaves does to that of its neighbour."""
import subprocess

import loads

ROUNDS = 5  # of p99, which scatters more than medians do
HOG_MEMORY = 64 << 20
NEIGHBOURS = {"none": "none", "spins": "spins", "eats": "takes 64 MiB and frees it, over and over"}


def saturation(bench, make):
    return loads.measure(make, lambda server, seconds: loads.wrk(server, 32, seconds), bench.seconds)[1]


def rate(bench):
    s, guest = bench.servers, "p2-hello.wasm"
    half = int(saturation(bench, s.wasmtime(guest)) / 2)
    peers = [("wash", s.wash(guest)), ("wasmtime", s.wasmtime(guest)), ("nginx", s.nginx())]

    def once(make):
        with make() as server:
            loads.constant_rate(bench.rate_program, server, half, 1)
            return loads.constant_rate(bench.rate_program, server, half, bench.seconds)

    rows = loads.in_turns(peers, ROUNDS, once)
    loads.print_head("requests/s, constant", "server", "p50 µs", "ratio", "p99 µs", "ratio", "max µs")
    base = rows["wasmtime"]
    for name, (p50, p99, most, _) in rows.items():
        bench.results[f"rate/{name}"] = p50, p99
        loads.print_row(f"{half:,}", name, f"{p50:,.0f}", f"{p50 / base[0]:.2f}", f"{p99:,.0f}", f"{p99 / base[1]:.2f}",
                        f"{most:,.0f}")


class Neighbour:
    """Asks for a path again and again, one request at a time. A program in C: it shares the CPU of the load generator."""

    def __init__(self, server, path):
        url = f"http://127.0.0.1:{server.port}{path}"
        self.argv = ["taskset", "-c", "1", "wrk", "-t1", "-c1", "-d600s", "--timeout", "600s", url] if path else ["true"]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def neighbour(bench):
    """A process serves one workload, so the neighbour is another instance of the same component, on the same worker."""
    s, guest, per_second = bench.servers, "p2-rogue.wasm", 1000
    peers = {"wash": s.wash(guest, "--max-memory", str(HOG_MEMORY)),
             "wasmtime": s.wasmtime(guest, "-Wtimeout=60s", f"-Wmax-memory-size={HOG_MEMORY}")}
    loads.print_head("server", "neighbour", "p50 µs", "p99 µs", "ratio to alone", "unanswered")
    for name, make in peers.items():
        def once(path):
            with make() as server, Neighbour(server, path):
                loads.constant_rate(bench.rate_program, server, per_second, 1)
                return loads.constant_rate(bench.rate_program, server, per_second, bench.seconds)

        cases = [("none", ""), ("spins", "/spin"), ("eats", "/hog")]
        rows = loads.in_turns(cases, bench.rounds, once)
        for case, (p50, p99, _, lost) in rows.items():
            bench.results[f"neighbour/{name}/{case}"] = p50, p99
            loads.print_row(name, NEIGHBOURS[case], f"{p50:,.0f}", f"{p99:,.0f}", f"{p99 / rows['none'][1]:.2f}", f"{lost:.0%}")
