# SPDX-License-Identifier: Apache-2.0
"""How a program of wasi-testsuite is run with wash: the adapter that the suite's own runner loads,
and wasi_testsuite.py as well. WASH is the program, `wash` unless set."""
import os
import shlex
import subprocess

WASH = shlex.split(os.environ.get("WASH", "wash"))


def get_name():
    return "wash"


def get_version():
    done = subprocess.run(WASH + ["--version"], capture_output=True, check=True, encoding="utf-8")
    return done.stdout.split()[-1]


def get_wasi_versions():
    return ["wasm32-wasip3"]


def get_wasi_worlds():
    return ["wasi:cli/command", "wasi:http/service"]


def compute_argv(test_path, args_env_root, proposals, wasi_world, _wasi_version):
    args, env, root = args_env_root
    argv = WASH + ["run"]
    if "sockets" in proposals:
        argv.append("--inherit-network")
    if "http" in proposals:
        argv += ["--allow-host", "*", "--allow-host", "127.0.0.1"]
    if wasi_world == "wasi:http/service":
        argv += ["--addr", "127.0.0.1:0"]
    for name, value in env.items():
        argv += ["--env", f"{name}={value}"]
    if root:
        argv += ["--dir", f"{root}::/"]
    return argv + [str(test_path), "--"] + list(args)
