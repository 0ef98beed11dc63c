#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP benchmark: the same components under wash and `wasmtime serve`, and a static answer of nginx.

One server at a time, pinned to CPU 0; the load generator (wrk; h2load for HTTP/2) is pinned to CPU 1. Cases run in the order
A B C, C B A, ... (--rounds), medians are printed: CPU time per request of the server process and its
threads, requests per second, p99 latency, and the ratio to wasmtime. Also: first answer after a start with a
warm cache, and resident memory.
"""
import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GUESTS = os.path.join(ROOT, "tests", "guests")
SHARED = os.path.join(os.environ.get("WASH_SHARED", os.path.join(ROOT, "..", "shared")), "guests", "bin")
TICK = os.sysconf("SC_CLK_TCK")
MIB = bytes(1 << 20)


def guest_path(name):
    """Large guests are not in the repository: they are measured where the shared folder is."""
    here = os.path.join(GUESTS, name)
    return here if os.path.exists(here) else os.path.join(SHARED, name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    """CPU time of the process with its threads; schedstat counts nanoseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            total += int(open(f"/proc/{pid}/task/{task}/schedstat").read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def rss_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))


def children(pid):
    out = open(f"/proc/{pid}/task/{pid}/children").read().split()
    return [int(c) for c in out]


class Server:
    def __init__(self, argv, port, env=None, cwd=None, path="/", http2=False):
        self.port, self.argv, self.path, self.http2 = port, argv, path, http2
        self.start = time.perf_counter()
        self.proc = subprocess.Popen(["taskset", "-c", "0"] + argv, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, env=env, cwd=cwd)
        self.first_ms = self.wait()

    def wait(self):
        while time.perf_counter() - self.start < 120:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as c:
                    if self.http2:  # nginx does not speak both on a plain port
                        c.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                        if c.recv(9)[3:4] == b"\4":
                            return (time.perf_counter() - self.start) * 1000
                    c.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                    if c.recv(65536).startswith(b"HTTP/1.1 200"):
                        return (time.perf_counter() - self.start) * 1000
            except OSError:
                time.sleep(0.0005)
            if self.proc.poll() is not None:
                break
        raise SystemExit(f"bench: {' '.join(self.argv)} does not answer")

    def pids(self):
        return [self.proc.pid] + children(self.proc.pid)

    def cpu(self):
        return sum(cpu_seconds(p) for p in self.pids())

    def rss(self):
        return sum(rss_kb(p) for p in self.pids())

    def stop(self):
        self.proc.terminate()
        try:
            self.proc.wait(15)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


def wrk(server, connections, seconds, script=None):
    argv = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        argv += ["-s", script]
    out = subprocess.run(argv + [f"http://127.0.0.1:{server.port}{server.path}"], capture_output=True, text=True).stdout
    done = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    p99_us = float(p99.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6}[p99.group(2)]
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    socket_errors = re.search(r"Socket errors:.*", out)
    if errors or socket_errors:
        print("bench: " + (errors or socket_errors).group(0), file=sys.stderr)
    return done, rate, p99_us


