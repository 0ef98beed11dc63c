#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wasi:filesystem, wasi:sockets and the fields of wasi:http 0.3: what `p3-probe` tries, against
what it must be answered.

`p3_probe_test.py --write` writes down what it is answered now.
"""
import difflib
import os
import socket
import subprocess
import sys
import tempfile

from wash import FIXTURES, Skip, WASH, environment, guest, main

ANSWERS = os.path.join(FIXTURES, "p3-probe")


def ask(what, *options):
    done = subprocess.run([WASH, "run", *options, guest("p3-probe"), "--", what],
                          capture_output=True, timeout=300, env=environment(), check=False)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    return done.stdout.decode()


def check(what, *options):
    got, path = ask(what, *options), os.path.join(ANSWERS, what + ".txt")
    if "--write" in sys.argv:
        with open(path, "w", encoding="utf-8") as file:
            file.write(got)
    with open(path, encoding="utf-8") as file:
        want = file.read()
    lines = difflib.unified_diff(want.splitlines(), got.splitlines(), "wanted", "got", lineterm="")
    assert got == want, "\n".join(list(lines)[:40])


def need_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError as why:
        raise Skip(f"no IPv6: {why}") from why


def test_filesystem():
    with tempfile.TemporaryDirectory() as top:
        root = os.path.join(top, "root")
        os.mkdir(root)
        os.mkdir(os.path.join(top, "outside"))
        os.symlink("/etc", os.path.join(root, "absolute"))
        check("fs", "--dir", f"{root}::/", "--dir", f"{root}::/ro:ro")
        assert os.listdir(os.path.join(top, "outside")) == [], "it left its folder"


def test_fields():
    check("fields")


def test_tcp():
    need_ipv6()
    check("tcp", "--inherit-network")


def test_udp():
    need_ipv6()
    check("udp", "--inherit-network")


def test_names():
    check("names", "--inherit-network")


def test_sockets_are_refused_without_a_rule():
    answers = dict(line.split(": ", 1) for line in ask("names").splitlines())
    assert answers["localhost"] == "Err(ErrorCode::AccessDenied)", answers


if "--write" in sys.argv:
    sys.argv = [sys.argv[0], "filesystem", "fields", "tcp", "udp", "names", "--write"]
main([v for k, v in list(globals().items()) if k.startswith("test_")])
