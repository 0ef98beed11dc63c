#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""WASI 0.2: what `p2-probe` asks and tries, against what it must be answered.

`p2_probe_test.py --write` writes down what it is answered now.
"""
import difflib
import os
import subprocess
import sys
import tempfile

from wash import FIXTURES, WASH, environment, guest, main

ANSWERS = os.path.join(FIXTURES, "p2-probe")
EXIT_TRAP = 134


def ask(*args):
    with tempfile.TemporaryDirectory() as root:
        done = subprocess.run([WASH, "run", "--inherit-network", "--dir", f"{root}::/",
                               guest("p2-probe"), "--", *args],
                              capture_output=True, timeout=120, env=environment(), check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


def check(name, got):
    path = os.path.join(ANSWERS, name + ".txt")
    if "--write" in sys.argv:
        with open(path, "w", encoding="utf-8") as file:
            file.write(got)
    with open(path, encoding="utf-8") as file:
        want = file.read()
    lines = difflib.unified_diff(want.splitlines(), got.splitlines(), "wanted", "got", lineterm="")
    assert got == want, "\n".join(list(lines)[:40])


def test_answers():
    code, answers, log = ask("answers")
    assert code == 0, f"{code}: {log[-2000:]}"
    check("answers", answers)


def test_traps():
    outcomes = ""
    for name in ask("traps")[1].splitlines():
        code, _, log = ask("trap", name)
        assert code in (0, EXIT_TRAP), f"{name}: {code}: {log[-2000:]}"
        reason = log.splitlines()[0].removeprefix("wash: the guest trapped: ") if code else "fine"
        outcomes += f"{name}: {reason}\n"
    check("traps", outcomes)


if "--write" in sys.argv:
    sys.argv = [sys.argv[0], "answers", "traps", "--write"]
main([v for k, v in list(globals().items()) if k.startswith("test_")])
