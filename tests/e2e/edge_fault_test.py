#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faults at the HTTP edge: clients that vanish, descriptors that run out, slow readers, idle connections, many requests, the end.

WASH_FULL=1 runs them in full size: every byte, 10,000 connections, a million requests (minutes)."""
import os
import resource
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from wash import SANITIZED, Server, Skip, contains, equal, guest, main

FULL = os.environ.get("WASH_FULL") == "1"
REQUEST = (b"POST /a?b=c HTTP/1.1\r\nhost: a.example\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n"
           b"5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nx-t: 1\r\n\r\n")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
# :method POST, :scheme http, :path /, :authority a.example
HEADS = b"\x83\x86\x84\x41\x09a.example"
RESET = struct.pack("ii", 1, 0)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


H2_REQUEST = PREFACE + frame(1, 4, 1, HEADS) + frame(0, 0, 1, b"hello") + frame(6, 0, 0, bytes(8)) + frame(0, 1, 1, b"you")


def vanish(sock, reset):
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def still_serves(server):
    equal(server.ask("/", "POST", b"alive")[:2], (200, b"alive"))


def cuts(length, sampled):
    return range(0, length + 1, 1 if FULL else sampled)


def cut_everywhere(server, request, sampled=1):
    before = server.descriptors()
    for at in cuts(len(request), sampled):
        for reset in (True, False):
            sock = server.connect()
            sock.sendall(request[:at])
            if at % 3 == 0:
                time.sleep(0.001)  # the server has seen it
            vanish(sock, reset)
    still_serves(server)
    assert server.descriptors() <= before, "descriptors are left"


def test_clients_vanish_at_every_byte_of_a_request():
    with Server(guest("p2-echo")) as server:
        cut_everywhere(server, REQUEST)


def test_clients_vanish_at_every_byte_of_an_h2_request():
    with Server(guest("p2-echo")) as server:
        cut_everywhere(server, H2_REQUEST)


def test_clients_vanish_at_every_byte_of_an_answer():
    with Server(guest("p2-echo")) as server:
        request = REQUEST.replace(b"te: trailers", b"connection: close")
        whole = server.raw(request)
        before = server.descriptors()
        for at in cuts(len(whole), 3):
            sock = server.connect()
            sock.sendall(request)
            got = 0
            while got < at and (part := sock.recv(at - got)):
                got += len(part)
            vanish(sock, True)
        still_serves(server)
        assert server.descriptors() <= before


def tls_files(folder):
    key, cert = os.path.join(folder, "key"), os.path.join(folder, "cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", cert, "-subj", "/CN=localhost", "-days", "2"], check=True, capture_output=True)
    return ["--tls-cert-path", cert, "--tls-key-path", key]


class TlsServer(Server):
    scheme = "https"


def tls_context(*protocols):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context


def tls_exchange(server, context, request, limit):
    """Sends at most so many bytes of the handshake and the request under it. True when that was all."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    steps = [session.do_handshake, lambda: session.write(request), lambda: session.read(1)]
    with server.connect() as sock:
        sent, vanished = 0, False
        while steps and not vanished:
            try:
                steps[0]()
                steps.pop(0)
            except ssl.SSLWantReadError:
                pass
            data = outgoing.read()
            vanished = sent + len(data) > limit
            data = data[:limit - sent]
            sock.sendall(data)
            sent += len(data)
            if steps and not vanished and not data:
                incoming.write(sock.recv(65536))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return not vanished


def test_clients_vanish_under_tls():
    with tempfile.TemporaryDirectory() as folder, TlsServer(guest("p2-echo"), *tls_files(folder)) as server:
        for protocol, request in (("http/1.1", REQUEST), ("h2", H2_REQUEST)):
            context, limit, before = tls_context(protocol), 0, server.descriptors()
            while not tls_exchange(server, context, request, limit):
                limit += 1 if FULL else 29
            assert limit > 300, limit
            assert server.descriptors() <= before


