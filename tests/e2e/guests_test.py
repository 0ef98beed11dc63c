#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Components of ordinary toolchains under `wash run`."""
import http.server
import json
import os
import subprocess
import tempfile
import threading
import time

from wash import FIXTURES, SANITIZED, Server, WASH, contains, environment, equal, guest, main, run


def test_hello_in_rust():
    with Server(guest("p2-hello")) as server:
        status, body, head = server.ask()
        equal((status, body, head["content-type"]), (200, b"hello from p2\n", "text/plain"))


def test_hello_in_c():
    with Server(guest("c-p2-hello")) as server:
        equal(server.ask()[:2], (200, b"hello from c p2\n"))


def test_many_requests_leave_nothing_behind():
    with Server(guest("p2-hello"), "--workers", "1") as server:
        for _ in range(50):
            server.ask()
        descriptors, rss = server.descriptors(), server.rss_kb()
        for _ in range(1000):
            equal(server.ask()[0], 200)
        equal(server.descriptors(), descriptors)
        if not SANITIZED:  # AddressSanitizer keeps freed memory for a while
            assert server.rss_kb() < rss + 2048, (rss, server.rss_kb())


def test_echo_of_bodies():
    blob = os.urandom(1 << 20)
    with Server(guest("p2-echo")) as server:
        for path in ("/", "/splice"):
            status, body, head = server.ask(path, "POST", blob, {"x-mark": "7"})
            equal((status, head.get("x-mark")), (200, "7"))
            assert body == blob, f"{path}: {len(body)} bytes differ"
        equal(server.ask("/", "POST", b"")[:2], (200, b""))
        parts = iter([b"one,", b"two,", b"three"])
        equal(server.ask("/", "POST", parts)[:2], (200, b"one,two,three"))


def test_echo_of_trailers():
    request = (b"POST %s HTTP/1.1\r\nhost: x\r\nte: trailers\r\ntrailer: x-t\r\ntransfer-encoding: chunked\r\n"
               b"connection: close\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n")
    with Server(guest("p2-echo")) as server:
        for path in (b"/", b"/splice"):
            answer = server.raw(request % path)
            assert answer.endswith(b"3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"), answer


def test_expect_100_continue():
    with Server(guest("p2-echo")) as server, server.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n"
                     b"connection: close\r\n\r\n")
        sock.settimeout(10)
        answer = sock.recv(1000)
        assert answer.startswith(b"HTTP/1.1 100 "), answer
        sock.sendall(b"abc")
        answer += b"".join(iter(lambda: sock.recv(65536), b""))
        assert b"HTTP/1.1 200 " in answer and b"abc" in answer, answer


