#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What stands around requests: the access log and the PROXY protocol of `wash run`."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

from wash import Server, contains, equal, guest, main, run

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET /path?q=1 HTTP/1.1\r\nhost: a.example\r\nuser-agent: test\r\nconnection: close\r\n\r\n"


def header(source="192.0.2.7", port=4711, values=b""):
    body = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", port, 443) + values
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(body)) + body


class Log:
    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="wash-edge-")
        self.path = os.path.join(self.dir.name, "access.log")

    def lines(self, count, path=None):
        """Waits until there are that many."""
        end, lines = time.monotonic() + 20, []
        while time.monotonic() < end and len(lines) < count:
            time.sleep(0.05)
            if os.path.exists(path or self.path):
                lines = open(path or self.path).read().splitlines()
        equal(len(lines), count)
        return lines


def test_common_log():
    log = Log()
    with Server(guest("p2-hello"), "--access-log", log.path) as server:
        server.raw(REQUEST)
        server.ask("/\"quoted\"")
        subprocess.run(["curl", "-sS", "--http2-prior-knowledge", f"http://127.0.0.1:{server.port}/h2"], check=True,
                       capture_output=True)
        first, second, third = log.lines(3)
        assert re.fullmatch(r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                            r'"GET /path\?q=1 HTTP/1.1" 200 14', first), first
        contains(second, '"GET /\\"quoted\\" HTTP/1.1" 200')
        contains(third, '"GET /h2 HTTP/2.0" 200 14')


def test_json_log():
    log = Log()
    with Server(guest("p2-echo"), "--access-log", log.path, "--access-log-format", "json") as server:
        server.ask("/", "POST", b"x" * 5000, {"user-agent": "t\xe9st", "x-request-id": "abc"})
        entry = json.loads(log.lines(1)[0])
        equal((entry["status"], entry["method"], entry["bytes_received"], entry["bytes_sent"]), (200, "POST", 5000, 5000))
        equal((entry["remote_addr"], entry["complete"], entry["request_id"]), ("127.0.0.1", True, "abc"))
        equal(entry["user_agent"], "t\ufffdst")
        assert 0 < entry["duration_us"] < 60_000_000, entry


def test_requests_get_ids():
    log = Log()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Server(guest("p2-echo"), "--request-ids", "--access-log", log.path, "--access-log-format", "json") as server:
        url = f"http://127.0.0.1:{server.port}/"
        for args in [[], ["-H", "x-request-id: mine", "-H", "traceparent: " + parent], ["-H", "traceparent: broken"]]:
            for version in ["--http1.1", "--http2-prior-knowledge"]:
                subprocess.run(["curl", "-sS", version, "-d", "body", *args, url], check=True, capture_output=True)
        # Trailers behind added fields.
        contains(server.raw(b"POST / HTTP/1.1\r\nhost: x\r\nte: trailers\r\ntransfer-encoding: chunked\r\n"
                            b"connection: close\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"), b"0\r\nx-t: 1\r\n")
        entries = [json.loads(line) for line in log.lines(7)]
        for entry in entries[:2] + entries[4:]:
            assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", entry["traceparent"]), entry
            assert re.fullmatch("[0-9a-f]{32}", entry["request_id"]), entry
        for entry in entries[2:4]:
            equal((entry["request_id"], entry["traceparent"]), ("mine", parent))
        equal(len({entry["request_id"] for entry in entries}), 6)


def test_cut_answers_are_told():
    log = Log()
    with Server(guest("p2-rogue"), "--access-log", log.path, "--access-log-format", "%U %>s %X") as server:
        server.ask("/")
        server.ask("/trap")
        server.ask("/length?promise=20&send=10")
        equal(log.lines(3), ["/ 200 +", "/trap 500 +", "/length 200 X"])


def test_log_is_moved_on_without_a_loss():
    log = Log()
    with Server(guest("p2-hello"), "--access-log", log.path, "--workers", "2") as server:
        for _ in range(20):
            server.ask()
        log.lines(20)
        os.rename(log.path, log.path + ".1")
        server.ask()
        server.proc.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while not os.path.exists(log.path):
            assert time.monotonic() < end
            time.sleep(0.02)
        server.ask()
        log.lines(1)
        log.lines(21, log.path + ".1")


def test_signals_in_quick_succession():
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(10):
            with Server(guest("p2-hello"), "--access-log", os.path.join(folder, "log")) as server:
                for _ in range(100):
                    server.proc.send_signal(signal.SIGHUP)
            # SIGTERM came right behind: an orderly end all the same.


