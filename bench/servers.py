# SPDX-License-Identifier: Apache-2.0
"""The servers that the HTTP benchmarks compare: each is one process, pinned to CPU 0 with one worker, started anew
for each measurement."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GUESTS = os.path.join(ROOT, "tests", "guests")
SHARED = os.path.join(os.environ.get("WASH_SHARED", os.path.join(ROOT, "..", "shared")), "guests", "bin")
START_SECONDS_MAX = 120
# With them a program in Rust may walk the stack for every error value that it makes: wasmCloud's wash then takes 2.4 ms for a
# request. wasmtime takes the same.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("RUST_BACKTRACE", "RUST_LIB_BACKTRACE")}


class GuestMissing(Exception):
    pass


def guest_path(name):
    """Large guests are not in the repository: they are measured where the shared folder is."""
    for folder in (GUESTS, SHARED):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise GuestMissing(f"there is no {name} in {GUESTS} nor {SHARED}")


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


def memory_kb(pid, field):
    return int(re.search(field + r":\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))


class Server:
    """A process that listens; `path` is what it is asked for, with `headers` (lines)."""

    def __init__(self, argv, port, env=None, path="/", headers="", http2=False, cpu=0, cwd=None):
        self.port, self.argv, self.path, self.headers, self.http2 = port, argv, path, headers, http2
        self.started = time.perf_counter()
        self.proc = subprocess.Popen(["taskset", "-c", str(cpu)] + argv, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, env={**ENVIRONMENT, **(env or {})}, cwd=cwd)
        self.first_ms = self.wait()

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as c:
                if self.http2:  # nginx does not speak both on a plain port
                    c.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                    return c.recv(9)[3:4] == b"\4"
                c.sendall(f"GET / HTTP/1.1\r\nhost: x\r\n{self.headers}connection: close\r\n\r\n".encode())
                return c.recv(65536).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def wait(self):
        while time.perf_counter() - self.started < START_SECONDS_MAX and self.proc.poll() is None:
            if self.answers():
                return (time.perf_counter() - self.started) * 1000
            time.sleep(0.0005)
        self.stop()
        raise SystemExit(f"bench: {' '.join(self.argv)} does not answer")

    def pids(self):
        pid = self.proc.pid
        return [pid] + [int(c) for c in open(f"/proc/{pid}/task/{pid}/children").read().split()]

    def cpu(self):
        return sum(cpu_seconds(p) for p in self.pids())

    def rss_kb(self):
        return sum(memory_kb(p, "VmRSS") for p in self.pids())

    def peak_kb(self):
        return sum(memory_kb(p, "VmHWM") for p in self.pids())

    def reset_peak(self):
        for pid in self.pids():
            with open(f"/proc/{pid}/clear_refs", "w") as f:
                f.write("5")

    def stop(self):
        self.proc.terminate()
        try:
            self.proc.wait(15)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Servers:
    """Makes the functions that start each of them."""

    def __init__(self, wash, wasmtime, wasmcloud=None, floor=None):
        self.wash_path, self.wasmtime_path, self.wasmcloud_path, self.floor_path = wash, wasmtime, wasmcloud, floor
        self.work = tempfile.mkdtemp(prefix="wash-bench-")

    def close(self):
        shutil.rmtree(self.work)

    def wash(self, guest, *options, path="/", headers="", env=None):
        def make():
            port = free_port()
            return Server([self.wash_path, "run", "--addr", f"127.0.0.1:{port}", "--workers", "1", *options,
                           guest_path(guest)], port, path=path, headers=headers,
                          env=env)
        return make

    def wasmtime(self, guest, *options, path="/", headers=""):
        def make():
            port = free_port()
            return Server([self.wasmtime_path, "serve", "-Scli", *options, "--addr", f"127.0.0.1:{port}",
                           guest_path(guest)], port, path=path, headers=headers)
        return make

    def wasmcloud(self, guest):
        """wasmCloud's own wash serves a component as a project whose build does nothing."""
        def make():
            port = free_port()
            folder = tempfile.mkdtemp(dir=self.work)
            os.mkdir(os.path.join(folder, ".wash"))
            shutil.copy(guest_path(guest), os.path.join(folder, "guest.wasm"))
            with open(os.path.join(folder, ".wash", "config.yaml"), "w") as f:
                f.write(f'build:\n  command: "true"\n  component_path: guest.wasm\ndev:\n  address: 127.0.0.1:{port}\n')
            return Server([self.wasmcloud_path, "-l", "error", "dev"], port, env={"HOME": folder}, cwd=folder)
        return make

    def nginx(self, location="return 200 'hello from p2\\n';", protocol="", http="", port=None, cpu=0):
        def make():
            at = port or free_port()
            folder = tempfile.mkdtemp(dir=self.work)
            conf = os.path.join(folder, "nginx.conf")
            with open(conf, "w") as f:
                f.write(f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/err; "
                        "events { worker_connections 1024; }\n"
                        f"http {{ access_log off; keepalive_requests 100000000; {http} server {{ "
                        f"listen 127.0.0.1:{at} {protocol}; client_max_body_size 0; "
                        f"location / {{ {location} }} }} }}\n")
            return Server(["nginx", "-c", conf, "-p", folder], at, http2=bool(protocol), cpu=cpu)
        return make

    def floor(self):
        port = free_port()
        return Server([self.floor_path, str(port)], port)