def test_slow_reader_does_not_make_the_server_buffer():
    with Server(guest("p2-rogue"), "--workers", "1") as server, server.connect() as sock:
        server.ask("/")
        before = server.rss_kb()
        sock.sendall(b"GET /flood?mib=200 HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(1)
        assert SANITIZED or server.rss_kb() < before + 10000, (before, server.rss_kb())
        equal(server.ask("/")[0], 200)


def test_command_gets_arguments_environment_and_stdin():
    code, out, _ = run("run", "--env", "K=V", guest("p2-args"), "--", "one", "two words")
    equal(code, 0)
    contains(out, b"arg 1 one\narg 2 two words\nenv K=V\n")
    equal(run("run", guest("p2-args"), "--", "cat", stdin=b"line\n" * 1000)[:2], (0, b"line\n" * 1000))


def test_command_works_on_a_preopened_folder_only():
    with tempfile.TemporaryDirectory() as folder:
        box = ("run", "--dir", f"{folder}::/box", guest("p2-args"), "--")
        equal(run(*box, "write", "/box/f", "text")[0], 0)
        equal(open(os.path.join(folder, "f")).read(), "text")
        equal(run(*box, "read", "/box/f")[:2], (0, b"text"))
        equal(run(*box, "ls", "/box")[:2], (0, b"f\n"))
        os.symlink("/etc/passwd", os.path.join(folder, "leak"))
        equal(run(*box, "read", "/box/leak")[0], 1)
        equal(run(*box, "read", "/box/../etc/passwd")[0], 1)
        equal(run(*box, "rm", "/box/f")[0], 0)
        assert not os.path.exists(os.path.join(folder, "f"))
        read_only = ("run", "--dir", f"{folder}::/box:ro", guest("p2-args"), "--")
        equal(run(*read_only, "write", "/box/g", "text")[0], 1)
        assert not os.path.exists(os.path.join(folder, "g"))
    equal(run("run", guest("p2-args"), "--", "read", "/etc/passwd")[0], 1)


def test_command_exit_codes():
    assert run("run", guest("p2-args"), "--", "exit", "3")[0] in (1, 3)
    code, _, err = run("run", guest("p2-args"), "--", "trap")
    equal(code, 134)
    contains(err, "unreachable")
    code, _, err = run("run", "--timeout", "300ms", guest("p2-args"), "--", "sleep", "60000")
    equal(code, 134)
    contains(err, "wall-time limit of 300 ms")


def test_closed_standard_streams_are_no_way_to_other_descriptors():
    done = subprocess.run(["sh", "-c", f'exec "{WASH}" run "{guest("p2-args")}" -- cat <&-'], capture_output=True,
                          timeout=60, env=environment())
    equal((done.returncode, done.stdout), (0, b""))


def test_exports_are_invoked_by_name():
    values = os.path.join(FIXTURES, "values.wasm")
    for call, result in {
        "add(40, 2)": "42", "add(-1, -2)": "-3", 'echo("h\\u{e9} \\"x\\"")': '"h\u00e9 \\"x\\""',
        "bytes([1, 2, 65535])": "[1, 2, 65535]", "swap({x: 1, y: 2})": "{x: 2, y: 1}",
        "check(0)": "ok", "check(7)": "err(7)",
    }.items():
        code, out, err = run("run", values, "--invoke", call)
        equal((code, out.decode(), err), (0, result + "\n", ""))
    for call, reason in {
        "sub(1)": "exports no function `sub`; it exports:\n  add", "add(40)": "add", "add(1, x)": "add",
        "swap({x: 1})": "y", "add(1, 2": "add",
    }.items():
        code, out, err = run("run", values, "--invoke", call)
        equal(code, 1)
        contains(out.decode() + err, reason)
    code, out, err = run("run", os.path.join(FIXTURES, "stream-result.wasm"), "--invoke", "numbers()")
    equal((code, out), (1, b""))
    contains(err, "its result is a stream, which has no text")


def test_inspect_prints_the_world():
    code, out, _ = run("inspect", guest("p2-hello"))
    equal(code, 0)
    contains(out, b"package root:component;")
    contains(out, b"import wasi:http/types@0.2.4;")
    contains(out, b"export wasi:http/incoming-handler@0.2.4;")
    code, out, _ = run("-o", "json", "inspect", guest("p2-hello"))
    report = json.loads(out)
    equal((report["success"], list(report)), (True, ["message", "success", "data"]))
    contains(report["data"]["wit"], "world root")


def test_component_from_stdin():
    with open(guest("p2-args"), "rb") as f:
        code, out, _ = run("run", "-", "--", "one", stdin=f.read())
    equal(code, 0)
    contains(out, b"arg 1 one\n")


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        size = 0
        if self.headers.get("transfer-encoding") == "chunked":
            while (part := int(self.rfile.readline(), 16)) > 0:
                size += len(self.rfile.read(part))
                self.rfile.readline()
            self.rfile.readline()
        else:
            size = len(self.rfile.read(int(self.headers.get("content-length") or 0)))
        text = f"{self.command} {self.path} from={self.headers.get('x-from')} body={size}\n".encode()
        self.send_response(203)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_outgoing_requests_need_a_rule():
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{upstream.server_port}/up?q=1"
    try:
        with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1") as server:
            equal(server.ask("/", headers={"x-url": url})[:2], (203, b"GET /up?q=1 from=p2-fetch body=0\n"))
            equal(server.ask("/", "POST", b"z" * 100000, {"x-url": url})[:2],
                  (203, b"POST /up?q=1 from=p2-fetch body=100000\n"))
            status, body, _ = server.ask("/", headers={"x-url": "http://127.0.0.1:1/"})
            equal(status, 502)
            contains(body, b"ConnectionRefused")
        with Server(guest("p2-fetch")) as server:
            status, body, _ = server.ask("/", headers={"x-url": url})
            equal(status, 502)
            contains(body, b"HttpRequestDenied")
            contains(server.output(), "the rule '127.0.0.1' would allow it")
        ok = (203, b"GET /up?q=1 from=p2-fetch body=0\n")
        with Server(guest("p2-fetch"), "--allow-host", "localhost") as server:
            equal(server.ask("/", headers={"x-url": url.replace("127.0.0.1", "localhost")})[:2], ok)
        with Server(guest("p2-fetch"), "--allow-host", "*", "--allow-host", "127.0.0.0/8") as server:
            equal(server.ask("/", headers={"x-url": url})[:2], ok)
    finally:
        upstream.shutdown()


def test_private_addresses_need_a_rule_of_their_own():
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    try:
        with Server(guest("p2-fetch"), "--allow-host", "*") as server:
            for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
                status, body, _ = server.ask("/", headers={"x-url": f"http://{host}:{upstream.server_port}/"})
                equal(status, 502)
                contains(body, b"DestinationIpProhibited")
            contains(server.output(), "which is loopback; the rule '127.0.0.1' among the allowed hosts would allow it")
    finally:
        upstream.shutdown()


def test_rogue_guests_get_what_they_deserve():
    expected = {  # path: statuses that are right, or 0 for a cut connection
        "/spin": (504, 500), "/spin-host": (504, 500), "/hog": (200,), "/trap": (500,), "/panic": (500,),
        "/overflow": (500,), "/exit": (500,), "/sleep?ms=200": (200,), "/silent": (500,), "/keep": (500,),
        "/error": (500,), "/late-trap": (200,), "/headers?n=1&size=1000": (200,),
        "/headers?n=1&size=1000000": (500,), "/bad-headers": (200,), "/flood?mib=20": (200,),
        "/leak?n=1000": (200,), "/leak?n=200000": (500,), "/forge": (500,), "/chatter?n=1000": (200,),
    }
    with Server(guest("p2-rogue"), "--max-memory", "64M", "--timeout", "2s") as server:
        equal(server.ask("/")[:2], (200, b"behaving\n"))
        descriptors = server.descriptors()
        for path, statuses in expected.items():
            status, body, _ = server.ask(path)
            assert status in statuses, f"{path}: {status} {body[:200]!r}"
        # A response that was begun and not ended well must not look complete.
        for path in ("/half", "/length?promise=20&send=10", "/unfinished"):
            status, body, _ = server.ask(path)
            assert status in (0, 500) or body.startswith(b"INCOMPLETE"), f"{path}: {status} {body[:200]!r}"
        status, body, _ = server.ask("/length?promise=10&send=20")
        assert status == 200 and len(body.removeprefix(b"INCOMPLETE ")) <= 10, (status, body)
        equal(server.ask("/")[:2], (200, b"behaving\n"))
        equal(server.descriptors(), descriptors)


def test_a_spinning_guest_leaves_its_neighbours_alone():
    with Server(guest("p2-rogue"), "--workers", "1", "--timeout", "3s") as server:
        spinner = threading.Thread(target=lambda: server.ask("/spin"))
        spinner.start()
        time.sleep(0.3)
        start = time.monotonic()
        for _ in range(20):
            equal(server.ask("/")[0], 200)
        assert spinner.is_alive() or time.monotonic() - start < 3
        spinner.join()


def test_bad_components_are_refused_with_the_reason():
    with tempfile.TemporaryDirectory() as folder:
        def refused(content, *words):
            path = os.path.join(folder, "x.wasm")
            with open(path, "wb") as f:
                f.write(content)
            code, out, err = run("run", path)
            equal(code, 1)
            for word in words:
                contains(out.decode() + err, word)
        whole = open(guest("p2-hello"), "rb").read()
        refused(b"", path_word := "x.wasm")
        refused(b"package a:b;\n", path_word)
        refused(b"\0asm\1\0\0\0", "core WebAssembly module")
        refused(whole[:5000], "byte")
        refused(whole[:-1], "byte")
    code, out, err = run("run", "/nowhere/x.wasm")
    equal(code, 1)
    contains(out.decode() + err, "No such file")


def test_an_address_in_use_is_refused():
    with Server(guest("p2-hello")) as server:
        code, out, err = run("run", "--addr", f"127.0.0.1:{server.port}", guest("p2-hello"))
        equal(code, 1)
        contains(out.decode() + err, f"listening on 127.0.0.1:{server.port}: Address already in use")
        equal(server.ask()[0], 200)


def test_drain_finishes_what_runs():
    server = Server(guest("p2-rogue"), "--workers", "1")
    answers = []
    slow = threading.Thread(target=lambda: answers.append(server.ask("/sleep?ms=1000")[0]))
    slow.start()
    time.sleep(0.3)
    server.stop()
    slow.join()
    equal(answers, [200])


main([v for k, v in list(globals().items()) if k.startswith("test_")])