def cpu_seconds(server):
    fields = open(f"/proc/{server.proc.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer_of(sock, seconds):
    sock.settimeout(seconds)
    try:
        return sock.recv(65536)
    except TimeoutError:
        return None
    except OSError:
        return b""


def test_descriptors_run_out():
    get = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    with Server(guest("p2-hello"), "--workers", "1") as server:
        still_open = server.connect()
        still_open.sendall(get)
        contains(answer_of(still_open, 20), b"200 OK")
        used = server.descriptors()
        resource.prlimit(server.proc.pid, resource.RLIMIT_NOFILE, (used + 8, resource.prlimit(server.proc.pid, resource.RLIMIT_NOFILE)[1]))
        # They hold their descriptors, as their requests never end.
        holders = [server.connect() for _ in range(30)]
        for sock in holders:
            sock.sendall(get[:-2])
        time.sleep(1)
        cpu = cpu_seconds(server)
        time.sleep(1)
        assert cpu_seconds(server) - cpu < 0.5, "it spins"
        # One that was idle may have made room; all others are served once there is.
        late = server.connect()
        late.sendall(get)
        equal(answer_of(late, 0.5), None)
        for sock in holders:
            vanish(sock, True)
        contains(answer_of(late, 20), b"200 OK")
        late.close()
        still_open.close()
        for _ in range(20):
            equal(server.ask()[0], 200)


def test_slow_readers_hold_little():
    with Server(guest("p2-rogue"), "--workers", "1") as server:
        server.ask("/flood?mib=10")
        before = server.rss_kb()
        readers = [server.connect() for _ in range(20)]
        for sock in readers:
            sock.sendall(b"GET /flood?mib=100 HTTP/1.1\r\nhost: x\r\n\r\n")
        for _ in range(20):
            for sock in readers:
                sock.recv(1000)
            equal(server.ask()[0], 200)
        grown = server.rss_kb() - before
        assert SANITIZED or grown < 20 * 2048, f"{grown} KB for 20 readers"
        for sock in readers:
            vanish(sock, True)
        equal(server.ask()[0], 200)


def test_slow_readers_end():
    if not FULL:
        raise Skip("takes more than a minute (WASH_FULL=1)")
    with Server(guest("p2-rogue"), "--workers", "1") as server, server.connect() as sock:
        before = server.descriptors()
        sock.sendall(b"GET /flood?mib=100 HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(70)  # at first the peer's kernel takes some
        assert server.descriptors() < before, "it still waits for a peer that takes nothing"


def allow_files(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Skip(f"only {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def test_idle_connections():
    count = 10000 if FULL else 1000
    allow_files(count + 500)
    with Server(guest("p2-hello"), "--workers", "1") as server:
        start, before = server.descriptors(), server.rss_kb()
        idle = []
        for _ in range(count):
            sock = server.connect()
            sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            idle.append(sock)
            contains(sock.recv(4096), b"200 OK")
        each = (server.rss_kb() - before) / count
        print(f"# {count} idle connections: {each:.1f} KB each", flush=True)
        assert SANITIZED or each < 8, f"{each} KB each"
        idle[0].sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        contains(idle[0].recv(4096), b"200 OK")
        for sock in idle:
            sock.close()
        equal(server.descriptors(), start)


def pipeline(server, count):
    """So many requests over one connection, a hundred at a time."""
    batch = 100
    request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * batch
    with server.connect() as sock:
        for _ in range(count // batch):
            sock.sendall(request)
            seen, tail = 0, b""
            while seen < batch:
                part = sock.recv(1 << 18)
                assert part, "closed early"
                data = tail + part
                seen += data.count(b"HTTP/1.1 200 OK")
                tail = data[-14:] if not data[-14:].count(b"HTTP/1.1 200 OK") else b""
            while not data.endswith(b"\n"):
                data = sock.recv(65536)


def test_many_requests():
    count = 1_000_000 if FULL else 20_000 if SANITIZED else 100_000
    with Server(guest("p2-hello"), "--workers", "1") as server:
        pipeline(server, count // 10)
        memory, files, start = server.rss_kb(), server.descriptors(), time.monotonic()
        for _ in range(10):
            pipeline(server, count // 10)
            equal(server.ask()[0], 200)
        took, grown = time.monotonic() - start, server.rss_kb() - memory
        equal(server.descriptors(), files)
        print(f"# {count} requests in {took:.1f} s: {memory} KB before, {grown:+} KB after, {files} descriptors", flush=True)
        assert SANITIZED or grown < 1024, f"{grown} KB more"


def end_softly(server):
    server.proc.send_signal(signal.SIGTERM)
    # New connections are refused from some moment on.
    for _ in range(200):
        try:
            server.connect().close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("it still listens")


def test_running_requests_end_when_it_drains():
    with Server(guest("p2-echo")) as server:
        idle, sock = server.connect(), server.connect()
        idle.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        contains(answer_of(idle, 20), b"200 OK")
        sock.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\nexpect: 100-continue\r\n\r\n")
        contains(answer_of(sock, 20), b"HTTP/1.1 ")  # the component has it
        sock.sendall(b"abc")
        end_softly(server)
        equal(answer_of(idle, 20), b"")
        equal(server.proc.poll(), None)
        sock.sendall(b"def")
        data = b""
        while part := answer_of(sock, 20):
            data += part
        contains(data, b"abc"[:1])
        assert data.rstrip().endswith((b"def", b"0")), data
        equal(server.proc.wait(20), 0)


def frames(sock):
    """Of what comes until the connection ends: kind, stream, payload."""
    data = b""
    sock.settimeout(20)
    while part := sock.recv(65536):
        data += part
        while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
            yield data[3], int.from_bytes(data[5:9], "big"), data[9:9 + size]
            data = data[9 + size:]


def test_running_streams_end_when_it_drains():
    with Server(guest("p2-echo")) as server, server.connect() as sock:
        sock.sendall(PREFACE + frame(1, 4, 1, HEADS) + frame(0, 0, 1, b"abc"))
        came = frames(sock)
        while next(came)[0] != 1:  # the head of the answer
            pass
        end_softly(server)
        goaways, body = [], b""
        for kind, stream, payload in came:
            if kind == 7:
                goaways.append(struct.unpack(">II", payload[:8]))
                if len(goaways) == 1:
                    sock.sendall(frame(0, 1, 1, b"def"))
            elif kind == 6:
                sock.sendall(frame(6, 1, 0, payload))
            elif kind == 0 and stream == 1:
                body += payload
        equal(body, b"abcdef")
        equal((goaways[0], goaways[-1]), ((0x7fffffff, 0), (1, 0)))
        equal(server.proc.wait(20), 0)


def test_what_does_not_end_is_cut():
    if not FULL:
        raise Skip("takes the drain time (WASH_FULL=1); src/http/server_test.c has it on a virtual clock")
    with Server(guest("p2-echo")) as server, server.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc")
        time.sleep(0.5)
        end_softly(server)
        equal(server.proc.wait(60), 0)


def test_two_signals_do_not_hang():
    with Server(guest("p2-echo")) as server, server.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc")
        threading.Timer(0.3, vanish, (sock.dup(), True)).start()
        time.sleep(0.1)
        server.proc.send_signal(signal.SIGTERM)
        sock.close()
        equal(server.proc.wait(30), 0)


main([value for name, value in list(globals().items()) if name.startswith("test_")])