def h2load(port, connections, seconds, streams):
    """HTTP/2 by prior knowledge: so many streams at once on each connection."""
    with tempfile.NamedTemporaryFile("r") as log:
        out = subprocess.run(["taskset", "-c", "1", "h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds}",
                              f"--log-file={log.name}", f"http://127.0.0.1:{port}/"], capture_output=True,
                             text=True).stdout
        times = sorted(int(line.split("\t")[2]) for line in log)
    done = int(re.search(r"(\d+) succeeded", out).group(1))
    failed = re.search(r"(\d+) failed", out).group(1)
    if failed != "0":
        print(f"bench: {failed} requests failed", file=sys.stderr)
    return done, done / seconds, times[len(times) * 99 // 100]


def load(server, connections, seconds, script, streams):
    if streams:
        return h2load(server.port, connections, seconds, streams)
    return wrk(server, connections, seconds, script)


def measure(make, connections, seconds, script, streams):
    server = make()
    try:
        load(server, connections, 1, script, streams)
        before = server.cpu()
        done, rate, p99 = load(server, connections, seconds, script, streams)
        cpu = (server.cpu() - before) / done * 1e6
        return cpu, rate, p99
    finally:
        server.stop()


def median(rows, i):
    return statistics.median(row[i] for row in rows)


def compare(title, peers, connections, rounds, seconds, script, base="wasmtime", streams=0):
    results = {name: [] for name, _ in peers}
    for round_ in range(rounds):
        for name, make in peers if round_ % 2 == 0 else reversed(peers):
            results[name].append(measure(make, connections, seconds, script, streams))
    base = results[base]
    for name, rows in results.items():
        cpu, rate, p99 = (median(rows, i) for i in range(3))
        print(f"| {title} | {connections} | {name} | {cpu:.1f} | {cpu / median(base, 0):.2f} | {rate:,.0f} | "
              f"{rate / median(base, 1):.2f} | {p99:,.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wash", required=True)
    parser.add_argument("--wasmtime", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", default="1,16,128")
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="wash-bench-")
    conf = os.path.join(work, "nginx.conf")
    post = os.path.join(work, "post.lua")
    with open(post, "w") as f:
        f.write('wrk.method = "POST"\nwrk.body = string.rep("x", 1048576)\n')

    def wash(guest, path="/", apart=False):
        def make():
            port = free_port()
            return Server([args.wash, "run", "--addr", f"127.0.0.1:{port}", "--workers", "1",
                           guest_path(guest)], port, path=path,
                          env={**os.environ, "WASH_MODULES_APART": "1"} if apart else None)
        return make

    def wasmtime(guest):
        def make():
            port = free_port()
            return Server([args.wasmtime, "serve", "-Scli", "--addr", f"127.0.0.1:{port}",
                           guest_path(guest)], port)
        return make

    def nginx(protocol=""):
        port = free_port()
        with open(conf, "w") as f:
            f.write(f"daemon off; worker_processes 1; pid {work}/pid; error_log {work}/err;\n"
                    "events { worker_connections 1024; }\n"
                    "http { access_log off; keepalive_requests 100000000; server { "
                    f"listen 127.0.0.1:{port} {protocol}; location / {{ return 200 'hello from p2\\n'; }} }} }}\n")
        return Server(["nginx", "-c", conf, "-p", work], port, http2=bool(protocol))

    def wanted(word):
        return not args.words or any(w in word for w in args.words)

    connections = [int(c) for c in args.connections.split(",")]
    print("| case | connections | server | CPU us/request | ratio | requests/s | ratio | p99 us |")
    print("|---|---|---|---|---|---|---|---|")
    for c in connections:
        if wanted("hello"):
            compare("P2 hello, fresh instance", [("wash", wash("p2-hello.wasm")),
                    ("wasmtime", wasmtime("p2-hello.wasm")), ("nginx", nginx)], c, args.rounds,
                    args.seconds, None)
        for streams in (1, 32):
            if wanted("h2"):
                # wasmtime serves HTTP/1 only.
                compare(f"P2 hello, HTTP/2, {streams} streams a connection",
                        [("wash", wash("p2-hello.wasm")), ("nginx", lambda: nginx("http2"))], c, args.rounds,
                        args.seconds, None, "nginx", streams)
        if wanted("echo"):
            compare("P2 echo 1 MiB", [("wash", wash("p2-echo.wasm")),
                    ("wasmtime", wasmtime("p2-echo.wasm"))], c, args.rounds, args.seconds, post)
        if wanted("adapter"):
            # Without and with calls of preview 1: the guest prints a line.
            for title, guest, path in (("P2 hello", "p2-hello.wasm", "/"),
                                       ("P2, prints a line", "p2-rogue.wasm", "/chatter?n=1")):
                compare(title, [("wash", wash(guest, path)), ("adapter apart", wash(guest, path, True))],
                        c, args.rounds, args.seconds, None, "adapter apart")
    if wanted("start"):
        print("\n| first answer, warm cache | server | ms | resident KB, idle |")
        print("|---|---|---|---|")
        for guest in ("p2-hello.wasm", "js-p2-hello.wasm"):
            if not os.path.exists(guest_path(guest)):
                continue
            for name, make in (("wash", wash(guest)), ("wash, adapter apart", wash(guest, apart=True)),
                               ("wasmtime", wasmtime(guest))):
                times, memory = [], []
                for _ in range(6):
                    server = make()
                    times.append(server.first_ms)
                    time.sleep(0.2)
                    memory.append(server.rss())
                    server.stop()
                print(f"| {guest} | {name} | {statistics.median(times[1:]):.1f} | "
                      f"{statistics.median(memory):,.0f} |", flush=True)
    shutil.rmtree(work)


main()