def test_log_is_complete_after_the_end():
    log = Log()
    with Server(guest("p2-hello"), "--access-log", log.path) as server:
        for _ in range(50):
            server.ask()
    equal(len(open(log.path).read().splitlines()), 50)


def test_bad_formats_stop_the_start():
    for args, words in [(["--access-log", "/nope/log"], "opening the access log /nope/log"),
                        (["--access-log", "/dev/null", "--access-log-format", "%z"], "`%z` begins no directive")]:
        code, _, err = run("run", "--addr", "127.0.0.1:0", *args, guest("p2-hello"))
        equal(code, 1)
        contains(err, words)


def test_proxy_headers_name_the_client():
    log = Log()
    with Server(guest("p2-hello"), "--proxy-protocol", "--access-log", log.path, "--access-log-format", "%h") as server:
        contains(server.raw(header() + REQUEST), b"200 OK")
        contains(server.raw(header(values=b"\x02\x00\x01a\x04\x00\x00") + REQUEST), b"200 OK")
        contains(server.raw(SIGNATURE + b"\x20\x00\x00\x00" + REQUEST), b"200 OK")
        six = socket.inet_pton(socket.AF_INET6, "2001:db8::5") * 2 + b"\0\1\0\2"
        contains(server.raw(SIGNATURE + b"\x21\x21\x00\x24" + six + REQUEST), b"200 OK")
        equal(log.lines(4), ["192.0.2.7", "192.0.2.7", "127.0.0.1", "2001:db8::5"])


def test_proxy_headers_may_come_in_pieces():
    with Server(guest("p2-hello"), "--proxy-protocol") as server, server.connect() as sock:
        for byte in header() + REQUEST:
            sock.sendall(bytes([byte]))
            time.sleep(0.002)
        contains(b"".join(iter(lambda: sock.recv(65536), b"")), b"200 OK")


def test_connections_without_a_header_are_closed():
    with Server(guest("p2-hello"), "--proxy-protocol") as server:
        for data in [REQUEST, header()[:20], header()[:12], b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + REQUEST,
                     SIGNATURE + b"\x21\x11\xff\xff" + REQUEST, SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12) + REQUEST]:
            with server.connect() as sock:
                try:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    equal(sock.recv(100), b"")
                except OSError:  # closed before all was sent
                    pass
        equal(server.output().count("PROXY protocol: "), 1)
        contains(server.raw(header() + REQUEST), b"200 OK")


def test_connections_of_one_client_are_limited():
    with Server(guest("p2-hello"), "--max-connections-per-client", "2") as server:
        first, second = server.connect(), server.connect()
        keep = REQUEST.replace(b"connection: close\r\n", b"")
        for sock in (first, second):
            sock.sendall(keep)
            contains(sock.recv(4096), b"200 OK")
        for _ in range(3):
            with server.connect() as third:
                try:
                    third.sendall(REQUEST)
                    equal(third.recv(100), b"")
                except OSError:  # closed before all was sent
                    pass
        first.close()
        end, answer = time.monotonic() + 20, b""
        while time.monotonic() < end and b"200 OK" not in answer:
            try:
                answer = server.raw(REQUEST)
            except OSError:
                pass
        contains(answer, b"200 OK")
        second.close()
        contains(server.output(), "a client has too many connections")


def test_behind_a_proxy_each_client_has_its_limit():
    with Server(guest("p2-hello"), "--proxy-protocol", "--max-connections-per-client", "1") as server:
        with server.connect() as first:
            first.sendall(header() + REQUEST.replace(b"connection: close\r\n", b""))
            contains(first.recv(4096), b"200 OK")
            contains(server.raw(header("192.0.2.8") + REQUEST), b"200 OK")
            with server.connect() as second:
                try:
                    second.sendall(header() + REQUEST)
                    equal(second.recv(100), b"")
                except OSError:
                    pass


def test_idle_connections_make_room():
    with Server(guest("p2-hello"), "--max-connections", "1", "--workers", "1") as server, server.connect() as idle:
        idle.sendall(REQUEST.replace(b"connection: close\r\n", b""))
        contains(idle.recv(4096), b"200 OK")
        contains(server.raw(REQUEST), b"200 OK")
        equal(idle.recv(100), b"")


main([value for name, value in list(globals().items()) if name.startswith("test_")])
