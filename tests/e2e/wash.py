# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: TAP, running wash, talking HTTP to it."""
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUESTS = os.path.join(ROOT, "tests", "guests")
FIXTURES = os.path.join(ROOT, "tests", "fixtures")
WASH = os.environ.get("WASH", os.path.join(ROOT, "build", "src", "wash", "wash"))
SANITIZED = os.environ.get("WASH_SANITIZE", "none") != "none"


class Skip(Exception):
    pass


def main(tests):
    """Runs the functions of `tests` (all, or those whose name holds an argument) and prints TAP."""
    words = sys.argv[1:]
    chosen = [t for t in tests if not words or any(w in t.__name__ for w in words)]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, test in enumerate(chosen, 1):
        name = test.__name__.removeprefix("test_")
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except Exception:
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {name}", flush=True)
    sys.exit(failed > 0)


def equal(got, want):
    assert got == want, f"got {got!r:.600}, want {want!r:.600}"


def contains(text, words):
    assert words in text, f"{text!r:.1000} lacks {words!r}"


def guest(name):
    return os.path.join(GUESTS, name + ".wasm")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def environment(**extra):
    env = dict(os.environ, **extra)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
    env.pop("MALLOC_PERTURB_", None)  # meson's: it makes all that is allocated resident, which tests measure
    return env


def run(*args, stdin=b"", timeout=120, cwd=None, env=None):
    """Runs wash to its end: exit code, stdout, stderr."""
    done = subprocess.run([WASH, *args], input=stdin, capture_output=True, timeout=timeout, cwd=cwd,
                          env=environment(**(env or {})))
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


class Server:
    """`wash run` of an HTTP component on a free port, until the end of the with block."""
    scheme = "http"

    def __init__(self, path, *options):
        self.log = tempfile.TemporaryFile()
        self.proc = subprocess.Popen([WASH, "run", "--addr", "127.0.0.1:0", *options, path],
                                     stdout=self.log, stderr=self.log, env=environment())
        self.port = self.wait_for_port()

    def wait_for_port(self):
        end = time.monotonic() + 120
        while time.monotonic() < end and self.proc.poll() is None:
            for line in self.output().splitlines():
                if line.startswith(f"serving on {self.scheme}://"):
                    return int(line.rsplit(":", 1)[1])
            time.sleep(0.02)
        raise AssertionError("wash does not serve: " + self.output())

    def output(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, timeout=30):
        if self.proc.poll() is None:
            self.proc.terminate()
        code = self.proc.wait(timeout)
        assert code == 0, f"wash ended with {code}: {self.output()}"

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def raw(self, data):
        """Sends bytes, returns all that comes back until the server closes."""
        with self.connect() as sock:
            sock.sendall(data)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def ask(self, path="/", method="GET", body=None, headers=None, timeout=60):
        """One request: status, body, headers. A cut body comes as (status, b"INCOMPLETE ...")."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            head = {k.lower(): v for k, v in response.getheaders()}
            try:
                return response.status, response.read(), head
            except http.client.IncompleteRead as cut:
                return response.status, b"INCOMPLETE " + cut.partial, head
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return 0, b"", {}
        finally:
            connection.close()

    def rss_kb(self):
        for line in open(f"/proc/{self.proc.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])

    def descriptors(self):
        """How many are open, once closed connections have ended to linger."""
        seen = [0]
        while len(seen) < 5 or len(set(seen[-5:])) > 1:
            time.sleep(0.1)
            seen.append(len(os.listdir(f"/proc/{self.proc.pid}/fd")))
            assert len(seen) < 200, seen
        return seen[-1]
