#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is cut looks cut, and what was answered arrives: guests that trap in the middle of a body or after it, peers
that promise more than they send, and guests that drop the futures of a request whose answer they still read."""
import os
import re
import socket
import struct
import threading

from wash import SANITIZED, Server, equal, guest, main

REQUEST = b"GET %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
ROUNDS = 20 if SANITIZED else 100


def parse(raw):
    """Status, body and whether HTTP/1.1 says that this was all of it."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    if not rest and not head:
        return 0, b"", False
    status = int(head.split()[1])
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if length:
        return status, rest, len(rest) == int(length[1])
    assert re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head), head
    body = b""
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return status, body, False
        size = int(size, 16)
        if size == 0:
            return status, body, rest.endswith(b"\r\n")
        body += rest[:size]
        if rest[size:size + 2] != b"\r\n":
            return status, body, False
        rest = rest[size + 2:]


def ask(server, path):
    return parse(server.raw(REQUEST % path.encode()))


def ask_h2(server, path):
    """The same over HTTP/2. Of the head only a status 200 is understood."""
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def literal(index, value):  # a header field with the name `index` of the static table
        return bytes([index, len(value)]) + value

    head = b"\x82\x86" + literal(1, b"x") + literal(4, path.encode())
    with server.connect() as peer:
        peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 5, 1, head))
        file = peer.makefile("rb")
        status, body = 0, b""
        while True:
            lead = file.read(9)
            length, kind, flags, stream = int.from_bytes(lead[:3], "big"), lead[3], lead[4], lead[8]
            payload = file.read(length)
            if stream != 1:
                continue
            if kind == 1 and payload[0] == 0x88:
                status = 200
            if kind == 0:
                body += payload
            if kind == 3:
                return status, body, False
            if kind in (0, 1) and flags & 1:
                return status, body, True


def both_versions(server, path, want):
    equal(ask(server, path), want)
    equal(ask_h2(server, path), want)


# ---- guests of WASI 0.2 ---------------------------------------------------------------------------------------------

def test_p2_body_cut_by_a_trap():
    with Server(guest("p2-rogue")) as server:
        both_versions(server, "/half", (200, b"first half\n", False))


def test_p2_body_never_finished():
    with Server(guest("p2-rogue")) as server:
        both_versions(server, "/unfinished", (200, b"and then\n", False))


def test_p2_trap_before_the_first_byte():
    with Server(guest("p2-rogue")) as server:
        for path in ("/overwrite", "/orphan"):
            both_versions(server, path, (200, b"", False))


def test_p2_other_length_than_promised():
    with Server(guest("p2-rogue")) as server:
        both_versions(server, "/length?promise=20&send=10", (200, b"x" * 10, False))
        both_versions(server, "/length?promise=10&send=10", (200, b"x" * 10, True))
        # What is over is not sent, and the guest is told.
        equal(ask(server, "/length?promise=10&send=20"), (200, b"x" * 10, True))


def test_p2_answer_before_a_trap():
    with Server(guest("p2-rogue")) as server:
        for _ in range(ROUNDS):
            equal(ask(server, "/late-trap"), (200, b"answered\n", True))
        equal(ask_h2(server, "/late-trap"), (200, b"answered\n", True))


# ---- guests of WASI 0.3 ---------------------------------------------------------------------------------------------

def test_p3_body_cut_by_a_trap():
    with Server(guest("p3-rogue")) as server:
        both_versions(server, "/half", (200, b"first half\n", False))
        both_versions(server, "/", (200, b"behaving\n", True))


def test_p3_trap_before_the_trailers():
    with Server(guest("p3-rogue")) as server:
        both_versions(server, "/no-trailers", (200, b"all but trailers\n", False))


def test_p3_body_that_its_guest_calls_broken():
    with Server(guest("p3-rogue")) as server:
        both_versions(server, "/error-trailers", (200, b"broken\n", False))


def test_p3_body_without_a_word_about_trailers():
    with Server(guest("p3-rogue")) as server:
        both_versions(server, "/dropped-trailers", (200, b"answered\n", True))


