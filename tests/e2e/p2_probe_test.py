#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""WASI 0.2: what `p2-probe` and, by the adapter of WASI 0.1, `p2-adapted` ask and try, against
what they must be answered.

`p2_probe_test.py --write` writes down what they are answered now.
"""
import difflib
import os
import subprocess
import sys
import tempfile

from wash import FIXTURES, WASH, environment, guest, main

ANSWERS = os.path.join(FIXTURES, "p2-probe")
ADAPTED_ANSWERS = os.path.join(FIXTURES, "p2-adapted")
EXIT_TRAP = 134


def ask(*args):
    with tempfile.TemporaryDirectory() as root:
        done = subprocess.run([WASH, "run", "--inherit-network", "--dir", f"{root}::/",
                               guest("p2-probe"), "--", *args],
                              capture_output=True, timeout=120, env=environment(), check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


def check(name, got, answers=ANSWERS):
    path = os.path.join(answers, name + ".txt")
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


def run_adapted(top, *args, options=(), **streams):
    """In a fresh folder beside `outside`, with a second one, `/ro`, that may only be read."""
    root, outside, kept = (os.path.join(top, name) for name in ("root", "outside", "kept"))
    for path in (root, outside, os.path.join(kept, "dir")):
        os.makedirs(path)
    with open(os.path.join(kept, "file"), "w", encoding="utf-8") as file:
        file.write("content")
    os.symlink("file", os.path.join(kept, "link"))
    done = subprocess.run([WASH, "run", *options, "--dir", f"{root}::/", "--dir", f"{kept}::/ro:ro",
                           guest("p2-adapted"), "--", *args],
                          stderr=subprocess.PIPE, timeout=300, env=environment(), check=False,
                          **streams)
    assert os.listdir(outside) == [], "it left its folder"
    assert sorted(os.listdir(kept)) == ["dir", "file", "link"], "it changed what is read only"
    return done


def adapted(name, *args, options=(), given=b""):
    with tempfile.TemporaryDirectory() as top:
        done = run_adapted(top, name, *args, options=options, input=given, stdout=subprocess.PIPE)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]!r}"
    check(name, done.stdout.decode(), ADAPTED_ANSWERS)


def test_adapted_opening():
    adapted("opening")


def test_adapted_paths():
    adapted("paths")


def test_adapted_files():
    adapted("files")


def test_adapted_directories():
    adapted("dirs")


def test_adapted_descriptors():
    adapted("fds")


def test_adapted_read_only():
    adapted("read-only")


def test_adapted_polls():
    adapted("polls")


def test_adapted_clocks_and_arguments():
    options = [word for pair in ("A=", "B=x=y", "C=\u00fc") for word in ("--env", pair)]
    adapted("clocks", "", "a b", "\n", "\u00fc", "--x", options=options)


def test_adapted_standard_streams():
    adapted("stdio", given=b"hello world")


def test_adapted_output_that_fails():
    with open("/dev/full", "wb") as full, tempfile.TemporaryDirectory() as top:
        done = run_adapted(top, "flood", stdin=subprocess.DEVNULL, stdout=full)
    assert (done.returncode, done.stderr) == (0, b"Some(nospc)\n"), done
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as gone, tempfile.TemporaryDirectory() as top:
        done = run_adapted(top, "flood", stdin=subprocess.DEVNULL, stdout=gone)
    assert (done.returncode, done.stderr) == (0, b"Some(pipe)\n"), done


def test_adapted_exit():
    for code, want in (("0", 0), ("1", 1), ("255", 1)):
        with tempfile.TemporaryDirectory() as top:
            done = run_adapted(top, "exit", code, stdin=subprocess.DEVNULL)
        assert done.returncode == want, (code, done)


if "--write" in sys.argv:
    sys.argv = [sys.argv[0], "answers", "traps", "adapted", "--write"]
main([v for k, v in list(globals().items()) if k.startswith("test_")])
