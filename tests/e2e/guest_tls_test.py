#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guests that speak TLS over sockets of their own (wasi:tls), against Python's ssl and `openssl s_server`."""
import os
import socket
import ssl
import subprocess
import tempfile
import threading

from wash import Skip, contains, equal, guest, main, run

DIR = tempfile.TemporaryDirectory(prefix="wash-guest-tls-")


def path(name):
    return os.path.join(DIR.name, name)


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=DIR.name)


def make_certificates():
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *key, "-keyout", name + ".key", "-out", name + ".pem", "-subj", "/CN=" + name)
    with open(path("ext"), "w") as out:
        out.write("subjectAltName=DNS:localhost,DNS:*.b.example,IP:127.0.0.1\n")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
            "server.crt", "-extfile", "ext")


class Peer:
    """Serves one connection after another with `talk(stream)`; `names` are those that clients asked for."""

    def __init__(self, talk, version=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path("server.crt"), path("server.key"))
        self.names, self.failures = [], []
        self.context.sni_callback = lambda stream, name, context: self.names.append(name)
        if version:
            self.context.maximum_version = version
        self.talk = talk
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.socket.getsockname()[1])
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                plain = self.socket.accept()[0]
                with self.context.wrap_socket(plain, server_side=True) as stream:
                    self.talk(stream)
            except (ssl.SSLError, ConnectionError) as why:
                self.failures.append(str(why))
            except OSError:
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def read_all(stream):
    return b"".join(iter(lambda: stream.recv(65536), b""))


def upper(stream):
    """Answers when the client has ended its side."""
    stream.sendall(read_all(stream).upper())
    stream.unwrap()


def talk(command, peer, name="localhost", text=b"hello", options=("--inherit-network",), ca="ca"):
    return run("run", *options, "--egress-ca", path(ca + ".pem"), guest(command), "--", "127.0.0.1", peer.port, name,
               stdin=text, timeout=60)


def both_versions_of_the_protocol(command):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with Peer(upper, version) as peer:
            equal(talk(command, peer), (0, b"HELLO", ""))
            equal(peer.names, ["localhost"])


def much_text(command):
    text = b"the quick brown fox jumps over the lazy dog. " * 20000
    with Peer(upper) as peer:
        code, out, errors = talk(command, peer, text=text)
        equal((code, len(out), errors), (0, len(text), ""))
        equal(out, text.upper())


def names(command):
    with Peer(upper) as peer:
        for name in ("localhost.", "a.b.example", "127.0.0.1"):
            equal(talk(command, peer, name), (0, b"HELLO", ""))
        equal(peer.names, ["localhost", "a.b.example", None])  # an address is none: RFC 6066 section 3
        for name in ("a.a.b.example", "b.example", "127.0.0.2"):
            code, out, errors = talk(command, peer, name)
            equal((code, out), (1, b""))
            contains(errors, "TLS handshake: the peer's certificate is refused: ")
            contains(errors, "mismatch")


def authorities(command):
    with Peer(upper) as peer:
        code, out, errors = talk(command, peer, ca="other")
        equal((code, out), (1, b""))
        contains(errors, "the peer's certificate is refused")
        assert peer.failures and "alert" in peer.failures[0].lower(), peer.failures


def an_answer_that_is_cut(command):
    def cut(stream):
        stream.recv(100)
        stream.sendall(b"half an ans")
        stream.shutdown(socket.SHUT_RDWR)  # of the connection below, without close_notify

    with Peer(cut) as peer:
        code, out, errors = talk(command, peer)
        equal((code, out), (1, b"half an ans"))
        contains(errors, "TLS: the connection was cut")


def sockets_keep_their_rules(command):
    with Peer(upper) as peer:
        code, _, errors = talk(command, peer, options=())
        equal(code, 1)
        contains(errors.lower().replace("-", ""), "accessdenied")


def ends_in_the_middle(command):
    """Of the handshake with a server that says nothing, and of an answer that never comes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, out, errors = run("run", "--inherit-network", "--timeout", "300ms", guest(command), "--", "127.0.0.1",
                                str(silent.getsockname()[1]), "localhost", timeout=60)
        equal((code, out), (134, b""))
        contains(errors, "time")
    with Peer(lambda stream: stream.recv(1) and read_all(stream)) as peer:
        code, out, errors = talk(command, peer, options=("--inherit-network", "--timeout", "300ms"))
        equal(out, b"")


def each(check):
    """A test for the guest of each version of WASI."""
    tests = []
    for command in ("p2-tls", "p3-tls"):
        def test(command=command):
            check(command)
        test.__name__ = f"test_{command[:2]}_{check.__name__}"
        tests.append(test)
    return tests


def test_openssl_serves():
    server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", path("server.crt"), "-key",
                               path("server.key"), "-rev", "-naccept", "1"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    try:
        for line in server.stdout:
            if line.startswith("ACCEPT"):
                break
        else:
            raise Skip("openssl does not say where it listens")
        port = line.strip().rsplit(":", 1)[1]
        code, out, errors = run("run", "--inherit-network", "--egress-ca", path("ca.pem"), guest("p2-tls"), "--",
                                "127.0.0.1", port, "localhost", stdin=b"hello\n", timeout=60)
        equal((code, out, errors), (0, b"olleh\n", ""))
    finally:
        server.kill()
        server.wait()


make_certificates()
main([test for check in (both_versions_of_the_protocol, much_text, names, authorities, an_answer_that_is_cut,
                         sockets_keep_their_rules, ends_in_the_middle) for test in each(check)] + [test_openssl_serves])
