#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs h2spec against h2-serve and prints its verdicts: TAP with --tap, else what fails and the totals.

h2spec is the one that $H2SPEC names, or in the PATH, or in the build cache; --fetch puts it there with `go install`.
Without it the run is skipped.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
CACHE = os.environ.get("WASH_BUILD_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "wash-build")


def find_h2spec(fetch):
    cached = os.path.join(CACHE, "h2spec")
    for candidate in [os.environ.get("H2SPEC"), shutil.which("h2spec"), cached]:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    if not fetch or not shutil.which("go"):
        return None
    os.makedirs(CACHE, exist_ok=True)
    subprocess.run(["go", "install", MODULE], env=dict(os.environ, GOBIN=CACHE), capture_output=True)
    return cached if os.access(cached, os.X_OK) else None


def skip(reason, tap):
    print(f"1..0 # SKIP {reason}" if tap else f"# h2spec is skipped: {reason}\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)


def run(h2spec, server):
    with subprocess.Popen([server, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as serve:
        try:
            host, port = serve.stdout.readline().strip().rsplit(":", 1)
            done = subprocess.run([h2spec, "-h", host, "-p", port, "-o", "5"], capture_output=True, text=True,
                                  timeout=600)
        finally:
            serve.terminate()
        code = serve.wait(30)
    assert code == 0, f"the server ended with {code}"
    return done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tap", action="store_true")
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("server")
    args = parser.parse_args()
    h2spec = find_h2spec(args.fetch)
    if not h2spec:
        skip("there is no h2spec in the PATH, and go does not install it" if args.fetch else
             "there is no h2spec; tests/conformance/h2/h2spec.py --fetch installs it", args.tap)
    out = run(h2spec, args.server)
    totals = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", out)
    if not totals:
        print(out, file=sys.stderr)
        sys.exit("h2spec ended without totals")
    tests, passed, skipped, failed = map(int, totals.groups())
    if failed:
        print("".join(f"# {line}\n" for line in out.split("Failures:", 1)[-1].splitlines()), end="")
    if args.tap:
        print(f"1..1\n{'not ' if failed else ''}ok 1 - h2spec: {passed} of {tests} passed, {skipped} skipped")
    else:
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)


main()
