#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wash build` and `wash dev` in a project folder. The "compiler" is a shell script that copies components, so
that no guest toolchain is needed."""
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from wash import WASH, contains, environment, equal, free_port, guest, main, run

CONFIG = """\
build:
  command: ./build.sh
  component_path: out.wasm
dev:
  address: 127.0.0.1:{port}
"""
# The source names the guest to "compile".
BUILD = """\
#!/bin/sh
name=$(cat source.txt)
echo "compiling $name" >&2
[ -e "{guests}/$name.wasm" ] || {{ echo "error: no such guest: $name" >&2; exit 1; }}
cp "{guests}/$name.wasm" out.wasm.new && mv out.wasm.new out.wasm
"""


class Project:
    def __init__(self, source="p2-hello"):
        self.dir = tempfile.mkdtemp(prefix="wash-dev-")
        self.port = free_port()
        os.mkdir(os.path.join(self.dir, ".wash"))
        self.write(".wash/config.yaml", CONFIG.format(port=self.port))
        self.write("build.sh", BUILD.format(guests=os.path.dirname(guest("x"))))
        os.chmod(os.path.join(self.dir, "build.sh"), 0o755)
        self.write("source.txt", source)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)


class Dev:
    def __init__(self, project):
        self.project = project
        self.log = tempfile.TemporaryFile()
        self.proc = subprocess.Popen([WASH, "-C", project.dir, "dev"], stdout=self.log, stderr=self.log,
                                     env=environment())

    def output(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def ask(self):
        c = http.client.HTTPConnection("127.0.0.1", self.project.port, timeout=30)
        try:
            c.request("GET", "/")
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def wait_for(self, words, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.proc.poll() is None:
            if words in self.output():
                return
            time.sleep(0.02)
        raise AssertionError(f"no {words!r} in: {self.output()}")

    def wait_for_answer(self, body, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.ask() == (200, body):
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"no answer {body!r}: {self.output()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGINT)
        code = self.proc.wait(60)
        assert code == 0, f"wash dev ended with {code}: {self.output()}"


def test_build_runs_the_command_and_names_the_component():
    with Project() as project:
        code, out, _ = run("-C", project.dir, "build")
        equal(code, 0)
        contains(out, b"Successfully built component at: ")
        assert os.path.exists(os.path.join(project.dir, "out.wasm"))
        project.write("source.txt", "nothing")
        code, out, err = run("-C", project.dir, "build")
        equal(code, 1)
        contains(out.decode() + err, "build command './build.sh' failed")


def test_project_without_a_command_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        code, out, err = run("-C", folder, "dev")
        equal(code, 1)
        contains(out.decode() + err, "build.command is required in wash config")


def test_dev_swaps_the_component_without_failing_a_request():
    with Project() as project, Dev(project) as dev:
        dev.wait_for_answer(b"hello from p2\n")
        answers, stop = [], threading.Event()

        def ask_all_the_time():
            while not stop.is_set():
                answers.append(dev.ask())

        asking = threading.Thread(target=ask_all_the_time)
        asking.start()
        project.write("source.txt", "c-p2-hello")
        dev.wait_for_answer(b"hello from c p2\n")
        time.sleep(0.2)
        stop.set()
        asking.join()
        equal({status for status, _ in answers}, {200})
        equal({body for _, body in answers}, {b"hello from p2\n", b"hello from c p2\n"})


def test_dev_keeps_serving_when_a_build_fails():
    with Project() as project, Dev(project) as dev:
        dev.wait_for_answer(b"hello from p2\n")
        project.write("source.txt", "broken")
        dev.wait_for("error: no such guest: broken")
        dev.wait_for("the component built before keeps serving")
        equal(dev.ask(), (200, b"hello from p2\n"))
        project.write("source.txt", "c-p2-hello")
        dev.wait_for_answer(b"hello from c p2\n")


def test_dev_waits_for_a_fix_when_the_first_build_fails():
    with Project("broken") as project, Dev(project) as dev:
        dev.wait_for("waiting for a change of the sources")
        equal(dev.ask()[0], 404)
        project.write("source.txt", "p2-hello")
        dev.wait_for_answer(b"hello from p2\n")


main([v for k, v in list(globals().items()) if k.startswith("test_")])
