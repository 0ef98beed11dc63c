#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTPS of `wash run` against curl, openssl s_client and Python's ssl: certificates good and bad, client
certificates, replacement under load, hostile peers."""
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import wash
from wash import contains, equal

DIR = tempfile.TemporaryDirectory(prefix="wash-tls-")


def path(name):
    return os.path.join(DIR.name, name)


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=DIR.name)


def make_ca(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".pem", "-subj", "/CN=" + name, "-days", "30")


def make_certificate(name, ca="ca", days="30", kind="ec"):
    """name.crt and name.key for localhost, issued by ca."""
    key = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    openssl("req", "-newkey", *key, "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
    with open(path("ext"), "w") as out:
        out.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
            "-out", name + ".crt", "-days", days, "-extfile", "ext")


def make_all():
    make_ca("ca")
    make_ca("other")
    for name in ["server", "next", "client"]:
        make_certificate(name)
    make_certificate("rsa", kind="rsa")
    make_certificate("intruder", ca="other")


class Https(wash.Server):
    scheme = "https"

    def __init__(self, *options, certificate="server", guest="p2-hello"):
        super().__init__(wash.guest(guest), "--tls-cert-path", path(certificate + ".crt"), "--tls-key-path",
                         path(certificate + ".key"), *options)

    def curl(self, *args, target="/", check=True):
        done = subprocess.run(["curl", "-sS", "--max-time", "30", "--cacert", path("ca.pem"), *args,
                               f"https://localhost:{self.port}{target}"], capture_output=True, timeout=60)
        if check:
            assert done.returncode == 0, done.stderr
        return done.returncode, done.stdout, done.stderr.decode()

    def s_client(self, *args, stdin=b"", timeout=30):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-CAfile", path("ca.pem"),
                               *args], input=stdin, capture_output=True, timeout=timeout)
        return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")

    def tls(self, context=None):
        context = context or client_context()
        return context.wrap_socket(self.connect(), server_hostname="localhost")

    def get(self, sock, target="/"):
        sock.sendall(f"GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        return read_answer(sock)


def client_context(certificate=None):
    context = ssl.create_default_context(cafile=path("ca.pem"))
    if certificate:
        context.load_cert_chain(path(certificate + ".crt"), path(certificate + ".key"))
    return context


def read_answer(sock):
    """One answer with a length or chunks: its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = sock.recv(65536)
        assert got, f"cut after {data!r:.200}"
        data += got
    head, body = data.split(b"\r\n\r\n", 1)
    length = re.search(rb"content-length: (\d+)", head)
    while len(body) < int(length.group(1)) if length else not body.endswith(b"0\r\n\r\n"):
        got = sock.recv(65536)
        assert got, "cut body"
        body += got
    return head.split(b"\r\n")[0] + b" " + body


def test_curl_gets_an_answer():
    with Https() as server:
        contains(server.output(), "serving on https://127.0.0.1:")
        for version in ["--tlsv1.2 --tls-max 1.2", "--tlsv1.3"]:
            _, body, _ = server.curl(*version.split())
            contains(body, b"ello")
        _, _, log = server.curl("-v", "--http1.1")
        contains(log, "ALPN: server accepted http/1.1")


def test_http2_is_agreed_on():
    body = os.urandom(3_000_000)
    with open(path("body"), "wb") as out:
        out.write(body)
    with Https(guest="p2-echo") as server:
        _, got, log = server.curl("-v", "--http2", "--data-binary", "@" + path("body"), target="/echo")
        contains(log, "ALPN: server accepted h2")
        contains(log, "HTTP/2 200")
        assert got == body, f"{len(got)} bytes"
        # Many on one connection.
        _, got, _ = server.curl("--http2", "-Z", "-d", "x", f"https://localhost:{server.port}/[1-60]")
        equal(got.count(b"x"), 61)
        text = server.s_client("-alpn", "h3", stdin=b"")
        contains(text, "no application protocol")


