# SPDX-License-Identifier: Apache-2.0
"""The goals of the HTTP tables, held against what a run measured. Tables note their results by name; goals whose table did not run
are left out."""
import loads

FRESH, RESET, SHARED = "P2 hello/{}/wash, instance made anew", "P2 hello/{}/wash, instance reset", "P3 hello, reuse 128/16/{}/wash"


def ratios(case, name, peer, column, connections=(32, 128)):
    """How the entry compares to the peer's of the same case, at each number of connections."""
    def values(results):
        ours = [results[name.format(c)][column] for c in connections]
        theirs = [results[f"{case}/{c}/{peer}"][column] for c in connections]
        return [o / t for o, t in zip(ours, theirs)]
    return values


def plain(*names, column=0, scale=1.0):
    return lambda results: [results[name][column] * scale for name in names]


def at_most(limit, unit=""):
    return f"≤ {limit}{unit}", lambda values: max(values) <= limit, unit


def at_least(limit, unit=""):
    return f"≥ {limit}{unit}", lambda values: min(values) >= limit, unit


STREAMS = ("P2, download", "P2, echo", "P3, echo, stream handed over", "P3, echo, bytes copied")
# name, values from the results (of 32 and 128 connections unless said), goal
GOALS = [
    ("hello, P2, fresh: CPU to wasmtime", ratios("P2 hello", FRESH, "wasmtime", 0), at_most(0.15, " ×")),
    ("hello, P2, fresh: CPU to wasmCloud's wash 2.7.0 (32)",
     ratios("P2 hello, `wash dev`", "P2 hello, `wash dev`/{}/wash, instance made anew", "wasmCloud's wash 2.7.0", 0, (32,)),
     at_most(0.12, " ×")),
    ("hello, P2, fresh: CPU to nginx", ratios("P2 hello", FRESH, "nginx", 0), at_most(3, " ×")),
    ("hello, P2, reset: CPU to nginx", ratios("P2 hello", RESET, "nginx", 0), at_most(1.5, " ×")),
    ("hello, P3, 128/16: CPU to wasmtime", ratios("P3 hello, reuse 128/16", SHARED, "wasmtime", 0), at_most(0.25, " ×")),
    ("hello, P3, 128/16: CPU to nginx", ratios("P3 hello, reuse 128/16", SHARED, "nginx", 0), at_most(2, " ×")),
    ("hello, P2, fresh: requests/s to wasmtime", ratios("P2 hello", FRESH, "wasmtime", 1), at_least(6, " ×")),
    ("hello, P3: requests/s to wasmtime", ratios("P3 hello, reuse 128/16", SHARED, "wasmtime", 1), at_least(4, " ×")),
    ("p99 at half of wasmtime's saturation, to its",
     lambda r: [r["rate/wash"][1] / r["rate/wasmtime"][1]], at_most(0.5, " ×")),
    ("echo of 1 MiB: requests/s to wasmtime (16, 128)",
     ratios("P2 echo, 1 MiB", "P2 echo, 1 MiB/{}/wash", "wasmtime", 1, (16, 128)), at_least(1.5, " ×")),
    ("100 MiB (" + "; ".join(STREAMS) + "): throughput to wasmtime",
     lambda r: [r[f"stream/{s}/wash"][0] / r[f"stream/{s}/wasmtime"][0] for s in STREAMS], at_least(1.5, " ×")),
    ("the same: memory taken meanwhile",
     lambda r: [r[f"stream/{s}/wash"][3] - r[f"stream/{s}/wash"][2] for s in STREAMS], at_most(4, " MB")),
    ("outgoing requests/s, 64 connections (P2, P3)", plain("P2 fetch/64/wash", "P3 fetch/64/wash", column=1, scale=1e-3),
     at_least(20, " k")),
    ("warm instance (P2, P3)", plain("resident/p2-echo.wasm/wash", "resident/p3-echo.wasm/wash"), at_most(100, " KB")),
    ("idle keep-alive connection", plain("idle/wash"), at_most(8, " KB")),
    ("idle process", plain("start/p2-hello.wasm/wash", column=1, scale=1e-3), at_most(20, " MB")),
    ("first answer after a start (hello)", plain("start/p2-hello.wasm/wash"), at_most(10, " ms")),
    ("the same, 13 MB of JavaScript", plain("start/js-p2-hello.wasm/wash"), at_most(30, " ms")),
    ("p99 beside a guest that spins, to alone",
     lambda r: [r["neighbour/wash/spins"][1] / r["neighbour/wash/none"][1]], at_most(1.1, " ×")),
    ("p99 beside a guest that eats memory, to alone",
     lambda r: [r["neighbour/wash/eats"][1] / r["neighbour/wash/none"][1]], at_most(1.1, " ×")),
]


def print_table(results):
    rows = []
    for name, values_of, (text, holds, unit) in GOALS:
        try:
            values = values_of(results)
        except KeyError:
            continue
        measured = ", ".join(f"{v:.2f}" if v < 10 else f"{v:.0f}" for v in values)
        rows.append((name, text, measured + unit, "met" if holds(values) else "**missed**"))
    if rows:
        print("\n## Goals")
        loads.print_head("measure", "goal", "measured", "")
    for row in rows:
        loads.print_row(*row)
