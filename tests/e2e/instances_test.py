#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which instance serves a request: fresh, reset and pooled ones."""
import threading
import time

from wash import Server, contains, equal, guest, main


def visit(server, path="/"):
    """(instance, its visits, those under way)"""
    status, body, _ = server.ask(path)
    assert status == 200, (status, body)
    return tuple(int(word) for word in body.split())


def at_once(server, paths):
    """Asks for all paths at the same time."""
    answers = [None] * len(paths)

    def ask(index):
        answers[index] = visit(server, paths[index])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def fresh(*options):
    with Server(guest("p2-visits"), "--workers", "1", *options) as server:
        for _ in range(30):
            equal(visit(server)[1], 1)
        equal({answer[1] for answer in at_once(server, ["/wait?ms=100"] * 10 + ["/"] * 10)}, {1})
        for _ in range(30):
            equal(visit(server)[1], 1)


def test_each_request_of_0_2_has_a_fresh_instance():
    fresh()


def test_a_new_one_without_reset():
    fresh("--no-reset")


def test_fresh_after_traps_and_growth():
    with Server(guest("p2-visits"), "--workers", "1") as server:
        for _ in range(5):
            equal(visit(server, "/grow?pages=3")[1], 1)
            equal(server.ask("/trap")[0], 500)
            equal(visit(server)[1], 1)


def test_pooled_0_2_serves_one_request_at_a_time():
    with Server(guest("p2-visits"), "--workers", "1", "--pool-size", "2", "--max-invocations", "5",
                "--instance-idle", "60s") as server:
        first = [visit(server) for _ in range(5)]
        equal([answer[1] for answer in first], [1, 2, 3, 4, 5])
        equal(len({answer[0] for answer in first}), 1)
        second = visit(server)
        assert second[0] != first[0][0] and second[1] == 1, (first, second)
        # More at once than there are in the pool: the others are fresh, and serve just that one.
        crowd = at_once(server, ["/wait?ms=300"] * 6)
        assert len({answer[0] for answer in crowd}) == 6, crowd


def test_a_trap_retires_its_instance():
    with Server(guest("p2-visits"), "--workers", "1", "--pool-size", "1",
                "--instance-idle", "60s") as server:
        before = [visit(server) for _ in range(2)]
        equal(server.ask("/trap")[0], 500)
        after = visit(server)
        assert after[0] != before[0][0] and after[1] == 1, (before, after)


def test_a_time_out_retires_its_instance():
    with Server(guest("p2-visits"), "--workers", "1", "--pool-size", "1", "--timeout", "300ms",
                "--instance-idle", "60s") as server:
        before = visit(server)
        equal(server.ask("/wait?ms=60000")[0], 504)
        after = visit(server)
        assert after[0] != before[0] and after[1] == 1, (before, after)


def test_pooled_0_3_is_shared():
    with Server(guest("p3-visits"), "--workers", "1", "--max-concurrency", "4",
                "--max-invocations", "10", "--instance-idle", "60s") as server:
        crowd = at_once(server, ["/wait?ms=500"] * 8)
        equal(len({answer[0] for answer in crowd}), 2)
        equal(max(answer[2] for answer in crowd), 4)
        more = [visit(server) for _ in range(30)]
        assert max(answer[1] for answer in more) <= 10, more


def test_idle_ones_end():
    with Server(guest("p3-visits"), "--workers", "1", "--instance-idle", "200ms") as server:
        first = visit(server)
        equal(visit(server)[0], first[0])
        time.sleep(1)
        after = visit(server)
        assert after[0] != first[0] and after[1] == 1, (first, after)


def test_0_3_fresh_when_asked_for():
    with Server(guest("p3-visits"), "--workers", "1", "--fresh-instances") as server:
        for _ in range(30):
            equal(visit(server)[1], 1)
        equal({answer[1] for answer in at_once(server, ["/wait?ms=100"] * 10)}, {1})
        equal(server.ask("/trap")[0], 500)
        equal(visit(server)[1], 1)


def test_more_than_there_may_be_are_refused():
    for name, options in (("p2-visits", ()), ("p3-visits", ("--max-concurrency", "1"))):
        with Server(guest(name), "--workers", "1", "--max-instances", "3", *options) as server:
            statuses = []
            threads = [threading.Thread(target=lambda: statuses.append(server.ask("/wait?ms=1000")[0]))
                       for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(sorted(statuses), [200] * 3 + [503] * 3)
            contains(server.output(), "instance limit of 3 instances (--max-instances) reached")
            equal(visit(server)[1] > 0, True)


main([v for k, v in list(globals().items()) if k.startswith("test_")])
