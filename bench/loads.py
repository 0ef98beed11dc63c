# SPDX-License-Identifier: Apache-2.0
"""Load generators, on CPU 1: each gives (requests done, requests per second, p99 in us)."""
import os
import re
import statistics
import subprocess
import sys
import tempfile

UNITS = {"us": 1, "ms": 1e3, "s": 1e6}
WARM_SECONDS = 1


def on_cpu_1(argv):
    return subprocess.run(["taskset", "-c", "1"] + argv, capture_output=True, text=True)


def wrk(server, connections, seconds, script=None):
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for line in server.headers.splitlines():
        argv += ["-H", line]
    if script:
        argv += ["-s", script]
    out = on_cpu_1(argv + [f"http://127.0.0.1:{server.port}{server.path}"]).stdout
    for words in re.findall(r"Non-2xx or 3xx responses: \d+|Socket errors:.*", out):
        print("bench: " + words, file=sys.stderr)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    return (int(re.search(r"(\d+) requests in", out).group(1)),
            float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), float(p99.group(1)) * UNITS[p99.group(2)])


def h2load(server, connections, seconds, streams):
    """HTTP/2 by prior knowledge: so many streams at once on each connection."""
    with tempfile.NamedTemporaryFile("r") as log:
        out = on_cpu_1(["h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds}", f"--log-file={log.name}",
                        f"http://127.0.0.1:{server.port}/"]).stdout
        times = sorted(int(line.split("\t")[2]) for line in log)
    done = int(re.search(r"(\d+) succeeded", out).group(1))
    failed = re.search(r"(\d+) failed", out).group(1)
    if failed != "0":
        print(f"bench: {failed} requests failed", file=sys.stderr)
    return done, done / seconds, times[len(times) * 99 // 100]


def constant_rate(program, server, rate, seconds, connections=64):
    """p50, p99 and max in us of requests at their times in a schedule, and how many had no answer."""
    done = on_cpu_1([program, str(server.port), server.path, str(rate), str(seconds), str(connections)])
    if done.returncode != 0:
        raise SystemExit("bench: " + done.stderr.strip())
    count, unanswered, p50, p99, most = done.stdout.split()
    return float(p50), float(p99), float(most), int(unanswered) / int(count)


def measure(make, load, seconds):
    """CPU us per request, requests per second, p99 us of one server under `load(server, seconds)`."""
    with make() as server:
        load(server, WARM_SECONDS)
        before = server.cpu()
        done, rate, p99 = load(server, seconds)
        return (server.cpu() - before) / done * 1e6, rate, p99


def in_turns(peers, rounds, once):
    """{name: medians of the columns that `once(make)` gives}; the peers take turns A B C, C B A, ..."""
    rows = {name: [] for name, _ in peers}
    for round_ in range(rounds):
        for name, make in peers if round_ % 2 == 0 else reversed(peers):
            rows[name].append(once(make))
    return {name: [statistics.median(column) for column in zip(*mine)] for name, mine in rows.items()}


def print_head(*columns):
    print("\n| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)


def print_row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def load_average():
    return os.getloadavg()[0]
