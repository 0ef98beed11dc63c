#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of wasi-testsuite with `wash run`, each on a copy of its folder.

Usage: wasi_testsuite.py [--expect FILE] WASH SUITE [NAME...]
FILE has lines "FOLDER/NAME<TAB>fail|skip<TAB>REASON"; a test that is expected to fail and passes
is a failure too. Ends with "N passed, N failed, N skipped".
"""
import argparse
import http.client
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import adapter
from http_servers import start_servers

TIMEOUT_S = 30


class Wrong(Exception):
    pass


class Guest:
    """One run of a program: its process, its connections and where it listens."""

    def __init__(self, wash, program, spec, scratch, servers):
        self.wash, self.program, self.spec, self.scratch = wash, program, spec, scratch
        self.servers = servers
        self.process = None
        self.alarm = None
        self.address = None
        self.connections = {}
        # What it wrote to standard error is shown when it fails.
        self.notes = scratch / "stderr"

    def command(self, step):
        root = None
        if step.get("root"):
            root = self.scratch / "root"
            shutil.copytree(self.program.parent / step["root"], root, symlinks=True)
        given = (step.get("args", []), {**step.get("env", {}), **self.servers}, root)
        adapter.WASH = [str(pathlib.Path(self.wash).resolve())]
        return adapter.compute_argv(self.program.name, given, self.spec.get("proposals", []),
                                    self.spec.get("world", "wasi:cli/command"), None)

    def run(self, step):
        self.process = subprocess.Popen(
            self.command(step), cwd=self.program.parent, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=open(self.notes, "wb") if self.has_notes() else
            subprocess.PIPE)
        self.alarm = threading.Timer(TIMEOUT_S, self.process.kill)
        self.alarm.start()
        if self.spec.get("world") == "wasi:http/service":
            line = self.process.stderr.readline().decode()
            found = re.search(r"http://(\S+)", line)
            if not found:
                raise Wrong(f"no address in {line!r}")
            self.address = found.group(1)

    def has_notes(self):
        reads = any(s["type"] == "read" and s["id"] == "stderr" for s in steps_of(self.spec))
        return not reads and self.spec.get("world") != "wasi:http/service"

    def write(self, step):
        self.process.stdin.write(step["payload"].encode())
        self.process.stdin.flush()

    def read(self, step):
        wanted = step["payload"].encode()
        got = getattr(self.process, step["id"]).read(len(wanted))
        if got != wanted:
            raise Wrong(f"{step['id']} is {got[:200]!r}, not {wanted[:200]!r}")

    def connect(self, step):
        line = self.process.stdout.readline().decode().strip()
        host, _, port = line.rpartition(":")
        if not port.isdigit():
            raise Wrong(f"no address in {line!r}")
        self.connections[step["id"]] = socket.create_connection((host.strip("[]"), int(port)),
                                                                TIMEOUT_S)

    def send(self, step):
        self.connections[step["id"]].sendall(step["payload"].encode())

    def recv(self, step):
        wanted, got = step["payload"].encode(), b""
        while len(got) < len(wanted):
            part = self.connections[step["id"]].recv(len(wanted) - len(got))
            if not part:
                break
            got += part
        if got != wanted:
            raise Wrong(f"received {got[:200]!r}, not {wanted[:200]!r}")

    def request(self, step):
        wanted = step.get("response", {})
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT_S)
        body = step.get("body")
        connection.request(step.get("method", "GET"), step.get("path", "/"),
                           body.encode() if body is not None else None, step.get("headers", {}))
        response = connection.getresponse()
        got = response.read().decode(errors="replace")
        if response.status != wanted.get("status", 200):
            raise Wrong(f"status {response.status}, not {wanted.get('status', 200)}: {got[:200]}")
        for name, value in wanted.get("headers", {}).items():
            if value not in (response.msg.get_all(name) or []):
                raise Wrong(f"header {name} is {response.getheader(name)!r}, not {value!r}")
        if got != wanted.get("body", ""):
            raise Wrong(f"body is {got[:200]!r}, not {wanted.get('body', '')[:200]!r}")

    def kill(self, step):
        self.process.send_signal(getattr(signal, step["signal"]))

    def wait(self, step):
        wanted = step.get("exit_code", 0)
        for connection in self.connections.values():
            connection.close()
        self.process.communicate()
        if self.process.returncode != wanted:
            raise Wrong(f"exit code {self.process.returncode}, not {wanted}")

    def end(self):
        for connection in self.connections.values():
            connection.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.alarm.cancel()
            self.process.communicate()


def steps_of(spec):
    """The steps of a test of either style."""
    if "operations" in spec:
        return spec["operations"]
    steps = [{"type": "run", **spec}]
    for stream in ("stdout", "stderr"):
        if stream in spec:
            steps.append({"type": "read", "id": stream, "payload": spec[stream]})
    return steps + [{"type": "wait", "exit_code": spec.get("exit_code", 0)}]


def run(wash, program, spec, scratch):
    """None, or what went wrong."""
    with start_servers(spec.get("servers", [])) as servers:
        guest = Guest(wash, program, spec, scratch, servers)
        try:
            for step in steps_of(spec):
                getattr(guest, step["type"])(step)
        except (Wrong, OSError, http.client.HTTPException) as wrong:
            guest.end()
            notes = guest.notes.read_text(errors="replace") if guest.notes.exists() else ""
            return f"{wrong}: {notes[:300]}"
        finally:
            guest.end()
    return None


def expectations(path):
    table = {}
    for line in path.read_text().splitlines() if path else []:
        if line and not line.startswith("#"):
            name, verdict, reason = line.split("\t")
            table[name] = (verdict, reason)
    return table


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--expect", type=pathlib.Path)
    args.add_argument("wash")
    args.add_argument("suite", type=pathlib.Path)
    args.add_argument("names", nargs="*")
    args = args.parse_args()
    expected = expectations(args.expect)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    seen = set()
    for program in sorted(args.suite.glob("**/*.wasm")):
        name = str(program.relative_to(args.suite).with_suffix(""))
        if args.names and name not in args.names:
            continue
        seen.add(name)
        verdict, reason = expected.get(name, ("pass", ""))
        path = program.with_suffix(".json")
        spec = json.loads(path.read_text()) if path.exists() else {}
        if verdict == "skip":
            print(f"# skipped {name}: {reason}")
            counts["skipped"] += 1
            continue
        with tempfile.TemporaryDirectory() as scratch:
            wrong = run(args.wash, program, spec, pathlib.Path(scratch))
        if wrong and verdict != "fail":
            print(f"FAILED {name}: {wrong}")
        if not wrong and verdict == "fail":
            print(f"FAILED {name}: passes, but is expected to fail ({reason})")
        counts["passed" if bool(wrong) == (verdict == "fail") else "failed"] += 1
    for name in set(expected) - seen if not args.names else ():
        print(f"FAILED {name}: is expected, but is not in the suite")
        counts["failed"] += 1
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
