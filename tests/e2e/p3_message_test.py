#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Messages of wasi:http 0.3: contents, trailers, lengths and fields as a guest makes them."""
import re
import socket
import threading

from wash import Server, contains, equal, guest, main

END = b"x-end: yes\r\nx-end: twice\r\n\r\n"


def serve(*options):
    return Server(guest("p3-message"), "--workers", "1", *options)


def get(server, path, *fields):
    """The head without its date, and what follows it."""
    lines = [f"GET {path} HTTP/1.1", "Host: a", "Connection: close", *fields, "", ""]
    answer = server.raw("\r\n".join(lines).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return re.sub(rb"\r\ndate: [^\r]*|\r\nconnection: close", b"", head), body


def text(server, path, *fields):
    body = get(server, path, *fields)[1]
    return re.sub(rb"\r\n0\r\n\r\n$", b"", body.partition(b"\r\n")[2]).decode()


def test_no_contents():
    with serve() as server:
        equal(get(server, "/none"), (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-a: 1", b""))


def test_trailers_without_contents():
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"
    with serve() as server:
        equal(get(server, "/trailers"), (chunked + b"\r\nx-a: 1", b"0\r\n" + END))
        equal(get(server, "/late"), (chunked, b"0\r\n" + END))


def test_trailers_after_contents():
    with serve() as server:
        equal(get(server, "/body")[1], b"3\r\nabc\r\n0\r\n" + END)


def test_an_error_in_place_of_trailers_breaks_the_message_off():
    with serve() as server:
        for path in ("/broken", "/late-broken"):
            contains(get(server, path)[0], b"500 Internal Server Error")
        equal(get(server, "/cut")[1], b"3\r\nabc\r\n")
        equal(get(server, "/none")[1], b"")  # the instance serves on


def test_lengths_are_kept():
    with serve() as server:
        equal(get(server, "/short"), (b"HTTP/1.1 200 OK\r\ncontent-length: 5", b"abc"))
        equal(get(server, "/long"), (b"HTTP/1.1 200 OK\r\ncontent-length: 2", b"ab"))


def test_fields():
    with serve() as server:
        contains(get(server, "/space")[0], b"\r\nx-space: padded")
        told = text(server, "/fields").splitlines()
        forbidden = [line.split('"')[1] for line in told if line.endswith("Forbidden)")]
        equal(forbidden, ["Connection", "keep-alive", "Host", "transfer-encoding", "upgrade",
                          "proxy-connection", "http2-settings"])
        for line in ("\"x-ok\" \"1\": Ok(())", "\"x\" \"\\t\": Ok(())",
                     "\"x\" \"a\\r\\nb\": Err(HeaderError::InvalidSyntax)",
                     "large: Err(HeaderError::SizeExceeded)",
                     "set large: Err(HeaderError::SizeExceeded) [[51]]",
                     "set bad: Err(HeaderError::InvalidSyntax)", "taken: Ok([[51]]) []",
                     "immutable: Err(HeaderError::Immutable) Err(HeaderError::Immutable) "
                     "Err(HeaderError::Immutable)", "copies: Ok(()) Ok(())"):
            assert line in told, (line, told)


def test_what_cannot_be_sent():
    with serve() as server:
        for path in ("/informational", "/error"):
            contains(get(server, path)[0], b"500 Internal Server Error")
        equal(text(server, "/dropped"), "Ok(())")


def test_bodies_are_read_with_their_trailers():
    chunks = b"5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"
    with serve() as server:
        for path, data in (("/consume", b"hello"), ("/three", b"hel")):
            answer = server.raw(f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
            contains(answer, data + b' Ok(Some([("x-t", [49])]))')


class Upstream:
    """Answers each request with its own bytes in a field."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer = self.sock.accept()[0]
            except OSError:
                return
            with peer:
                self.answer(peer)

    @staticmethod
    def answer(peer):
        data = b""
        while b"\r\n\r\n" not in data or (b"chunked" in data and not re.search(
                rb"\r\n0\r\n([^\r]+\r\n)*\r\n$", data)):
            part = peer.recv(65536)
            if not part:
                return
            data += part
        seen = data.replace(b"\r\n", b"|")
        peer.sendall(b"HTTP/1.1 200 OK\r\nx-seen: " + seen + b"\r\nconnection: close\r\n"
                     b"content-length: 0\r\n\r\n")


def test_requests_without_contents():
    upstream = Upstream()
    options = ("--allow-host", "*", "--allow-host", "127.0.0.1")
    with serve(*options) as server:
        def fetch(kind):
            return text(server, "/fetch", f"x-to: {upstream.address}", f"x-kind: {kind}")
        seen = fetch("none")
        contains(seen, "ontent-Length: 0")
        contains(seen, "sent=Ok(())")
        for kind in ("trailers", "late"):
            seen = fetch(kind)
            contains(seen, "||0|x-end: yes|x-end: twice||")
            contains(seen, "sent=Ok(())")
        contains(fetch("body"), "||3|abc|0|x-end: yes|x-end: twice||")
        for kind in ("broken", "late-broken"):
            equal(fetch(kind), "ErrorCode::InternalError(Some(\"broken\")) "
                               "sent=Err(ErrorCode::InternalError(Some(\"broken\")))")
        contains(fetch("given-up"), "InternalError")
        equal(fetch("view"), "[[51]] [[32, 120, 32]]")  # as given, though not sent so


main([v for k, v in list(globals().items()) if k.startswith("test_")])
