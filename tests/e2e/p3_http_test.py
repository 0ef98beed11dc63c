#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Handlers of WASI 0.3 under `wash run`."""
import os
import socket
import threading

from wash import Server, equal, guest, main


def test_hello_in_c():
    with Server(guest("c-p3-hello")) as server:
        equal(server.ask()[:2], (200, b"hello from c p3\n"))


def test_one_instance_after_another():
    with Server(guest("c-p3-hello"), "--workers", "1") as server:
        for _ in range(300):  # more than one instance serves
            equal(server.ask()[:2], (200, b"hello from c p3\n"))


def test_echo_of_bodies_at_once():
    blob = os.urandom(1 << 20)
    with Server(guest("p3-echo"), "--workers", "1") as server:
        answers = []

        def ask(path):
            answers.append(server.ask(path, "POST", blob)[:2] == (200, blob))

        threads = [threading.Thread(target=ask, args=(path,)) for path in ("/", "/copy") * 10]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(answers, [True] * 20)


def test_peers_that_go_away_leave_the_others_alone():
    with Server(guest("p3-echo"), "--workers", "1") as server:
        for path in (b"/", b"/copy"):
            for size in range(0, 60000, 3000):
                with socket.create_connection(("127.0.0.1", server.port)) as peer:
                    peer.sendall(b"POST " + path + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\n" + b"x" * size)
            equal(server.ask(path.decode(), "POST", b"abc")[:2], (200, b"abc"))


main([v for k, v in list(globals().items()) if k.startswith("test_")])
