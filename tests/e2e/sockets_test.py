#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guests with sockets of their own under `wash run`."""
import os
import socket
import subprocess
import time

from wash import WASH, contains, environment, equal, free_port, guest, main, run


class Service:
    """The echo service, until the end of the with block."""

    def __init__(self):
        self.port = free_port()
        self.proc = subprocess.Popen(
            [WASH, "run", "--inherit-network", "--env", f"PORT={self.port}", guest("p2-tcp-echo")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        equal(self.proc.stdout.readline(), f"listening on 127.0.0.1:{self.port}\n".encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.communicate()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(65536)
        assert part, f"{len(data)} of {count} bytes came"
        data += part
    return data


def test_peers_are_served_side_by_side():
    with Service() as service, service.connect() as one, service.connect() as two:
        for _ in range(3):
            two.sendall(b"second")
            equal(read_exactly(two, 6), b"second")
            one.sendall(b"first")
            equal(read_exactly(one, 5), b"first")


def test_bytes_stay_in_order():
    blob = os.urandom(1 << 20)
    with Service() as service, service.connect() as sock:
        for at in range(0, len(blob), 4096):
            sock.sendall(blob[at:at + 4096])
            equal(read_exactly(sock, 4096), blob[at:at + 4096])


def test_connections_leave_no_descriptors_behind():
    with Service() as service:
        def ask():
            with service.connect() as sock:
                sock.sendall(b"x")
                equal(sock.recv(10), b"x")
        ask()
        time.sleep(0.3)
        before = service.descriptors()
        for _ in range(200):
            ask()
        end = time.monotonic() + 10
        while service.descriptors() > before and time.monotonic() < end:
            time.sleep(0.05)
        equal(service.descriptors(), before)


def test_port_of_a_stopped_service_is_free_at_once():
    with Service() as service, service.connect() as sock:
        port = service.port
        sock.sendall(b"x")
        equal(sock.recv(10), b"x")
        service.proc.kill()
        service.proc.wait()
        again = subprocess.Popen(
            [WASH, "run", "--inherit-network", "--env", f"PORT={port}", guest("p2-tcp-echo")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        try:
            equal(again.stdout.readline(), f"listening on 127.0.0.1:{port}\n".encode())
        finally:
            again.kill()
            again.communicate()


def test_nothing_is_bound_unless_allowed():
    port = free_port()
    code, out, err = run("--log-level", "debug", "run", "--env", f"PORT={port}", guest("p2-tcp-echo"))
    equal((code, out), (1, b""))
    contains(err, "access-denied")
    contains(err, f"the guest may not bind a TCP socket to 127.0.0.1:{port}; `--inherit-network` would allow it")


main([v for k, v in list(globals().items()) if k.startswith("test_")])