def test_rsa_certificates_serve_too():
    with Https(certificate="rsa") as server:
        contains(server.curl()[1], b"ello")


def test_bodies_pass_both_ways():
    body = os.urandom(3_000_000)
    with open(path("body"), "wb") as out:
        out.write(body)
    with Https(guest="p2-echo") as server:
        for extra in [[], ["-H", "transfer-encoding: chunked"], ["--tls-max", "1.2"]]:
            _, got, _ = server.curl("--http1.1", "--data-binary", "@" + path("body"), *extra, target="/echo")
            assert got == body, f"{len(got)} bytes"


def test_a_slow_reader_holds_little():
    with Https(guest="p2-echo") as server:
        sock = server.tls()
        # The client's receive buffer stays full: what the guest sends must wait, not pile up.
        sock.sendall(b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 40000000\r\n\r\n")
        sock.settimeout(0.5)
        sent, block = 0, bytes(100_000)
        try:
            while sent < 40_000_000:
                sent += sock.send(block)
        except (ssl.SSLError, TimeoutError):
            pass
        assert sent < 30_000_000, sent
        if not wash.SANITIZED:
            assert server.rss_kb() < 200_000, server.rss_kb()
        sock.close()
        contains(server.curl()[1], b"")


def test_connections_are_kept_and_pipelined():
    with Https() as server, server.tls() as sock:
        for _ in range(3):
            contains(server.get(sock), b"200 OK")
        request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
        sock.sendall(request * 40)
        data = b""
        while data.count(b"HTTP/1.1 200") < 40:
            got = sock.recv(65536)
            assert got
            data += got


def test_close_notify_ends_answers():
    with Https() as server, server.tls() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        data = b""
        # suppress_ragged_eofs is off for this: a cut would raise.
        sock.suppress_ragged_eofs = False
        while got := sock.recv(65536):
            data += got
        contains(data, b"200 OK")


def test_sessions_are_resumed():
    with Https("--workers", "2") as server:
        for version in ["-tls1_2", "-tls1_3"]:
            session = path("session" + version)
            request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            text = server.s_client(version, "-ign_eof", "-sess_out", session, stdin=request)
            contains(text, "New, TLSv1")
            text = server.s_client(version, "-ign_eof", "-sess_in", session, stdin=request)
            contains(text, "Reused, TLSv1")
            contains(text, "200 OK")


def test_old_protocols_and_weak_ciphers_are_refused():
    with Https() as server:
        for args in [["-tls1_1"], ["-tls1"], ["-tls1_2", "-cipher", "AES128-SHA"],
                     ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]]:
            text = server.s_client(*args, "-cipher" if "-cipher" not in args else "-quiet",
                                   *(["ALL:@SECLEVEL=0"] if "-cipher" not in args else []))
            assert "Cipher is (NONE)" in text or "alert" in text, text
        contains(server.curl()[1], b"ello")


def test_renegotiation_is_refused():
    with Https() as server:
        proc = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_2"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(1)
        proc.stdin.write(b"R\n")
        proc.stdin.flush()
        text = proc.communicate(timeout=30)[0].decode(errors="replace")
        contains(text, "RENEGOTIATING")
        contains(text, "no renegotiation")
        contains(server.curl()[1], b"ello")


def test_clients_must_show_a_certificate():
    with Https("--tls-ca-path", path("ca.pem"), guest="p2-hello") as server:
        good = ["--cert", path("client.crt"), "--key", path("client.key")]
        contains(server.curl(*good)[1], b"ello")
        contains(server.curl(*good, "--tls-max", "1.2")[1], b"ello")
        bad = ["--cert", path("intruder.crt"), "--key", path("intruder.key")]
        for args in [[], bad, ["--tls-max", "1.2"], bad + ["--tls-max", "1.2"]]:
            code, body, _ = server.curl(*args, check=False)
            assert code != 0 and body == b"", (args, code, body)
        log = server.output()
        contains(log, "the peer showed no certificate")
        contains(log, "the peer's certificate is refused: unable to get local issuer certificate")
        equal(log.count("the peer showed no certificate"), 1)
        # Nor may a session of somebody else's be resumed without it.
        contains(server.get(server.tls(client_context("client"))), b"200 OK")


