#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wash inspect --validate`, and `-W` of the commands that take components."""
import os

from wash import FIXTURES, contains, equal, main, run

ADDER = os.path.join(FIXTURES, "adder.wasm")
ASYNC = os.path.join(FIXTURES, "async.wasm")
BAD = os.path.join(FIXTURES, "bad", "lift-signature.wasm")
NEEDS_ASYNC = (b"byte 0xd (type 0, type 0): an async function type requires the feature "
               b"component-model-async, which is off")


def test_valid_files():
    equal(run("inspect", "--validate", ADDER, ASYNC)[:2],
          (0, f"{ADDER}: ok\n{ASYNC}: ok\n".encode()))


def test_each_file_has_a_line():
    missing = os.path.join(FIXTURES, "none.wasm")
    code, out, _ = run("inspect", "--validate", BAD, missing, ADDER)
    equal(code, 1)
    lines = out.decode().splitlines()
    equal(len(lines), 3)
    equal(lines[0], f"{BAD}: error: component: byte 0x48 (canonical definition `lift`): "
                    "lowered result types `i` do not match result types `I`")
    contains(lines[1], "No such file or directory")
    equal(lines[2], f"{ADDER}: ok")


def test_features_of_inspect():
    for value in ("n", "no", "false"):
        code, out, _ = run("inspect", "--validate", "-W", "component-model-async=" + value, ASYNC)
        equal(code, 1)
        contains(out, NEEDS_ASYNC)
    several = "component-model-async=n,component-model-map=n,component-model-async"
    equal(run("inspect", "--validate", "-W", several, ASYNC)[0], 0)
    equal(run("inspect", "--validate", "-W", "component-model-async=n", "-W",
              "component-model-async=y", ASYNC)[0], 0)


def test_features_of_run():
    code, _, err = run("run", "-W", "component-model-async=n", ASYNC)
    equal(code, 1)
    contains(err.encode(), NEEDS_ASYNC)
    equal(run("run", "-W", "component-model-map=n", ADDER, "--invoke", "add(40, 2)")[0],
          run("run", ADDER, "--invoke", "add(40, 2)")[0])


def test_invalid_components_do_not_run():
    code, _, err = run("run", BAD)
    equal(code, 1)
    contains(err, "lowered result types `i` do not match result types `I`")


def test_unknown_features():
    for command in (("inspect", "--validate"), ("run",)):
        code, out, err = run(*command, "-W", "magic", ADDER)
        equal(code, 1)
        contains(out.decode() + err, "`-W magic`: no such feature; `-W help` lists them")
        code, out, err = run(*command, "-W", "exceptions=perhaps", ADDER)
        equal(code, 1)
        contains(out.decode() + err, "expected NAME, NAME=y or NAME=n")


def test_list_of_features():
    for command in ("inspect", "run"):
        code, out, _ = run(command, "-W", "help")
        equal(code, 0)
        contains(out, b"-W component-model-async ")
        contains(out, b"-W shared-everything-threads              default: n\n")


main([v for k, v in list(globals().items()) if k.startswith("test_")])
