#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits of a workload: each one reached, the neighbours unharmed, nothing left behind."""
import os
import re
import threading

from wash import FIXTURES, SANITIZED, Server, contains, equal, guest, main, run

LIMITS = os.path.join(FIXTURES, "limits.wasm")
FAILED = 4294967295  # -1 as u32


def invoke(call, *options):
    """An export of the fixture: exit code, result, and what was said."""
    code, out, err = run("run", *options, "--invoke", call, LIMITS)
    return code, out.decode().strip(), err


def refused(call, words, *options):
    code, _, err = invoke(call, *options)
    equal(code, 134)
    contains(err, words)


def behave(server):
    equal(server.ask("/")[:2], (200, b"behaving\n"))


def test_cpu_time_of_requests():
    with Server(guest("p2-rogue"), "--workers", "1", "--max-cpu-time", "200ms") as server:
        behave(server)
        descriptors, rss = server.descriptors(), server.rss_kb()
        for path in ("/spin", "/spin-host") * 3:
            spinner = threading.Thread(target=lambda: statuses.append(server.ask(path)[0]))
            statuses = []
            spinner.start()
            while spinner.is_alive():
                behave(server)
            equal(statuses, [504])
        contains(server.output(), "the guest ran out of time: CPU time limit of 200 ms (--max-cpu-time) reached")
        # Waiting is free.
        equal(server.ask("/sleep?ms=500")[:2], (200, b"slept 500 ms\n"))
        equal(server.descriptors(), descriptors)
        assert SANITIZED or server.rss_kb() < rss + 8192, (rss, server.rss_kb())


def test_cpu_time_of_commands():
    for call in ("spin(0)", "work(0)"):  # never yields; yields all the time
        refused(call, "wash: the guest ran out of time: CPU time limit of 100 ms (--max-cpu-time) reached",
                "--max-cpu-time", "100ms")


def test_wall_time():
    refused("spin(0)", "wash: the guest ran out of time: wall-time limit of 100 ms (--timeout) reached",
            "--timeout", "100ms")
    with Server(guest("p2-rogue"), "--timeout", "200ms") as server:
        equal(server.ask("/sleep?ms=20000")[0], 504)
        contains(server.output(), "wall-time limit of 200 ms (--timeout) reached")
        behave(server)


def test_memory():
    with Server(guest("p2-rogue"), "--max-memory", "64M", "--workers", "1") as server:
        behave(server)
        got = []
        hogs = [threading.Thread(target=lambda: got.append(server.ask("/hog"))) for _ in range(4)]
        for hog in hogs:
            hog.start()
        while any(hog.is_alive() for hog in hogs):
            behave(server)
        for status, body, _ in got:
            equal(status, 200)
            assert 50 <= int(body.removesuffix(b" MiB\n")) < 64, body
        behave(server)
    equal(invoke("grow(10)", "--max-memory", "1M")[:2], (0, "1"))
    equal(invoke("grow(16)", "--max-memory", "1M")[:2], (0, str(FAILED)))
    refused("grow-or-trap(16)", "note: the memory limit of 1 MiB (--max-memory) had been reached",
            "--max-memory", "1M")
    code, _, err = invoke("grow(1)", "--max-memory", "1K")
    equal(code, 1)
    contains(err, "needs 65536 bytes of memory to start: memory limit of 1024 bytes (--max-memory) reached")


def test_table_elements():
    equal(invoke("grow-table(19)", "--max-table-elements", "20")[:2], (0, "1"))
    equal(invoke("grow-table(20)", "--max-table-elements", "20")[:2], (0, str(FAILED)))


def test_handles():
    with Server(guest("p2-rogue"), "--max-handles", "500") as server:
        behave(server)
        descriptors = server.descriptors()
        for _ in range(3):
            equal(server.ask("/leak?n=100")[0], 200)
            equal(server.ask("/leak?n=1000")[0], 500)
        contains(server.output(), "handle limit of 500 handles (--max-handles) reached")
        behave(server)
        equal(server.descriptors(), descriptors)
    refused("handles(200000)", "handle limit of 100000 handles (--max-handles) reached")
    equal(invoke("handles(200000)", "--max-handles", "200000")[:2], (0, "200000"))


def test_streams_and_tasks():
    equal(invoke("futures(50)", "--max-streams", "50")[:2], (0, "50"))
    refused("futures(51)", "stream limit of 50 streams, futures and subtasks (--max-streams) reached",
            "--max-streams", "50")
    refused("tasks(51)", "task limit of 20 tasks and threads (--max-tasks) reached", "--max-tasks", "20")
    refused("tasks(51)", "stream limit of 50 streams, futures and subtasks (--max-streams) reached",
            "--max-streams", "50")


def test_log_rate():
    with Server(guest("p2-rogue"), "--max-log-rate", "100") as server:
        behave(server)
        equal(server.ask("/chatter?n=5000")[:2], (200, b"printed 5000 lines\n"))
        # What was not told yet is told at the end.
        server.stop()
        lines = server.output().splitlines()
        told = [int(n) for line in lines
                for n in re.findall(r"p2-rogue.wasm: (\d+) lines of its output are dropped: "
                                    r"log rate limit of 100 lines/s \(--max-log-rate\) reached", line)]
        printed = sum(bool(re.fullmatch(r"line \d+", line)) for line in lines)
        assert printed >= 100 and told, lines[-20:]
        equal(printed + sum(told), 5000)


def test_log_rate_leaves_a_quiet_guest_alone():
    with Server(guest("p2-rogue"), "--max-log-rate", "1000") as server:
        equal(server.ask("/chatter?n=500")[0], 200)
        server.stop()
        equal([line for line in server.output().splitlines() if line.startswith("line ")],
              [f"line {i}" for i in range(500)])


def test_options_are_told_when_they_are_wrong():
    for option, value in (("--max-cpu-time", "soon"), ("--max-handles", "many"), ("--max-log-rate", "-1")):
        code, _, err = run("run", option, value, LIMITS)
        assert code in (1, 2), code
        contains(err, f"`{option} {value}`: expected")


def test_a_call_ends_when_nothing_can_happen_any_more():
    threads = os.path.join(FIXTURES, "..", "components", "thread_rules", "thread_rules.0.wasm")
    code, out, err = run("run", threads, "--invoke", "left-suspended()", timeout=20)
    if "lacks garbage collection" not in err:
        equal((code, out), (0, b"3\n"))


main([v for k, v in list(globals().items()) if k.startswith("test_")])
