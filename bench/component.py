#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs bench-component and its peer in turns and prints the table of docs/benchmarks.md: medians of
nanoseconds, ratios to the peer in the same run, and whether the goals hold."""

import argparse
import statistics
import subprocess

MIB = 1 << 20
TEXT = 1 << 16

# name, what it is, goal: (text, test of ours, peer, all of ours)
ROWS = [
    ("host-guest add", "host → guest, two u32", ("≤ 40 ns", lambda o, c, a: o <= 40)),
    ("host-guest bare", "the same without a canonical ABI, the engine's bare call", None),
    ("guest-host add", "guest → host, two u32", ("≤ 40 ns", lambda o, c, a: o <= 40)),
    ("host-guest list 0", "host → guest, empty list<u8>", None),
    ("host-guest list 4096", "host → guest, list<u8> of 4 KiB, copied",
     ("beyond an empty one ≥ 0.8 × memcpy",
      lambda o, c, a: o - a["host-guest list 0"] <= a["memcpy 4096"] / 0.8)),
    ("host-guest list 1048576", "host → guest, list<u8> of 1 MiB, copied",
     ("≥ 0.8 × memcpy", lambda o, c, a: o <= a["memcpy 1048576"] / 0.8)),
    ("host-guest result 4096", "guest's result of 4 KiB, viewed", None),
    ("host-guest result 1048576", "guest's result of 1 MiB, viewed",
     ("as 4 KiB", lambda o, c, a: o <= a["host-guest result 4096"] * 1.3)),
    ("guest-host list 4096", "guest → host, 4 KiB, viewed", None),
    ("guest-host list 1048576", "guest → host, 1 MiB, viewed",
     ("as 4 KiB", lambda o, c, a: o <= a["guest-host list 4096"] * 1.3)),
    ("guest-host copy 4096", "guest → host, 4 KiB, copied",
     ("beyond a view ≥ 0.8 × memcpy",
      lambda o, c, a: o - a["guest-host list 4096"] <= a["memcpy 4096"] / 0.8)),
    ("guest-host copy 1048576", "guest → host, 1 MiB, copied",
     ("≥ 0.8 × memcpy", lambda o, c, a: o <= a["memcpy 1048576"] / 0.8)),
    ("component add", "component → component, two u32", ("≤ 100 ns", lambda o, c, a: o <= 100)),
    ("component echo 4096", "component → component, 4 KiB there and back",
     ("≤ 1.0 × crate", lambda o, c, a: c is None or o <= c)),
    ("text utf8 utf8", "string of 64 Ki ASCII, UTF-8 → UTF-8", None),
    ("text utf8 utf16", "the same, UTF-8 → UTF-16", ("≥ 2 GB/s", lambda o, c, a: TEXT / o >= 2)),
    ("text utf8 latin1", "the same, UTF-8 → Latin-1 or UTF-16",
     ("≥ 2 GB/s", lambda o, c, a: TEXT / o >= 2)),
    ("text utf16 utf8", "the same, UTF-16 → UTF-8", ("≥ 2 GB/s", lambda o, c, a: TEXT / o >= 2)),
    ("instantiate", "store, instance of p2-hello, drop",
     ("≤ 0.3 × `InstancePre`", lambda o, c, a: c is None or o <= 0.3 * c)),
    ("async ready", "async lower → callback lift, ready at once",
     ("≤ 500 ns", lambda o, c, a: o <= 500)),
    ("async parked", "bytes of a parked task with its subtask",
     ("≤ 1024", lambda o, c, a: o <= 1024)),
]


def run(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in out.splitlines()}


def medians(runs):
    return {name: statistics.median(r[name] for r in runs) for name in runs[0]} if runs else {}


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def against(ours, peer):
    return f"{number(peer)} | {ours / peer:.2f}" if peer else "– | –"


def print_table(ours, crate, c_api):
    print("| what | wash ns | crate ns | ratio | C API ns | ratio | goal | |")
    print("|---|---|---|---|---|---|---|---|")
    for name, text, goal in ROWS:
        mine, theirs = ours[name], crate.get(name)
        verdict = f"{goal[0]} | {'met' if goal[1](mine, theirs, ours) else '**missed**'}" if goal else "| "
        print(f"| {text} | {number(mine)} | {against(mine, theirs)} "
              f"| {against(mine, c_api.get(name))} | {verdict} |")
    print(f"\nmemcpy: 4 KiB {number(ours['memcpy 4096'])} ns, 1 MiB {number(ours['memcpy 1048576'])} ns.")
    for name in ["utf8 utf8", "utf8 utf16", "utf8 latin1", "utf16 utf8"]:
        print(f"{name}: {TEXT / ours['text ' + name]:.1f} G characters/s.")
    if "plan" in ours:
        print(f"decode + validate + plan of {ours['plan bytes'] / 1e6:.1f} MB: "
              f"{ours['plan'] / 1e6:.2f} ms, {ours['plan bytes'] / ours['plan'] * 1e3:,.0f} MB/s (goal 200).")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--peer", help="bench-component-peer")
    parser.add_argument("--big", help="a large component to decode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("guests")
    parser.add_argument("instance")
    args = parser.parse_args()
    pin = ["taskset", "-c", "1"]
    big = ["--component", args.big] if args.big else []
    ours, crate, c_api = [], [], []
    for _ in range(args.rounds):
        ours.append(run(pin + [args.ours] + big + [args.guests, args.instance]))
        if args.peer:
            crate.append(run(pin + [args.peer, "crate", args.guests, args.instance]))
            c_api.append(run(pin + [args.peer, "c-api", args.guests, args.instance]))
    print_table(medians(ours), medians(crate), medians(c_api))


if __name__ == "__main__":
    main()
