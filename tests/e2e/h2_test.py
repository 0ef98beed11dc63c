#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 of `wash run` against curl, nghttp, h2load and Python's h2: components answer over it as over HTTP/1."""
import os
import shutil
import ssl
import struct
import subprocess
import tempfile
import threading

import wash
from wash import contains, equal

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def need(program):
    if not shutil.which(program):
        raise wash.Skip(f"there is no {program}")


def curl(server, *args, target="/"):
    need("curl")
    done = subprocess.run(["curl", "-sS", "--max-time", "60", "--http2-prior-knowledge", *args,
                           f"http://127.0.0.1:{server.port}{target}"], capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(method=b"GET", path=b"/", *fields):
    pairs = [(b":method", method), (b":path", path), (b":scheme", b"http"), (b":authority", b"h"), *fields]
    return b"".join(literal(name, value) for name, value in pairs)


class Client:
    """Frames by hand; header blocks stay as they come."""

    def __init__(self, server, **settings):
        self.sock = server.connect()
        self.buffer = b""
        self.sock.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def send(self, *args):
        self.sock.sendall(frame(*args))

    def frame(self):
        """The next frame, None at the end."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            got = self.sock.recv(65536)
            if not got:
                return None
            self.buffer += got
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
        payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
        return kind, flags, stream, payload

    def until(self, kind, stream=None):
        while True:
            got = self.frame()
            assert got, "the server closed"
            if got[0] == kind and stream in (None, got[2]):
                return got

    def body(self, stream):
        """The stream's body to its end; gives the windows back."""
        body = b""
        while True:
            got = self.frame()
            assert got and got[0] not in (GOAWAY, RST_STREAM), got
            kind, flags, number, payload = got
            if number != stream or kind not in (DATA, HEADERS):
                continue
            if kind == DATA:
                body += payload
                if payload:
                    self.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload)))
                if payload and not flags & END_STREAM:
                    self.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", len(payload)))
            if flags & END_STREAM:
                return body

    def close(self):
        self.sock.close()


