#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gRPC's own client (Python package grpcio) against h2-serve: unary calls, streams both ways, refusals, cancelling.
Messages are bytes; no protobuf is needed. Skipped without the package."""
import queue
import subprocess
import sys

try:
    import grpc
except ImportError:
    print("1..0 # SKIP there is no Python package grpcio")
    sys.exit(0)

TIMEOUT = 30


def unary(channel):
    call = channel.unary_unary("/svc/echo")
    for size in [0, 1, 1000, 1_000_000]:
        assert call(b"x" * size, timeout=TIMEOUT) == b"x" * size


def many_at_once(channel):
    call = channel.unary_unary("/svc/echo")
    futures = [call.future(b"%d" % i, timeout=TIMEOUT) for i in range(300)]
    assert [f.result() for f in futures] == [b"%d" % i for i in range(300)]


def streams_both_ways(channel):
    messages = queue.Queue()
    answers = channel.stream_stream("/svc/echo")(iter(messages.get, None), timeout=TIMEOUT)
    for i in range(200):
        messages.put(b"message %d" % i)
        assert next(answers) == b"message %d" % i
    messages.put(None)
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK


def refusal_in_the_head(channel):
    try:
        channel.unary_unary("/svc/no")(b"x", timeout=TIMEOUT)
    except grpc.RpcError as error:
        assert (error.code(), error.details()) == (grpc.StatusCode.UNIMPLEMENTED, "no")
    else:
        raise AssertionError("no refusal")


def cancelling(channel):
    for _ in range(20):
        messages = queue.Queue()
        answers = channel.stream_stream("/svc/echo")(iter(messages.get, None), timeout=TIMEOUT)
        messages.put(b"one")
        assert next(answers) == b"one"
        answers.cancel()
        messages.put(None)
    assert channel.unary_unary("/svc/echo")(b"after", timeout=TIMEOUT) == b"after"


def main():
    tests = [unary, many_at_once, streams_both_ways, refusal_in_the_head, cancelling]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    with subprocess.Popen([sys.argv[1], "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as serve:
        address = serve.stdout.readline().strip()
        for number, test in enumerate(tests, 1):
            with grpc.insecure_channel(address) as channel:
                try:
                    test(channel)
                    print(f"ok {number} - {test.__name__}", flush=True)
                except (AssertionError, grpc.RpcError) as why:
                    failed += 1
                    print(f"# {why!r}\nnot ok {number} - {test.__name__}", flush=True)
        serve.terminate()
    sys.exit(failed > 0 or serve.returncode != 0)


main()
