#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Raw requests against `wash run`, and against other servers where they are installed.

corpus.jsonl has an object per line: the bytes (latin-1; [text, n] is text n times), the verdict of ours, those that other
servers gave when it was recorded, and the reason of ours. A verdict is the statuses of what was answered, `cut` for an answer that broke off, `close` for a connection that
was closed without an answer, `wait` for one whose server waits for more. Where `framing` is true the case is about where a
message ends: if two servers disagree there, ours must refuse, as a request could be smuggled past one of them.

run.py            ours, and the others that are installed
run.py --record   writes the others' verdicts into the corpus"""
import concurrent.futures
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))
import wash  # noqa: E402

CORPUS = os.path.join(HERE, "corpus.jsonl")
SILENCE_SECONDS = 1.5
AT_ONCE = 16

NGINX = """daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events {{ }}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{back}; proxy_http_version 1.1; }} }}
  server {{ listen 127.0.0.1:{back}; location / {{ return 200 ok; }} }}
}}
"""
NODE = """require('http').createServer((q, r) => { q.resume(); q.on('end', () => r.end('ok')); }).listen(+process.argv[1], '127.0.0.1')
"""


def bytes_of(request):
    return b"".join((p if isinstance(p, str) else p[0] * p[1]).encode("latin-1") for p in request)


def take_chunks(data):
    """What is behind a chunked body, or None when it is not complete."""
    while True:
        line, found, data = data.partition(b"\r\n")
        if not found:
            return None
        size = int(line.split(b";")[0], 16)
        if len(data) < size + 2:
            return None
        data = data[size + 2:] if size else data
        if size == 0:
            return data[2:] if data.startswith(b"\r\n") else data.partition(b"\r\n\r\n")[2]


def behind_body(data, fields):
    """What is behind an answer's body; None when the body is not complete."""
    if b"transfer-encoding" in fields:
        return take_chunks(data)
    length = int(fields.get(b"content-length", b"0"))
    return data[length:] if len(data) >= length else None


def verdict_of(data, closed):
    statuses = []
    while data and data.startswith(b"HTTP/"):
        head, found, data = data.partition(b"\r\n\r\n")
        if not found:
            break
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        statuses.append(head.split(b" ")[1].decode())
        if statuses[-1] not in ("100", "204", "304"):
            data = behind_body(data, fields)
        if data is None:
            statuses[-1] = "cut" if closed else "wait"
    if not statuses and data:
        return "other"
    return " ".join(statuses) or ("close" if closed else "wait")


def ask(port, request):
    data, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.settimeout(SILENCE_SECONDS)
        try:
            sock.sendall(request)
        except OSError:
            pass  # the answer may be there nevertheless
        try:
            while part := sock.recv(65536):
                data += part
            closed = True
        except TimeoutError:
            pass
        except OSError:
            closed = True
    return verdict_of(data, closed)


def verdicts(port, cases):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda case: ask(port, bytes_of(case["request"])), cases))


class Other:
    """Another server, as long as the with block lasts."""

    def __init__(self, argv):
        self.work, self.port = tempfile.mkdtemp(prefix="wash-corpus-"), wash.free_port()
        with open(os.path.join(self.work, "nginx.conf"), "w") as conf:
            conf.write(NGINX.format(port=self.port, back=wash.free_port()))
        self.proc = subprocess.Popen([a.format(work=self.work, port=self.port) if a != NODE else a for a in argv],
                                     cwd=self.work, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{argv[0]} does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.work)


OTHERS = {
    "nginx": (["nginx", "-p", "{work}", "-c", "nginx.conf"], ["nginx", "-v"]),
    "node": (["node", "-e", NODE, "{port}"], ["node", "--version"]),
}


def version_of(name):
    """What it calls itself; None where it is not installed."""
    argv = OTHERS[name][1]
    path = shutil.which(argv[0], path=os.environ["PATH"] + ":/usr/sbin")
    if not path:
        return None
    out = subprocess.run([path, *argv[1:]], capture_output=True, text=True)
    return (out.stdout + out.stderr).strip()


def ask_other(name, cases):
    argv = OTHERS[name][0]
    path = shutil.which(argv[0], path=os.environ["PATH"] + ":/usr/sbin")
    with Other([path, *argv[1:]]) as other:
        return verdicts(other.port, cases)


def load():
    lines = [json.loads(line) for line in open(CORPUS)]
    return lines[0], lines[1:]


def record():
    head, cases = load()
    for name in OTHERS:
        if version := version_of(name):
            head["versions"][name] = version
            for case, verdict in zip(cases, ask_other(name, cases)):
                case.setdefault("others", {})[name] = verdict
    with open(CORPUS, "w") as out:
        for line in [head, *cases]:
            out.write(json.dumps(line) + "\n")


def refuses(verdict):
    """It answered nothing, or ends with an error: nothing is served behind the case."""
    return verdict.split()[-1] in ("close", "cut") or verdict.split()[-1][0] in "45"


def disagree(case):
    return len({"refused" if refuses(v) else v for v in case["others"].values()}) > 1


def compare(name, cases, got, want):
    wrong = [(c["name"], g, w) for c, g, w in zip(cases, got, want) if g != w]
    for case, g, w in wrong:
        print(f"# {name}: {case}: {g}, not {w}")
    return wrong


def test_ours():
    _, cases = load()
    with wash.Server(wash.guest("p2-echo")) as server:
        wrong = compare("wash", cases, verdicts(server.port, cases), [c["verdict"] for c in cases])
    assert not wrong, f"{len(wrong)} of {len(cases)} verdicts"


def test_ours_under_little_pieces():
    """The verdict does not depend on how the bytes come."""
    _, cases = load()
    cases = [c for c in cases if len(bytes_of(c["request"])) < 300][::4]

    def ask_slowly(port, request):
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for i in range(len(request)):
                    sock.sendall(request[i:i + 1])
                    time.sleep(0.001)
            except OSError:
                pass
            sock.settimeout(SILENCE_SECONDS)
            data, closed = b"", False
            try:
                while part := sock.recv(65536):
                    data += part
                closed = True
            except TimeoutError:
                pass
            except OSError:
                closed = True
            return verdict_of(data, closed)

    with wash.Server(wash.guest("p2-echo")) as server, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        got = list(pool.map(lambda c: ask_slowly(server.port, bytes_of(c["request"])), cases))
    assert not compare("wash, byte by byte", cases, got, [c["verdict"] for c in cases])


def test_ours_refuses_where_others_disagree():
    _, cases = load()
    about = [c for c in cases if c["framing"] and disagree(c)]
    assert len(about) >= 5, "the corpus has few cases that matter"
    for case in about:
        assert refuses(case["verdict"]), f"{case['name']}: ours {case['verdict']}, others {case['others']}"


def check_other(name):
    head, cases = load()
    version = version_of(name)
    if not version:
        raise wash.Skip(f"{name} is not installed")
    wrong = compare(version, cases, ask_other(name, cases), [c["others"][name] for c in cases])
    if wrong and version != head["versions"][name]:
        raise wash.Skip(f"{len(wrong)} verdicts of {version} differ from those of {head['versions'][name]}")
    assert not wrong, f"{len(wrong)} verdicts differ from the corpus (run.py --record)"


def test_nginx_is_as_recorded():
    check_other("nginx")


def test_node_is_as_recorded():
    check_other("node")


if sys.argv[1:] == ["--record"]:
    record()
else:
    wash.main([test_ours, test_ours_under_little_pieces, test_ours_refuses_where_others_disagree,
               test_nginx_is_as_recorded, test_node_is_as_recorded])