def test_curl_gets_an_answer():
    with wash.Server(wash.guest("p2-hello")) as server:
        contains(curl(server), b"ello")
        equal(curl(server, "-o", os.devnull, "-w", "%{http_version} %{http_code}"), b"2 200")
        # The same listener speaks HTTP/1, also to who offers an upgrade.
        contains(server.ask()[1], b"ello")
        contains(server.raw(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, Upgrade, HTTP2-Settings\r\n"
                            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"), b"HTTP/1.1 200 OK\r\n")


def test_bodies_are_echoed():
    with wash.Server(wash.guest("p2-echo")) as server, tempfile.NamedTemporaryFile() as file:
        for size in [1, 65536, 10_000_000]:
            data = os.urandom(size)
            file.seek(0)
            file.truncate()
            file.write(data)
            file.flush()
            for target in ["/", "/splice"]:
                got = curl(server, "--data-binary", "@" + file.name, target=target)
                assert got == data, f"{size} bytes to {target}: {len(got)} came back"


def test_trailers_are_echoed():
    with wash.Server(wash.guest("p2-echo")) as server:
        client = Client(server)
        client.send(HEADERS, END_HEADERS, 1, head(b"POST", b"/", (b"te", b"trailers")))
        client.send(DATA, 0, 1, b"message")
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, literal(b"grpc-status", b"0"))
        client.until(HEADERS, 1)
        equal(client.until(DATA, 1)[3], b"message")
        _, flags, _, block = client.until(HEADERS, 1)
        assert flags & END_STREAM and block, "no trailers"
        client.close()


def test_both_directions_at_once():
    """Each message comes back before the next is sent, as gRPC's streams do it."""
    with wash.Server(wash.guest("p2-echo")) as server:
        client = Client(server)
        client.send(HEADERS, END_HEADERS, 1, head(b"POST", b"/", (b"content-type", b"application/grpc")))
        client.send(DATA, 0, 1, b"first")
        client.until(HEADERS, 1)
        equal(client.until(DATA, 1)[3], b"first")
        for i in range(50):
            message = f"message {i}".encode()
            client.send(DATA, 0, 1, message)
            equal(client.until(DATA, 1)[3], message)
        client.send(DATA, END_STREAM, 1)
        equal(client.body(1), b"")
        client.close()


def test_many_streams_on_one_connection():
    with wash.Server(wash.guest("p2-echo")) as server:
        client = Client(server)
        streams = range(1, 200, 2)
        for stream in streams:
            client.send(HEADERS, END_HEADERS, stream, head(b"POST"))
        for stream in streams:
            client.send(DATA, END_STREAM, stream, b"%d" % stream)
        bodies, open_streams = {s: b"" for s in streams}, set(streams)
        while open_streams:
            kind, flags, stream, payload = client.frame()
            assert kind not in (GOAWAY, RST_STREAM), (kind, stream, payload)
            if kind == DATA:
                bodies[stream] += payload
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                open_streams.remove(stream)
        equal(bodies, {s: b"%d" % s for s in streams})
        client.close()


def test_a_body_that_nobody_reads_is_held_back():
    """The guest sleeps; memory does not grow with what the client would like to send."""
    with wash.Server(wash.guest("p2-echo")) as server:
        client = Client(server)
        client.until(SETTINGS)
        before = server.rss_kb()
        # The echo stops reading when nobody takes its answer: this client gives no window back.
        client.send(HEADERS, END_HEADERS, 1, head(b"POST"))
        sent, window, connection = 0, 128 * 1024, 65535
        block = bytes(16384)
        client.sock.settimeout(1)
        try:
            while sent < 100_000_000:
                while min(window, connection) >= len(block):
                    client.send(DATA, 0, 1, block)
                    sent, window, connection = sent + len(block), window - len(block), connection - len(block)
                kind, _, stream, payload = client.frame()
                if kind == WINDOW_UPDATE:
                    increment = int.from_bytes(payload, "big")
                    window, connection = (window + increment, connection) if stream else \
                        (window, connection + increment)
        except TimeoutError:
            pass
        assert sent < 2_000_000, f"{sent} bytes were taken"
        assert wash.SANITIZED or server.rss_kb() - before < 20_000
        client.close()


def test_head_has_no_body():
    with wash.Server(wash.guest("p2-hello")) as server:
        client = Client(server)
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, head(b"HEAD"))
        assert client.until(HEADERS, 1)[1] & END_STREAM
        client.close()


def test_a_guest_that_traps_is_a_500():
    with wash.Server(wash.guest("p2-rogue")) as server:
        equal(curl(server, "-o", os.devnull, "-w", "%{http_code}", target="/trap"), b"500")
        # After the head it is a reset, so that nobody takes the answer for a whole one.
        equal(curl(server, "-o", os.devnull, "-w", "%{http_code}", target="/trap"), b"500")


def test_resets_and_cut_connections_leave_nothing():
    with wash.Server(wash.guest("p2-echo")) as server:
        descriptors = server.descriptors()
        for _ in range(20):
            client = Client(server)
            for stream in range(1, 20, 2):
                client.send(HEADERS, END_HEADERS, stream, head(b"POST"))
                client.send(DATA, 0, stream, b"some")
                if stream % 4 == 1:
                    client.send(RST_STREAM, 0, stream, struct.pack(">I", 8))
            client.close()
        contains(curl(server, "--data", "x"), b"x")
        equal(server.descriptors(), descriptors)


def test_rapid_resets_end_the_connection():
    with wash.Server(wash.guest("p2-hello")) as server:
        client = Client(server)
        block = head()
        client.sock.sendall(b"".join(frame(HEADERS, 5, s, block) + frame(RST_STREAM, 0, s, b"\0\0\0\x08")
                                     for s in range(1, 4000, 2)))
        equal(client.until(GOAWAY)[3][4:8], b"\0\0\0\x0b")
        assert client.frame() is None
        contains(curl(server), b"ello")


