#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of wasi-testsuite with `wash run`, each on a copy of its folder.

Usage: wasi_testsuite.py [--expect FILE] WASH SUITE [NAME...]
FILE has lines "FOLDER/NAME<TAB>fail|skip<TAB>REASON"; a test that is expected to fail and passes
is a failure too. Ends with "N passed, N failed, N skipped".
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

TIMEOUT_S = 30
STEPS = {"run", "read", "write", "wait"}


def operations(spec):
    """The steps of a test of either style, or the reason why it can't be run here."""
    if spec.get("world", "wasi:cli/command") != "wasi:cli/command" or spec.get("servers"):
        return None, "needs an HTTP server or client beside it"
    steps = spec.get("operations")
    if steps is None:
        steps = [{"type": "run", **spec}]
        for stream in ("stdout", "stderr"):
            if stream in spec:
                steps.append({"type": "read", "id": stream, "payload": spec[stream]})
        steps.append({"type": "wait", "exit_code": spec.get("exit_code", 0)})
    for step in steps:
        if step["type"] not in STEPS:
            return None, f"needs the step {step['type']}"
    return steps, None


def command(wash, program, step, spec, scratch):
    words = [str(pathlib.Path(wash).resolve()), "run"]
    if "sockets" in spec.get("proposals", []):
        words.append("--inherit-network")
    for name, value in step.get("env", {}).items():
        words += ["--env", f"{name}={value}"]
    if step.get("root"):
        root = scratch / "root"
        shutil.copytree(program.parent / step["root"], root, symlinks=True)
        words += ["--dir", f"{root}::/"]
    return words + [program.name, "--"] + step.get("args", [])


def run(wash, program, spec, steps, scratch):
    """None, or what went wrong."""
    first = steps[0] if steps and steps[0]["type"] == "run" else {"type": "run"}
    given = b"".join(s["payload"].encode() for s in steps if s["type"] == "write")
    try:
        done = subprocess.run(command(wash, program, first, spec, scratch), input=given,
                              capture_output=True, cwd=program.parent, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return "time is up"
    for stream in ("stdout", "stderr"):
        wanted = "".join(s["payload"] for s in steps if s["type"] == "read" and s["id"] == stream)
        got = getattr(done, stream).decode(errors="replace")
        if not got.startswith(wanted):
            return f"{stream} is {got[:200]!r}, not {wanted[:200]!r}"
    wanted = next((s.get("exit_code", 0) for s in steps if s["type"] == "wait"), 0)
    if done.returncode != wanted:
        return f"exit code {done.returncode}, not {wanted}: {done.stderr.decode(errors='replace')[:300]}"
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
        steps, missing = operations(spec)
        if missing or verdict == "skip":
            print(f"# skipped {name}: {missing or reason}")
            counts["skipped"] += 1
            continue
        with tempfile.TemporaryDirectory() as scratch:
            wrong = run(args.wash, program, spec, steps or [], pathlib.Path(scratch))
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


sys.exit(main())
