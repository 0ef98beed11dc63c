#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Upstreams that fail: each way has its error-code, for guests of WASI 0.2 and 0.3; an answer that is cut at any byte never
looks whole; and nothing is left behind."""
import http.client
import os
import random
import resource
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from wash import SANITIZED, Server, Skip, equal, free_port, guest, main

GUESTS = ("p2-fetch", "p3-fetch")
STEP = 7 if SANITIZED else 1
DIR = tempfile.TemporaryDirectory()

LENGTH = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 20\r\n\r\n01234567890123456789"
CHUNKED = (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
           b"a\r\n0123456789\r\na\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n")


class Upstream:
    """Calls `serve(peer, target)` for each request; the connection ends when that returns False."""

    def __init__(self, serve, tls=None, backlog=128):
        self.answer, self.tls = serve, tls
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.connections = 0

    def run(self):
        while True:
            try:
                peer = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            if self.tls:
                peer = self.tls.wrap_socket(peer, server_side=True)
            asked = b""
            while True:
                while b"\r\n\r\n" not in asked:
                    got = peer.recv(65536)
                    if not got:
                        return
                    asked += got
                head, _, asked = asked.partition(b"\r\n\r\n")
                if head == b"0":  # the body of a guest that was preempted before it said that there is none
                    continue
                if not self.answer(peer, head.split()[1].decode()):
                    return
        except (OSError, IndexError):  # or the end of a body
            pass
        finally:
            peer.close()

    def __enter__(self):
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()


class Plain(Upstream):
    """Says something at once, whatever comes."""

    def __init__(self):
        super().__init__(None)

    def serve(self, peer):
        peer.sendall(b"220 mail.example ESMTP\r\n")
        end_quietly(peer)


def reset(peer):
    """close() sends RST instead of FIN."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def end_quietly(peer):
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(65536):
        pass


def says(*texts):
    def serve(peer, target):
        for text in texts:
            peer.sendall(text)
        end_quietly(peer)
        return False
    return serve


def silent(peer, target):
    while peer.recv(65536):
        pass
    return False


# ---- codes ----------------------------------------------------------------------------------------------------------

def code_of(server, url, method="GET", body=None, **times):
    headers = {"x-url": url, **{"x-" + name.replace("_", "-"): str(ms) for name, ms in times.items()}}
    status, text, _ = server.ask("/", method, body, headers)
    equal(status, 502)
    return text.decode().strip().removeprefix("ErrorCode::").split("(")[0].split(" ")[0], text.decode()


def each_guest(*options):
    for name in GUESTS:
        yield name, Server(guest(name), *options)