def test_draining_ends_what_runs():
    with wash.Server(wash.guest("p2-echo")) as server:
        client = Client(server)
        client.send(HEADERS, END_HEADERS, 1, head(b"POST"))
        client.send(DATA, 0, 1, b"before ")
        equal(client.until(DATA, 1)[3], b"before ")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        _, _, _, payload = client.until(GOAWAY)
        equal(payload, b"\x7f\xff\xff\xff\0\0\0\0")
        client.send(HEADERS, END_HEADERS, 3, head(b"POST"))  # on its way when the server said so
        client.send(DATA, END_STREAM, 3, b"late")
        client.send(PING, ACK, 0, client.until(PING)[3])
        got = {}
        while DATA not in got or GOAWAY not in got:
            kind, _, _, payload = client.frame()
            got[kind] = payload or got.get(kind)
        equal((got[DATA], got[GOAWAY]), (b"late", b"\0\0\0\3\0\0\0\0"))
        client.send(DATA, END_STREAM, 1, b"after")
        equal(client.body(1), b"after")
        assert client.frame() is None
        stopping.join()


def test_nghttp_gets_an_answer():
    need("nghttp")
    with wash.Server(wash.guest("p2-hello")) as server:
        done = subprocess.run(["nghttp", "-v", f"http://127.0.0.1:{server.port}/"], capture_output=True, timeout=60)
        contains(done.stdout, b":status: 200")


def test_h2load_gets_all_answers():
    need("h2load")
    with wash.Server(wash.guest("p2-hello")) as server:
        done = subprocess.run(["h2load", "-c8", "-m32", "-n4000", f"http://127.0.0.1:{server.port}/"],
                              capture_output=True, text=True, timeout=300)
        contains(done.stdout, "4000 succeeded, 0 failed, 0 errored, 0 timeout")


def test_python_h2_gets_an_answer():
    try:
        import h2.config
        import h2.connection
        import h2.events
    except ImportError as missing:
        raise wash.Skip("there is no Python package h2") from missing
    with wash.Server(wash.guest("p2-echo")) as server, server.connect() as sock:
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        client.initiate_connection()
        stream = client.get_next_available_stream_id()
        client.send_headers(stream, [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "h")])
        client.send_data(stream, b"hello", end_stream=True)
        sock.sendall(client.data_to_send())
        events, body = [], b""
        while not any(isinstance(e, h2.events.StreamEnded) for e in events):
            data = sock.recv(65536)
            assert data, events
            events += client.receive_data(data)
            sock.sendall(client.data_to_send())
        body = b"".join(e.data for e in events if isinstance(e, h2.events.DataReceived))
        equal(body, b"hello")


def test_alpn_agrees_on_it():
    with tempfile.TemporaryDirectory() as folder:
        key, crt = os.path.join(folder, "k.pem"), os.path.join(folder, "c.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", crt, "-subj", "/CN=localhost", "-days", "5", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)

        class Https(wash.Server):
            scheme = "https"

        with Https(wash.guest("p2-echo"), "--tls-cert-path", crt, "--tls-key-path", key) as server:
            for offer, version in [("--http2", b"2"), ("--http1.1", b"1.1")]:
                done = subprocess.run(["curl", "-sS", offer, "--cacert", crt, "--data", "x" * 100000, "-w",
                                       "%{http_version}", f"https://localhost:{server.port}/"],
                                      capture_output=True, timeout=60)
                equal(done.stdout, b"x" * 100000 + version)
            context = ssl.create_default_context(cafile=crt)
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(server.connect(), server_hostname="localhost") as sock:
                equal(sock.selected_alpn_protocol(), "h2")
                # Not the preface: the connection ends.
                sock.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
                while sock.recv(65536):
                    pass


if __name__ == "__main__":
    wash.main([f for name, f in list(globals().items()) if name.startswith("test_")])
