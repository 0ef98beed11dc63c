#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wash component new`: components of core modules, run."""
import os
import tempfile

from wash import FIXTURES, contains, equal, main, run

PARTS = os.path.join(FIXTURES, "componentize")


def new(module, *options):
    """The component made of a fixture, in a file that the caller removes."""
    out = tempfile.mktemp(suffix=".wasm")
    result = run("component", "new", os.path.join(PARTS, module), "-o", out, *options)
    return result, out


def test_exports_are_called():
    result, out = new("echo.wasm")
    equal(result[0], 0)
    equal(run("run", out, "--invoke", "add(40, 2)")[1], b"42\n")
    equal(run("run", out, "--invoke", 'shout("quiet")')[1], b'"QUIET"\n')
    os.remove(out)


def test_wasi_0_1_command():
    result, out = new("p1.wasm")
    equal(result[0], 0)
    result = run("run", out)
    equal(result[:2], (0, b"hello from WASI 0.1\n"))
    contains(run("inspect", out)[1], b"export wasi:cli/run@0.2.12;")
    os.remove(out)


def test_adapter_of_the_caller():
    result, out = new("ping.wasm", "--adapt", os.path.join(PARTS, "old.wasm"))
    equal(result[0], 0)
    contains(run("inspect", out)[1], b"import test:parts/host@0.1.0;")
    os.remove(out)


def test_messages():
    result, out = new("ping.wasm")
    equal(result[0], 1)
    contains(result[1], b"import `ping` of `old`: the world imports no such interface")
    result, out = new("none.wasm")
    contains(result[1], b"none.wasm: No such file or directory")
    result, out = new("../adder.wasm")
    contains(result[1], b"this is a component already")
    equal(run("component", "old")[0], 2)


main([v for k, v in list(globals().items()) if k.startswith("test_")])