def test_p3_answer_before_a_trap():
    with Server(guest("p3-rogue")) as server:
        for _ in range(ROUNDS):
            equal(ask(server, "/late-trap"), (200, b"a" * 20000, True))
        equal(ask_h2(server, "/late-trap"), (200, b"a" * 20000, True))


def test_p3_answer_before_a_spin():
    with Server(guest("p3-rogue"), "--timeout", "2s") as server:
        equal(ask(server, "/late-spin"), (200, b"answered\n", True))


def test_p3_answer_to_a_slow_reader_whose_neighbour_traps():
    """The instance ends with the trap; an answer that it had given whole does not."""
    with Server(guest("p3-rogue"), "--workers", "1") as server:
        for _ in range(5):
            slow = socket.create_connection(("127.0.0.1", server.port))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(REQUEST % b"/late-trap")
            equal(ask(server, "/trap")[0], 500)
            raw = b"".join(iter(lambda: slow.recv(512), b""))
            equal(parse(raw), (200, b"a" * 20000, True))
            slow.close()


# ---- answers that guests fetch --------------------------------------------------------------------------------------

class Upstream:
    """A server that sends the same bytes to whoever connects, in pieces, and closes."""

    def __init__(self, *pieces):
        self.pieces = pieces
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                peer = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer:
            asked = b""
            while b"\r\n\r\n" not in asked:
                got = peer.recv(65536)
                if not got:
                    return
                asked += got
            try:
                for piece in self.pieces:
                    peer.sendall(piece)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def answer(body, chunked=False):
    if not chunked:
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    parts = [body[i:i + 10000] for i in range(0, len(body), 10000)]
    return (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" +
            b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n")


def test_p3_body_whose_request_is_forgotten():
    """wasmtime closes the connection with the future that `request.new` returns: the body is cut there."""
    with Server(guest("p3-rogue"), "--allow-host", "127.0.0.1") as server:
        for size in (1000, 300000):
            body = os.urandom(size)
            for chunked in (False, True):
                whole = answer(body, chunked)
                with Upstream(whole[:60], whole[60:size // 2], whole[size // 2:]) as upstream:
                    for path in ("/copy", "/pass"):
                        for when in ("before", "after"):
                            for _ in range(ROUNDS // 5):
                                got = ask(server, f"{path}?http://127.0.0.1:{upstream.port}/{when}")
                                equal((got[0], len(got[1]), got[2]), (200, size, True))
                                equal(got[1], body)


def test_p3_answer_before_the_request_was_read():
    """The upstream answers to the head, and reads or drops the rest at its leisure."""
    early = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 6\r\nconnection: close\r\n\r\nlarge\n"
    with Server(guest("p3-rogue"), "--allow-host", "127.0.0.1") as server, Upstream(early) as upstream:
        for _ in range(ROUNDS // 5):
            # The guest passes the body on, under a status of its own.
            equal(ask(server, f"/upload?http://127.0.0.1:{upstream.port}/after"), (200, b"large\n", True))


def test_bodies_that_the_upstream_cuts():
    body = b"y" * 50000
    cuts = [answer(body)[:-20000], answer(body, True)[:-20000], answer(body, True)[:-5]]
    for name, options in (("p2-fetch", ("/",)), ("p3-rogue", ("/copy?", "/pass?"))):
        with Server(guest(name), "--allow-host", "127.0.0.1") as server:
            for cut in cuts:
                with Upstream(cut) as upstream:
                    url = f"http://127.0.0.1:{upstream.port}/after"
                    for path in options:
                        raw = server.raw(b"GET %s HTTP/1.1\r\nhost: x\r\nx-url: %s\r\nconnection: close\r\n\r\n"
                                         % ((path + url if "?" in path else path).encode(), url.encode()))
                        status, got, is_whole = parse(raw)
                        assert not is_whole or status >= 500, (name, path, status, len(got), server.output()[-500:])
                        assert body.startswith(got) or status >= 500, (name, path, status)


main([value for name, value in list(globals().items()) if name.startswith("test_")])
