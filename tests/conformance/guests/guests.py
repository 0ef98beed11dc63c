#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the components of a folder of public guests with `wash run` and holds them against what the folder's own
check.py expects, and against more where the reference hides a failure.

Usage: guests.py WASH GUESTS
GUESTS has check.py and bin/*.wasm; without it everything is skipped. check.py speaks the command line of wasmtime,
which ../wasmtime-as-wash translates. Prints TAP.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SHIM = HERE.parent / "wasmtime-as-wash"
CHECK_S = 900

# What check.py only notes down because the reference does not say it: a body that was cut must show as cut, a guest
# that ran out of time is told from one that failed, and an answer that was complete reaches the client.
NOTES = {
    "rogue /half": "INCOMPLETE first half",
    "rogue /unfinished": "INCOMPLETE and then",
    "rogue /overwrite": "INCOMPLETE",
    "rogue /orphan": "INCOMPLETE",
    "rogue /length?promise=20&send=10": "INCOMPLETE xxxxxxxxxx",
    "rogue /late-trap": r"(200, b'answered\n', 9)",
    "rogue /spin": "(504,",
    "rogue /spin-host": "(504,",
    "rogue /trap": "(500,",
    "rogue /exit": "(500,",
    "rogue /silent": "(500,",
    "rogue /leak?n=200000": "(500,",
    "rogue /forge": "(500,",
    "p2-fetch refused": "ConnectionRefused",
}
# Guests of interfaces that are not ours: refused before they run, by the names of what they lack.
REFUSED = {
    "p2-counter": ["wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/atomics@0.2.0-draft"],
    "p2-blobs": ["wasi:blobstore/blobstore@0.2.0-draft", "wasi:blobstore/container@0.2.0-draft"],
    "p2-worker": ["wasmcloud:messaging/consumer@0.2.0"],
    "p2-dispatch": ["wasmcloud:messaging/consumer@0.2.0"],
}


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def point(self, good, name, seen=""):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        if not good:
            print(f"# saw {seen!r:.900}")

    def end(self):
        print(f"1..{self.count}")
        sys.exit(self.failed > 0)


def run_check(tap, wash, guests):
    """check.py writes beside itself: it runs in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(guests / "check.py", folder)
        os.symlink(guests / "bin", os.path.join(folder, "bin"))
        process = subprocess.Popen([sys.executable, os.path.join(folder, "check.py")], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, start_new_session=True,
                                   env=dict(os.environ, WASH=str(wash), WASMTIME=str(SHIM)))
        try:
            text = process.communicate(timeout=CHECK_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            text = process.communicate()[0] + f"FAIL check.py   saw no end in {CHECK_S} s\n"
    notes = {}
    for line in text.splitlines():
        if line.startswith("ok   "):
            tap.point(True, line[5:])
        elif line.startswith("FAIL "):
            name, _, seen = line[5:].partition("   saw ")
            tap.point(False, name, seen)
        elif line.startswith("note "):
            name, _, seen = line[5:].partition(": ")
            notes[name] = seen
    tap.point(process.returncode == 0, "check.py ends well", text[-900:])
    for name, want in NOTES.items():
        tap.point(want in notes.get(name, ""), f"{name} is told as it is", notes.get(name, "no such note"))


class Serve:
    def __init__(self, wash, path):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([wash, "run", "--addr", "127.0.0.1:0", path], stdout=self.log,
                                        stderr=self.log)
        end = time.monotonic() + 120
        while not (found := re.search(r"serving on (\S+)", self.output())):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("wash does not serve: " + self.output())
            time.sleep(0.02)
        self.url = found[1]

    def output(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.status, answer.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def run_direct(tap, wash, guests):
    """What check.py leaves out: interfaces that the reference lacks, and one version of it that it dropped."""
    with Serve(wash, guests / "bin" / "p3-hello-rc.wasm") as server:
        answer = server.get("/")
        tap.point(answer[0] == 200 and answer[1].startswith(b"hello from p3"), "p3-hello-rc", answer)
    with Serve(wash, guests / "bin" / "p2-audit.wasm") as server:
        answer = server.get("/mark")
        lines = [line for line in server.output().splitlines() if line.endswith('context="audit" /mark')]
        tap.point(answer[0] == 200 and len(lines) == 4, "p2-audit logs what is not below `info`", (answer, lines))
    for name, lacking in REFUSED.items():
        done = subprocess.run([wash, "run", guests / "bin" / f"{name}.wasm"], capture_output=True, text=True,
                              timeout=120)
        tap.point(done.returncode == 1 and all(f"\n  {one}\n" in done.stderr for one in lacking),
                  f"{name} is refused by what it lacks", done.stderr)


def main():
    wash, guests = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not (guests / "check.py").exists():
        print(f"1..0 # SKIP there are no guests in {guests}")
        return
    tap = Tap()
    run_check(tap, wash, guests)
    run_direct(tap, wash, guests)
    tap.end()


main()
