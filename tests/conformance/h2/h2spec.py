#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs h2spec against h2-serve, in the clear and over TLS, and prints its verdicts: TAP with --tap, else what fails and the totals.

h2spec is the one that $H2SPEC names, or in the PATH, or in the build cache; --fetch puts it there with `go install`.
Without it the run is skipped.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

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


def certificate(folder):
    files = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-out",
                    files[0], "-keyout", files[1], "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
    return files


def run(h2spec, server, tls):
    """Tests, passed, skipped, failed; and what h2spec printed."""
    with subprocess.Popen([server, "127.0.0.1:0", *tls], stdout=subprocess.PIPE, text=True) as serve:
        try:
            host, port = serve.stdout.readline().strip().rsplit(":", 1)
            done = subprocess.run([h2spec, "-h", host, "-p", port, "-o", "5", *(["-t", "-k"] if tls else [])],
                                  capture_output=True, text=True, timeout=600)
        finally:
            serve.terminate()
        code = serve.wait(30)
    assert code == 0, f"the server ended with {code}"
    totals = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    if not totals:
        print(done.stdout, file=sys.stderr)
        sys.exit("h2spec ended without totals")
    return list(map(int, totals.groups())), done.stdout


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
    if args.tap:
        print("1..2", flush=True)
    sums = [0, 0, 0, 0]
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, tls) in enumerate((("in the clear", []), ("over TLS", certificate(folder))), 1):
            counts, out = run(h2spec, args.server, tls)
            tests, passed, skipped, failed = counts
            sums = [a + b for a, b in zip(sums, counts)]
            if failed:
                print("".join(f"# {line}\n" for line in out.split("Failures:", 1)[-1].splitlines()), end="")
            if args.tap:
                print(f"{'not ' if failed else ''}ok {number} - h2spec {name}: {passed} of {tests} passed, "
                      f"{skipped} skipped", flush=True)
    if not args.tap:
        print(f"{sums[1]} passed, {sums[3]} failed, {sums[2]} skipped")
    sys.exit(sums[3] > 0)


main()