def test_wrong_issuers_are_refused_by_clients_and_logged_once():
    with Https() as server:
        for _ in range(3):
            code, _, _ = server.curl("--cacert", path("other.pem"), check=False)
            equal(code, 60)
        equal(server.output().count("the peer refused"), 1)


def test_plain_http_gets_a_plain_answer():
    with Https() as server:
        answer = server.raw(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        contains(answer, b"400 Bad Request")
        contains(answer, b"this port speaks HTTPS")
        contains(server.output(), "what the peer sent is not TLS")


def hello():
    """A client's greeting."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def test_garbage_harms_nobody():
    first = hello()
    with Https() as server:
        steady = server.tls()
        rng = os.urandom(1 << 16)
        inputs = [b"\0" * 100, rng[:1000], b"\x16\x03\x01\xff\xff" + rng, b"\x16\x03\x01\x00\x00" * 50, first + rng[:100],
                  first * 2, b"\x15\x03\x01\x00\x02\x02\x28", b"\x80\x2e\x01\x00\x02" + rng[:60]]
        inputs += [first[:n] for n in range(0, len(first), 7)]
        for data in inputs:
            with server.connect() as sock:
                try:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass
                except OSError:
                    pass
        contains(server.get(steady), b"200 OK")
        contains(server.curl()[1], b"ello")


def test_truncated_sessions_end():
    with Https() as server:
        before = server.descriptors()
        for _ in range(20):
            sock = server.tls()
            sock.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
            # TCP ends without close_notify.
            raw = socket.socket(fileno=sock.detach())
            raw.close()
        equal(server.descriptors(), before)


def test_stalled_handshakes_are_ended():
    with Https() as server:
        started = time.monotonic()
        sock = server.connect()
        sock.sendall(hello()[:50])
        contains(server.curl()[1], b"ello")
        equal(sock.recv(1), b"")
        took = time.monotonic() - started
        assert 8 < took < 15, took
        contains(server.output(), "not finished in time")


def served_serial(server):
    with server.tls() as sock:
        return sock.getpeercert()["serialNumber"]


def install(name):
    """Replaces live.crt and live.key as tools do: the certificate first, then its key."""
    for kind in [".crt", ".key"]:
        with open(path(name + kind), "rb") as source, open(path("tmp"), "wb") as out:
            out.write(source.read())
        os.replace(path("tmp"), path("live" + kind))


def wait_until(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


class Load(threading.Thread):
    """Requests on new connections and on kept ones, until stopped."""

    def __init__(self, server):
        super().__init__()
        self.server, self.done, self.count, self.failures = server, False, 0, []
        self.start()

    def run(self):
        context = client_context()
        kept = self.server.tls(context)
        while not self.done:
            try:
                with self.server.tls(context) as sock:
                    contains(self.server.get(sock), b"200 OK")
                contains(self.server.get(kept), b"200 OK")
                self.count += 2
            except Exception as failure:
                self.failures.append(repr(failure))
                if len(self.failures) > 5:
                    return


def test_certificates_are_replaced_under_load():
    install("server")
    with Https("--workers", "2", certificate="live") as server:
        first = served_serial(server)
        kept = server.tls()
        loads = [Load(server) for _ in range(3)]
        time.sleep(0.5)
        install("next")
        # By itself, without a signal.
        wait_until(lambda: served_serial(server) != first)
        second = served_serial(server)
        install("server")
        server.proc.send_signal(signal.SIGHUP)
        wait_until(lambda: all(served_serial(server) == first for _ in range(8)), 5)
        time.sleep(0.5)
        for load in loads:
            load.done = True
        for load in loads:
            load.join(30)
            equal(load.failures, [])
            assert load.count > 20, load.count
        assert second != first
        contains(server.get(kept), b"200 OK")
        equal(kept.getpeercert()["serialNumber"], first)
        contains(server.output(), "TLS certificate read again, valid until 2")


def test_a_bad_replacement_leaves_the_old_one():
    install("server")
    with Https(certificate="live") as server:
        first = served_serial(server)
        with open(path("live.key"), "w") as out:
            out.write("nonsense")
        wait_until(lambda: "not read again" in server.output())
        contains(server.output(), "Failed to parse private key file: " + path("live.key"))
        equal(served_serial(server), first)
        install("next")
        wait_until(lambda: served_serial(server) != first)


def test_files_that_cannot_be_used_stop_the_start():
    with open(path("empty.pem"), "w"):
        pass
    crt, key = path("server.crt"), path("server.key")
    for args, words in [
            ([path("nope"), key], "TLS certificate file does not exist: " + path("nope")),
            ([crt, path("nope")], "TLS private key file does not exist: " + path("nope")),
            ([path("empty.pem"), key], "No certificates found in file: " + path("empty.pem")),
            ([crt, path("next.key")], "does not belong to the certificate"),
            ([crt, key, "--tls-ca-path", path("empty.pem")], "No certificates found in file: " + path("empty.pem"))]:
        code, _, err = wash.run("run", "--addr", "127.0.0.1:0", "--tls-cert-path", args[0], "--tls-key-path", *args[1:],
                                wash.guest("p2-hello"))
        equal(code, 1)
        contains(err, words)
    for args in [["--tls-cert-path", crt], ["--tls-key-path", key], ["--tls-ca-path", crt]]:
        code, _, err = wash.run("run", "--addr", "127.0.0.1:0", *args, wash.guest("p2-hello"))
        equal(code, 1)
        contains(err, f"`{args[0]}` needs `--tls-")


def test_expired_certificates_are_told():
    make_certificate("soon", days="3")
    with Https(certificate="soon") as server:
        contains(server.output(), "TLS certificate expires on 20")
        contains(server.curl()[1], b"ello")


def test_dev_serves_https():
    port = wash.free_port()
    project = os.path.join(DIR.name, "project")
    os.makedirs(os.path.join(project, ".wash"))
    with open(os.path.join(project, ".wash", "config.yaml"), "w") as out:
        out.write(f"build:\n  command: cp {wash.guest('p2-hello')} out.wasm\n  component_path: out.wasm\n"
                  f"dev:\n  address: 127.0.0.1:{port}\n  tls_cert_path: ../server.crt\n  tls_key_path: ../server.key\n"
                  "  tls_ca_path: ../ca.pem\n")
    with tempfile.TemporaryFile() as log:
        proc = subprocess.Popen([wash.WASH, "-C", project, "dev"], stdout=log, stderr=log, env=wash.environment())
        try:
            text = lambda: os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace")
            wait_until(lambda: "listening for HTTP requests" in text(), 60)
            contains(text(), f"address=https://127.0.0.1:{port}")
            url = f"https://localhost:{port}/"
            curl = ["curl", "-sS", "--cacert", path("ca.pem")]
            certificate = ["--cert", path("client.crt"), "--key", path("client.key")]
            contains(subprocess.run(curl + certificate + [url], capture_output=True).stdout, b"ello")
            assert subprocess.run(curl + [url], capture_output=True).returncode != 0
        finally:
            proc.send_signal(signal.SIGINT)
            equal(proc.wait(60), 0)


def test_draining_ends_idle_sessions():
    with Https() as server:
        sock = server.tls()
        contains(server.get(sock), b"200 OK")
        sock.suppress_ragged_eofs = False
        server.proc.terminate()
        equal(sock.recv(10), b"")
        equal(server.proc.wait(20), 0)


if __name__ == "__main__":
    make_all()
    wash.main([value for name, value in list(globals().items()) if name.startswith("test_")])