def test_codes_of_answers():
    cases = [
        (says(), "ConnectionTerminated"),
        (lambda peer, target: reset(peer), "ConnectionTerminated"),
        (says(b"HTTP/1.1 200 OK\r\nconte"), "HttpResponseIncomplete"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "HttpProtocolError"),
        (says(b"HTTP/2 200\r\n\r\n"), "HttpProtocolError"),
        (says(b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n"), "HttpProtocolError"),
        (says(b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"), "HttpProtocolError"),
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), "HttpProtocolError"),
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), "HttpProtocolError"),
        (says(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), "HttpProtocolError"),
        (says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n"), "HttpResponseTransferCoding"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"x: 0123456789abcdef\r\n" * 4000 + b"\r\n"), "HttpResponseHeaderSectionSize"),
        (says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000 + b"\r\n\r\n"), "HttpResponseHeaderSectionSize"),
        (says(*[b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"] * 3000), "HttpResponseHeaderSectionSize"),
    ]
    for name, server in each_guest("--allow-host", "127.0.0.1"):
        with server:
            for number, (serve, want) in enumerate(cases):
                with Upstream(serve) as upstream:
                    equal((name, number, code_of(server, upstream.url)[0]), (name, number, want))


def test_codes_of_connecting():
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    for name, server in each_guest("--allow-host", "127.0.0.1", "--allow-host", "nowhere.invalid"):
        with server:
            equal(code_of(server, f"http://127.0.0.1:{free_port()}")[0], "ConnectionRefused")
            equal(code_of(server, "http://127.0.0.1:%d" % full.getsockname()[1], connect=200)[0], "ConnectionTimeout")
            equal(code_of(server, "http://127.0.0.2/")[0], "HttpRequestDenied")
            equal(code_of(server, "http://192.0.2.1/")[0], "HttpRequestDenied")
            got, text = code_of(server, "http://nowhere.invalid/", connect=3000)
            # Without a name server in reach the look-up may time out instead.
            assert got in ("DnsError", "DnsErrorPayload", "DnsTimeout"), text
    for one in waiting:
        one.close()
    full.close()


def test_codes_of_addresses():
    host = socket.gethostname()
    try:
        address = socket.getaddrinfo(host, 80, socket.AF_INET)[0][4][0]
    except OSError:
        address = "8.8.8.8"
    if not address.startswith(("127.", "10.", "172.", "192.168.", "169.254.")):
        raise Skip("the machine's own name stands for no private address")
    for name, server in each_guest("--allow-host", host):
        with server:
            equal(code_of(server, f"http://{host}:{free_port()}/")[0], "DestinationIpProhibited")


def test_code_of_no_route():
    # A link-local address leads nowhere without the link's name.
    for name, server in each_guest("--allow-host", "[fe80::1]"):
        with server:
            equal(code_of(server, "http://[fe80::1]/")[0], "DestinationIpUnroutable")


def test_codes_of_waiting():
    for name, server in each_guest("--allow-host", "127.0.0.1"):
        with server, Upstream(silent) as upstream:
            began = time.monotonic()
            equal(code_of(server, upstream.url, first_byte=200)[0], "ConnectionReadTimeout")
            assert time.monotonic() - began > 0.15
    with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1") as server:
        # The upstream takes the head and then nothing more.
        with Upstream(lambda peer, target: time.sleep(8)) as upstream:
            equal(code_of(server, upstream.url, "POST", b"x" * 8_000_000, first_byte=500)[0], "ConnectionWriteTimeout")


def test_body_that_stalls():
    def stall(peer, target):
        peer.sendall(LENGTH[:-10])
        return silent(peer, target)
    for name, server in each_guest("--allow-host", "127.0.0.1"):
        with server, Upstream(stall) as upstream:
            status, body, _ = server.ask("/", headers={"x-url": upstream.url, "x-between-bytes": "200"})
            assert body != LENGTH[-20:] and (status >= 500 or body.startswith(b"INCOMPLETE")), (status, body)


def make_certificate():
    cert, key = os.path.join(DIR.name, "cert.pem"), os.path.join(DIR.name, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    key, "-out", cert, "-days", "2", "-subj", "/CN=upstream", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return cert, key


def test_codes_of_tls():
    cert, key = make_certificate()

    def context(**changes):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(cert, key)
        made.load_verify_locations(cert)
        for what, value in changes.items():
            setattr(made, what, value)
        return made

    demanding = {"verify_mode": ssl.CERT_REQUIRED}
    for name, server in each_guest("--allow-host", "127.0.0.1", "--allow-host", "localhost", "--egress-ca", cert):
        with server:
            with Upstream(says(LENGTH), context()) as upstream:
                equal(server.ask("/", headers={"x-url": upstream.url})[:2], (200, LENGTH[-20:]))
                # A certificate for another name.
                equal(code_of(server, upstream.url.replace("127.0.0.1", "localhost"))[0], "TlsCertificateError")
            for version, alert in ((ssl.TLSVersion.TLSv1_3, "116"), (ssl.TLSVersion.TLSv1_2, "40")):
                with Upstream(says(LENGTH), context(**demanding, maximum_version=version)) as upstream:
                    got, text = code_of(server, upstream.url)
                    assert got.startswith("TlsAlertReceived") and alert in text, text
            with Plain() as plain:
                equal(code_of(server, f"https://127.0.0.1:{plain.port}/")[0], "TlsProtocolError")
            with Upstream(says(LENGTH[:-10]), context()) as upstream:
                status, body, _ = server.ask("/", headers={"x-url": upstream.url})
                assert status >= 500 or body.startswith(b"INCOMPLETE"), (status, body)
    for name, server in each_guest("--allow-host", "127.0.0.1"):
        with server, Upstream(says(LENGTH), context()) as upstream:
            equal(code_of(server, upstream.url)[0], "TlsCertificateError")


def test_code_of_authorities_that_went_away():
    cert, _ = make_certificate()
    for name, server in each_guest("--allow-host", "127.0.0.1", "--egress-ca", cert):
        with server, Upstream(silent) as upstream:
            os.rename(cert, cert + ".gone")
            equal(code_of(server, upstream.url.replace("http", "https"))[0], "ConfigurationError")
            os.rename(cert + ".gone", cert)


def test_code_of_no_descriptor():
    with Upstream(says(LENGTH)) as upstream:
        for name, server in each_guest("--allow-host", "127.0.0.1", "--workers", "1"):
            with server:
                equal(server.ask("/", headers={"x-url": upstream.url})[0], 200)
                time.sleep(0.2)  # what that request opened is closed
                client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                client.connect()
                time.sleep(0.2)
                numbers = set(map(int, os.listdir(f"/proc/{server.proc.pid}/fd")))
                free = min(set(range(len(numbers) + 1)) - numbers)
                before = resource.prlimit(server.proc.pid, resource.RLIMIT_NOFILE)
                resource.prlimit(server.proc.pid, resource.RLIMIT_NOFILE, (free, before[1]))
                client.request("GET", "/", headers={"x-url": upstream.url})
                answer = client.getresponse()
                equal((answer.status, b"ConnectionLimitReached" in answer.read()), (502, True))
                resource.prlimit(server.proc.pid, resource.RLIMIT_NOFILE, before)
                client.request("GET", "/", headers={"x-url": upstream.url})
                answer = client.getresponse()
                equal((answer.status, answer.read()), (200, LENGTH[-20:]))
                client.close()


# ---- cuts -----------------------------------------------------------------------------------------------------------

class Cutter(Upstream):
    """/LENGTH-OR-CHUNKED/BYTES/HOW: so much of the answer, and then FIN or RST; /whole is answered whole."""

    def __init__(self):
        super().__init__(self.cut)

    def cut(self, peer, target):
        if target == "/whole":
            peer.sendall(LENGTH)
            return True
        _, framing, count, how = target.split("/")
        whole = LENGTH if framing == "length" else CHUNKED
        peer.sendall(whole[:int(count)])
        if how == "rst":
            time.sleep(0.002)  # what was sent is to arrive before
            reset(peer)
            return False
        end_quietly(peer)
        return False


def check_cut(server, upstream, framing, count, how):
    whole = LENGTH if framing == "length" else CHUNKED
    status, body, _ = server.ask("/", headers={"x-url": f"{upstream.url}/{framing}/{count}/{how}"})
    where = (framing, count, how, status, body)
    head = whole.index(b"\r\n\r\n") + 4
    if count == len(whole):
        assert (status, body) == (200, b"01234567890123456789") or how == "rst", where
    elif status == 200:
        assert count >= head and body.startswith(b"INCOMPLETE"), where
        assert b"01234567890123456789".startswith(body.removeprefix(b"INCOMPLETE ")), where
    elif status == 502:
        want = b"ConnectionTerminated" if count == 0 else b"HttpResponseIncomplete"
        assert want in body or how == "rst" and b"ConnectionTerminated" in body, where
    else:
        assert status in (0, 500), where


def test_answers_cut_at_each_byte():
    for name in GUESTS:
        with Cutter() as upstream, Server(guest(name), "--allow-host", "127.0.0.1", "--workers", "1") as server:
            equal(server.ask("/", headers={"x-url": upstream.url + "/whole"})[:2], (200, LENGTH[-20:]))
            before = server.descriptors()
            for framing, whole in (("length", LENGTH), ("chunked", CHUNKED)):
                for count in range(0, len(whole) + 1, STEP):
                    for how in ("fin", "rst"):
                        # On a connection that has served before, or on a new one.
                        if count % 2:
                            equal(server.ask("/", headers={"x-url": upstream.url + "/whole"})[0], 200)
                        check_cut(server, upstream, framing, count, how)
            equal(server.ask("/", headers={"x-url": upstream.url + "/whole"})[:2], (200, LENGTH[-20:]))
            assert server.descriptors() <= before + 1, (before, server.descriptors())


# ---- HTTP/2 ---------------------------------------------------------------------------------------------------------

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


FRAMES = (frame(4, 0, 0) + frame(4, 1, 0) + frame(1, 4, 1, b"\x88\x5c\x0220") + frame(0, 0, 1, b"0123456789") +
          frame(8, 0, 0, b"\0\0\x10\0") + frame(0, 1, 1, b"0123456789"))


class Frames(Upstream):
    """Sends `self.frames` to whoever asks over HTTP/2, and closes."""

    def __init__(self, cert, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.set_alpn_protocols(["h2"])
        super().__init__(None, context)
        self.frames, self.refusals = FRAMES, 0

    def serve(self, peer):
        try:
            peer = self.tls.wrap_socket(peer, server_side=True)
            file = peer.makefile("rb")
            file.read(24)
            kind = None
            while kind != 1:  # HEADERS
                lead = file.read(9)
                if len(lead) < 9:
                    return
                kind = lead[3]
                file.read(int.from_bytes(lead[:3], "big"))
            self.refusals -= 1
            refusal = frame(4, 0, 0) + frame(7, 0, 0, b"\0" * 8)  # GOAWAY: nothing was processed
            peer.sendall(refusal if self.refusals >= 0 else self.frames)
            peer = peer.unwrap()  # close_notify
            end_quietly(peer)
        except OSError:
            pass
        finally:
            peer.close()


def ask_frames(server, upstream, frames, patience="10000"):
    upstream.frames = frames
    return server.ask("/", headers={"x-url": upstream.url, "x-first-byte": patience, "x-between-bytes": patience})[:2]


def test_http2_cut_at_each_byte():
    cert, key = make_certificate()
    body = b"01234567890123456789"
    for name, server in each_guest("--allow-host", "127.0.0.1", "--egress-ca", cert):
        with server, Frames(cert, key) as upstream:
            equal(ask_frames(server, upstream, FRAMES), (200, body))
            for count in range(0, len(FRAMES), STEP):
                status, got = ask_frames(server, upstream, FRAMES[:count])
                where = (name, count, status, got)
                if status == 200:
                    assert got.startswith(b"INCOMPLETE") and body.startswith(got[11:]), where
                elif status == 502:
                    assert b"ConnectionTerminated" in got or b"HttpResponseIncomplete" in got, where
                else:
                    assert status in (0, 500), where
            equal(ask_frames(server, upstream, FRAMES), (200, body))


def test_http2_refusals():
    """What a server did not process goes out again, a few times."""
    cert, key = make_certificate()
    for name, server in each_guest("--allow-host", "127.0.0.1", "--egress-ca", cert):
        with server, Frames(cert, key) as upstream:
            for refusals, want in ((1, 200), (5, 200), (50, 502)):
                upstream.refusals = refusals
                equal((name, refusals, ask_frames(server, upstream, FRAMES)[0]), (name, refusals, want))


def test_http2_mutants():
    """Frames with bytes changed: whatever comes of the request, the next one is served."""
    cert, key = make_certificate()
    dice = random.Random(1)
    with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1", "--egress-ca", cert, "--workers", "1") as server:
        with Frames(cert, key) as upstream:
            for _ in range(300):
                frames = bytearray(FRAMES)
                for _ in range(dice.randint(1, 3)):
                    frames[dice.randrange(len(frames))] = dice.choice((0, 1, 4, 5, 8, 0x7f, 0x80, 0xff, dice.randrange(256)))
                ask_frames(server, upstream, bytes(frames), "200")
            equal(ask_frames(server, upstream, FRAMES), (200, b"01234567890123456789"))


def test_upstream_that_dies_while_it_reads():
    """It closes after each number of bytes of the request, whose body is larger than what kernels hold."""
    body = b"z" * 3_000_000
    with Server(guest("p2-fetch"), "--allow-host", "127.0.0.1", "--workers", "1") as server:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for count in (0, 1, 10, 50, 200, 65536, 1_000_000):
                for how in ("fin", "rst"):
                    answers = []
                    url = "http://127.0.0.1:%d/" % listener.getsockname()[1]
                    thread = threading.Thread(
                        target=lambda: answers.append(server.ask("/", "POST", body, {"x-url": url})))
                    thread.start()
                    peer = listener.accept()[0]
                    left = count
                    while left > 0:
                        left -= len(peer.recv(min(left, 65536)))
                    if how == "rst":
                        reset(peer)
                    peer.close()
                    thread.join()
                    assert answers[0][0] in (502, 500, 0), (count, how, answers)
                    if answers[0][0] == 502:
                        assert b"ConnectionTerminated" in answers[0][1], (count, how, answers)


def test_upstream_that_closes_idle_connections():
    """A request on a connection that the upstream just closed goes out again on a new one."""
    def once(peer, target):
        peer.sendall(LENGTH)
        reset(peer)
        return False
    for name in GUESTS:
        with Upstream(once) as upstream, Server(guest(name), "--allow-host", "127.0.0.1", "--workers", "1") as server:
            for _ in range(30 if SANITIZED else 200):
                equal(server.ask("/", headers={"x-url": upstream.url})[:2], (200, LENGTH[-20:]))


def test_connections_are_reused():
    for name in GUESTS:
        with Cutter() as upstream, Server(guest(name), "--allow-host", "127.0.0.1", "--workers", "1") as server:
            for _ in range(50):
                equal(server.ask("/", headers={"x-url": upstream.url + "/whole"})[:2], (200, LENGTH[-20:]))
            equal(upstream.connections, 1)


main([value for name, value in list(globals().items()) if name.startswith("test_")])
