#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Settings that guests read through wasi:config, and what they log through wasi:logging, under `wash run` and
`wash dev`."""
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

from wash import (WASH, Server, contains, environment, equal, free_port, guest, main, run)


def test_settings_of_the_command_line():
    with Server(guest("p2-settings"), "--config", "color=red", "--config", "color=blue", "--config",
                "empty=", "--config", "formula=a=b") as server:
        equal(server.ask("/color")[:2], (200, b"blue"))
        equal(server.ask("/empty")[:2], (200, b""))
        equal(server.ask("/none")[0], 404)
        equal(server.ask("/")[1], b"color=blue\nempty=\nformula=a=b\n")


def test_the_environment_is_among_the_settings():
    with Server(guest("p2-settings"), "--config", "color=red", "--config", "size=3", "--env", "color=green") as server:
        equal(server.ask("/")[1], b"color=green\nsize=3\n")


def test_files_of_settings():
    with tempfile.NamedTemporaryFile("w") as one, tempfile.NamedTemporaryFile("w") as two:
        one.write("# colours\n color = red \r\n\nshape=\"round\"\nlast=line")
        two.write("color=blue\n")
        one.flush()
        two.flush()
        with Server(guest("p2-settings"), "--config-file", one.name, "--config-file", two.name, "--config",
                    "last=word") as server:
            equal(server.ask("/")[1], b"color=blue\nlast=word\nshape=\"round\"\n")


def test_mistakes_are_told_without_values():
    code, _, errors = run("run", "--config", "color", guest("p2-settings"))
    equal(code, 1)
    contains(errors, "`--config color`: expected NAME=VALUE")
    for text, words in ((b"a=1\nhidden\n", "line 2 is not KEY=VALUE in "), (b" = hidden\n", "line 1 has empty key in "),
                        (b"a=hidden\xff\n", " is not UTF-8")):
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            code, _, errors = run("run", "--config-file", file.name, guest("p2-settings"))
            equal(code, 1)
            contains(errors, words)
            assert "hidden" not in errors, errors
    code, _, errors = run("run", "--config-file", "/nowhere/file", guest("p2-settings"))
    equal(code, 1)
    contains(errors, "/nowhere/file: No such file")


def test_log_lines():
    with Server(guest("p2-audit")) as server:
        equal(server.ask("/mark")[0], 200)
        lines = [line.split(None, 1)[1].strip() for line in server.output().splitlines() if "/mark" in line]
    name = guest("p2-audit")
    equal(lines, [f'{level} workload="{name}" {extra}context="audit" /mark' for level, extra in (
        ("info", ""), ("warn", ""), ("error", ""), ("error", "severity=critical "))])


class Project:
    """A project whose component is a guest of ours, served by `wash dev`."""

    def __init__(self, config, name="p2-settings", files=()):
        self.dir = tempfile.mkdtemp(prefix="wash-config-")
        self.port = free_port()
        os.mkdir(os.path.join(self.dir, ".wash"))
        shutil.copy(guest(name), os.path.join(self.dir, "out.wasm"))
        for path, text, mode in files:
            path = os.path.join(self.dir, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, mode)
        with open(os.path.join(self.dir, ".wash", "config.yaml"), "w") as file:
            file.write("build:\n  command: 'true'\n  component_path: out.wasm\n" + config.format(port=self.port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def settings(self):
        """What the guest sees under `wash dev`, and what that said."""
        with tempfile.TemporaryFile() as log:
            proc = subprocess.Popen([WASH, "-C", self.dir, "dev"], stdout=log, stderr=log,
                                    env=environment(FROM_OUTSIDE="outside"))
            try:
                text = lambda: os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace")
                end = time.monotonic() + 120
                while "listening for HTTP requests" not in text():
                    if proc.poll() is not None or time.monotonic() > end:
                        return None, text()
                    time.sleep(0.02)
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=60) as answer:
                    return answer.read().decode(), text()
            finally:
                proc.terminate()
                proc.wait(30)


def test_configuration_of_a_project():
    config = """\
dev:
  address: 127.0.0.1:{port}
  environment: {{ EXPORTED: by-wash }}
  host_interfaces:
    - {{ namespace: wasi, package: config, interfaces: [store], config: {{ a: interface, b: interface }} }}
workload:
  config: {{ b: workload, c: workload, d: workload }}
  environment:
    config: {{ c: inline, e: inline, f: inline }}
    configFrom: [first, second]
    secretFrom: [hidden]
configs:
  first:
    inline: {{ e: first, g: first, h: first }}
    file: values.env
    fromEnv: [FROM_OUTSIDE, EXPORTED]
  second:
    inline: {{ g: second }}
    dir: values
secrets:
  hidden:
    file: secret.env
"""
    files = [("values.env", "h=file\ni = file\n", 0o644), ("secret.env", "i=secret\n", 0o600),
             ("values/j", "raw \n", 0o644), ("values/.skipped", "x", 0o644), ("values/deeper/k", "x", 0o644)]
    with Project(config, files=files) as project:
        settings, log = project.settings()
        equal(settings, "EXPORTED=by-wash\nFROM_OUTSIDE=outside\na=interface\nb=workload\nc=inline\nd=workload\n"
              "e=first\nf=inline\ng=second\nh=file\ni=secret\nj=raw \n\n")
        contains(log, "secret.env is inside the project and not ignored by git")


def refused(sources, words, files=(), link=None):
    config = """\
dev: {{ address: "127.0.0.1:{port}" }}
workload:
  environment: {{ configFrom: [one], secretFrom: [two] }}
""" + sources
    with Project(config, files=files) as project:
        if link:
            os.symlink(link[1], os.path.join(project.dir, link[0]))
        settings, log = project.settings()
        equal(settings, None)
        contains(log, "failed to resolve workload-level configuration: failed to resolve workload environment.")
        contains(log, words)
        assert "hushed" not in log, log


def test_sources_that_cannot_be_used_are_told():
    refused("", "configFrom: workload references config 'one' which is not defined in the top-level `configs:` block")
    one = "configs: {{ one: {{ inline: {{ a: b }} }} }}\n"
    refused(one, "secretFrom: workload references secret 'two' which is not defined in the top-level `secrets:` block")
    refused("configs: {{ one: {{ fromEnv: [NOT_SET_ANYWHERE] }} }}\n",
            "config source 'one' references environment variable 'NOT_SET_ANYWHERE' which is not set")
    refused("configs: {{ one: {{ file: missing.env }} }}\n", "could not resolve `file:` path: ")
    refused("configs: {{ one: {{ file: ../../etc/passwd }} }}\n",
            "path resolves outside the project directory: ../../etc/passwd -> /etc/passwd")
    refused("configs: {{ one: {{ file: bad.env }} }}\n",
            "failed to parse `file:` for config source 'one': line 1 is not KEY=VALUE in ",
            files=[("bad.env", "hushed\n", 0o644)])
    refused(one + "secrets: {{ two: {{ file: open.env }} }}\n",
            "secret source 'two' file permissions are too permissive: secret file ",
            files=[("open.env", "a=hushed\n", 0o644)])


def test_sources_stay_in_the_project():
    with tempfile.NamedTemporaryFile("w", suffix=".env") as outside:
        outside.write("a=hushed\n")
        outside.flush()
        refused("configs: {{ one: {{ file: link.env }} }}\n",
                "config source 'one' has an unsafe `file:` path: relative `file:` path resolves outside the project "
                "directory: link.env -> " + os.path.realpath(outside.name), link=("link.env", outside.name))


main([value for name, value in list(globals().items()) if name.startswith("test_")])
