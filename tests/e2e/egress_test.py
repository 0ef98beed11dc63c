#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What outgoing requests of `wash run` get besides rules: authorities, HTTP/2, a bounded number of connections."""
import http.server
import os
import ssl
import subprocess
import tempfile
import threading
import time

from wash import Server, contains, equal, guest, main, run

DIR = tempfile.TemporaryDirectory()


def path(name):
    return os.path.join(DIR.name, name)


def make_certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", path("key.pem"), "-out", path("cert.pem"), "-days", "2", "-subj", "/CN=upstream",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hold = threading.Event()

    def do_GET(self):
        if self.path == "/hold":
            self.hold.wait(30)
        self.send_response(200)
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b"there\n")

    def log_message(self, *_):
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, address):
        pass


class upstream:
    """The URL of an upstream for the with block."""
    def __init__(self, tls=False):
        self.server = QuietServer(("127.0.0.1", 0), Upstream)
        self.scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path("cert.pem"), path("key.pem"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()


def test_authorities_are_added():
    with upstream(tls=True) as url:
        with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1", "--egress-ca", path("cert.pem")) as server:
            equal(server.ask("/", headers={"x-url": url})[:2], (200, b"there\n"))
        with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1") as server:
            status, body, _ = server.ask("/", headers={"x-url": url})
            equal(status, 502)
            contains(body, b"TlsCertificateError")


def test_authorities_are_checked_at_the_start():
    with open(path("empty.pem"), "w"):
        pass
    for name in ("missing.pem", "empty.pem"):
        code, _, err = run("run", "--egress-ca", path(name), guest("p2-fetch"))
        equal(code, 1)
        contains(err, "authorities for outgoing requests")
        contains(err, path(name))


class HttpsServer(Server):
    scheme = "https"


def test_http2_between_two_of_us():
    with HttpsServer(guest("p2-hello"), "--tls-cert-path", path("cert.pem"), "--tls-key-path", path("key.pem"),
                     "--access-log", "-", "--access-log-format", "%H") as upper:
        with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1", "--egress-ca", path("cert.pem")) as server:
            status, _, _ = server.ask("/", headers={"x-url": f"https://127.0.0.1:{upper.port}/"})
            equal(status, 200)
        upper.stop()
        contains(upper.output(), "HTTP/2")


def test_connections_are_bounded():
    with upstream() as url:
        with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1", "--workers", "1", "--egress-connections", "1",
                    "--egress-wait", "300ms") as server:
            first = []
            thread = threading.Thread(target=lambda: first.append(server.ask("/", headers={"x-url": url + "/hold"})[:2]))
            thread.start()
            time.sleep(0.3)
            began = time.monotonic()
            status, body, _ = server.ask("/", headers={"x-url": url})
            took = time.monotonic() - began
            Upstream.hold.set()
            thread.join()
            equal(status, 502)
            contains(body, b"ConnectionLimitReached")
            assert 0.2 < took < 5, took
            equal(first, [(200, b"there\n")])
            equal(server.ask("/", headers={"x-url": url})[:2], (200, b"there\n"))


make_certificate()
main([v for k, v in list(globals().items()) if k.startswith("test_")])
