#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients as people use them against the listener of `wash run`: curl, h2load, node, Python, a browser. A client that is not
installed is skipped, saying so."""
import http.client
import json
import os
import shutil
import ssl
import subprocess
import tempfile

from wash import Server, Skip, contains, equal, guest, main

DIR = tempfile.TemporaryDirectory()


def path(name):
    return os.path.join(DIR.name, name)


def need(*names):
    for name in names:
        if shutil.which(name):
            return shutil.which(name)
    raise Skip(f"there is no {' or '.join(names)}")


def run(*argv, data=b"", timeout=90, env=None):
    done = subprocess.run(argv, input=data, capture_output=True, timeout=timeout, env={**os.environ, **(env or {})})
    assert done.returncode == 0, (argv[0], done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


class HttpsServer(Server):
    scheme = "https"


def plain(name, *options):
    return Server(guest(name), *options)


def secure(name, *options):
    if not os.path.exists(path("cert.pem")):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            path("key.pem"), "-out", path("cert.pem"), "-days", "2", "-subj", "/CN=localhost", "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost")
    return HttpsServer(guest(name), "--tls-cert-path", path("cert.pem"), "--tls-key-path", path("key.pem"), *options)


def url(server, target="/"):
    return f"{server.scheme}://127.0.0.1:{server.port}{target}"


# ---- curl -----------------------------------------------------------------------------------------------------------

def each_curl(wanted=lambda options: True):
    """(server, options, version) for each way that curl can be told to speak."""
    need("curl")
    for make, options, version in ((plain, ["--http1.1"], "1.1"), (plain, ["--http1.0"], "1.1"),
                                   (plain, ["--http2-prior-knowledge"], "2"), (plain, ["--http2"], "1.1"),
                                   (secure, ["--http1.1", "-k"], "1.1"), (secure, ["--http2", "-k"], "2")):
        if not wanted(options):
            continue
        with make("p2-echo") as server:
            yield server, ["-sS", "--max-time", "60", *options], version


def test_curl_each_version():
    for server, options, version in each_curl():
        equal(run("curl", *options, "-d", "hello", "-w", " %{http_code} %{http_version}", url(server)).decode(),
              f"hello 200 {version}")


def test_curl_bodies():
    data = os.urandom(3_000_000)
    for server, options, _ in each_curl():
        # With a length, asking first; and chunked, from a pipe.
        with open(path("body"), "wb") as file:
            file.write(data)
        assert run("curl", *options, "--data-binary", "@" + path("body"), "-H", "expect: 100-continue", url(server)) == data
        if "--http1.0" not in options:
            assert run("curl", *options, "-T", "-", url(server), "-X", "POST", data=data) == data
        equal(run("curl", *options, "-I", "-o", "/dev/null", "-w", "%{http_code}", url(server)), b"200")


def test_curl_waits_for_100():
    need("curl")
    with plain("p2-echo") as server:
        done = subprocess.run(["curl", "-sSv", "--http1.1", "--expect100-timeout", "30", "-d", "x" * 2000, "-H",
                               "expect: 100-continue", url(server)], capture_output=True, timeout=60)
        equal((done.returncode, done.stdout), (0, b"x" * 2000))
        contains(done.stderr, b"HTTP/1.1 100 Continue")


def test_curl_trailers():
    for server, options, _ in each_curl(lambda options: "--http1.0" not in options):
        # curl sends none itself; what the guest sends comes back with the head's announcement.
        out = run("curl", *options, "-D", "-", "-H", "trailer: x-sum", "-d", "x", url(server)).decode()
        contains(out.lower(), "trailer: x-sum")


def reuses(options):
    """curl 7 fails on the second request over an HTTP/2 connection by prior knowledge, with nginx as well."""
    if "--http2-prior-knowledge" in options and run("curl", "--version").startswith(b"curl 7."):
        return False
    return "--http1.0" not in options


def test_curl_keeps_connections():
    for server, options, _ in each_curl(reuses):
        out = run("curl", *options, *["-d", "x", "-o", "/dev/null", "-w", "%{num_connects} ", url(server)],
                  *["--next", *options, "-d", "y", "-o", "/dev/null", "-w", "%{num_connects}", url(server)])
        equal(out, b"1 0")


def test_curl_in_parallel():
    for server, options, _ in each_curl(reuses):
        out = run("curl", *options, "-Z", "--parallel-max", "20", "-d", "x", "-w", "%{http_code}\n", "-o", "/dev/null",
                  url(server, "/?n=[1-60]"))
        equal(out, b"200\n" * 60)


# ---- load generators ------------------------------------------------------------------------------------------------

def test_h2load():
    need("h2load")
    for make in (plain, secure):
        with make("p2-hello") as server:
            for options in (["-m1"], ["-m32"], ["--h1"]):
                out = run("h2load", "-c8", "-n2000", *options, url(server)).decode()
                contains(out, "2000 succeeded, 0 failed, 0 errored, 0 timeout")


# ---- node -----------------------------------------------------------------------------------------------------------

NODE_HTTP = """
const lib = require(process.argv[1].startsWith('https') ? 'https' : 'http');
const agent = new lib.Agent({keepAlive: true, maxSockets: 1, rejectUnauthorized: false});
function ask(body, trailers) {
  return new Promise((done, fail) => {
    const headers = trailers ? {trailer: 'x-sum', 'transfer-encoding': 'chunked'} : {};
    const request = lib.request(process.argv[1], {agent, method: 'POST', headers}, response => {
      const parts = [];
      response.on('data', part => parts.push(part));
      response.on('aborted', () => fail(new Error('aborted')));
      response.on('end', () => done({status: response.statusCode, body: Buffer.concat(parts).toString(),
                                     trailers: response.trailers, reused: request.reusedSocket}));
    });
    request.on('error', fail);
    for (const part of body) request.write(part);
    if (trailers) request.addTrailers(trailers);
    request.end();
  });
}
(async () => {
  const first = await ask(['one ', 'two'], {'x-sum': '42'});
  const second = await ask(['x'.repeat(1000000)]);
  console.log(JSON.stringify([first.status, first.body, first.trailers, second.body.length, second.reused]));
  process.exit(0);
})();
"""

NODE_HTTP2 = """
const http2 = require('http2');
const session = http2.connect(process.argv[1], {rejectUnauthorized: false});
function ask(body) {
  return new Promise((done, fail) => {
    const stream = session.request({':method': 'POST', ':path': '/', trailer: 'x-sum'}, {waitForTrailers: true});
    const result = {body: '', trailers: {}};
    stream.on('wantTrailers', () => stream.sendTrailers({'x-sum': '42'}));
    stream.on('response', headers => result.status = headers[':status']);
    stream.on('trailers', trailers => result.trailers = trailers['x-sum']);
    stream.on('data', part => result.body += part);
    stream.on('end', () => done(result));
    stream.on('error', fail);
    stream.end(body);
  });
}
(async () => {
  const one = await ask('hello');
  const many = await Promise.all([...Array(80).keys()].map(i => ask('' + i)));
  console.log(JSON.stringify([one, many.every((r, i) => r.body === '' + i)]));
  session.close();
})();
"""

NODE_FETCH = """
(async () => {
  const out = [];
  for (let i = 0; i < 3; i++) {
    const response = await fetch(process.argv[1], {method: 'POST', body: 'x'.repeat(1 + i * 200000)});
    out.push(response.status, (await response.text()).length);
  }
  const stream = new ReadableStream({start(c) { c.enqueue(new TextEncoder().encode('streamed')); c.close(); }});
  const response = await fetch(process.argv[1], {method: 'POST', body: stream, duplex: 'half'});
  out.push(await response.text());
  console.log(JSON.stringify(out));
  process.exit(0);
})();
"""


def node(script, server):
    need("node")
    return json.loads(run("node", "-e", script, url(server), env={"NODE_TLS_REJECT_UNAUTHORIZED": "0"}))


def test_node_http():
    for make in (plain, secure):
        with make("p2-echo") as server:
            equal(node(NODE_HTTP, server), [200, "one two", {"x-sum": "42"}, 1000000, True])


def test_node_http2():
    for make in (plain, secure):
        with make("p2-echo") as server:
            equal(node(NODE_HTTP2, server), [{"body": "hello", "trailers": "42", "status": 200}, True])


def test_node_fetch():
    for make in (plain, secure):
        with make("p2-echo") as server:
            equal(node(NODE_FETCH, server), [200, 1, 200, 200001, 200, 400001, "streamed"])


# ---- Python ---------------------------------------------------------------------------------------------------------

def test_python_http_client():
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    for make in (plain, secure):
        with make("p2-echo") as server:
            connection = (http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) if make is plain else
                          http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=trusting))
            for body in (b"", b"some", b"x" * 500_000, iter([b"in ", b"parts"])):
                connection.request("POST", "/", body, {"transfer-encoding": "chunked"} if hasattr(body, "__next__") else {},
                                   encode_chunked=hasattr(body, "__next__"))
                response = connection.getresponse()
                got = response.read()
                equal((response.status, got), (200, got if hasattr(body, "__next__") else body))
            equal(got, b"in parts")
            connection.close()


def test_python_httpx():
    try:
        import httpx
    except ImportError as missing:
        raise Skip("there is no Python package httpx") from missing
    try:
        import h2  # noqa: F401
        versions = (False, True)
    except ImportError:
        versions = (False,)
    for two in versions:
        with secure("p2-echo") as server, httpx.Client(http2=two, verify=False) as client:
            for size in (0, 10, 400_000):
                answer = client.post(url(server), content=b"x" * size)
                equal((answer.status_code, answer.content, answer.http_version),
                      (200, b"x" * size, "HTTP/2" if two else "HTTP/1.1"))


# ---- WebSocket ------------------------------------------------------------------------------------------------------

def test_websocket_is_refused():
    """The upgrade is not taken up (RFC 9110 section 7.8): an ordinary answer, and no switch of protocols."""
    with plain("p2-hello") as server:
        out = server.raw(b"GET /chat HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: close, Upgrade\r\n"
                         b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n")
        status = int(out.split()[1])
        assert status != 101 and b"\r\n\r\n" in out, out
        assert b"sec-websocket-accept" not in out.lower(), out


# ---- a browser ------------------------------------------------------------------------------------------------------

class Browser:
    """Chromium, told what to do over its debugging pipe."""

    def __init__(self):
        program = need("chromium", "chromium-browser", "google-chrome")
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (theirs_in, self.to), (self.back, theirs_out) = os.pipe(), os.pipe()
        self.proc = subprocess.Popen(
            ["sh", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', program, "--headless", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors", "--remote-debugging-pipe",
             "--user-data-dir=" + self.home.name, "about:blank"],
            pass_fds=(theirs_in, theirs_out), env={**os.environ, "HOME": self.home.name}, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.number = b"", 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def next(self):
        while b"\0" not in self.buffer:
            got = os.read(self.back, 65536)
            assert got, "the browser has ended"
            self.buffer += got
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if hasattr(self, "session"):
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next()
            if answer.get("id") == self.number:
                assert "result" in answer, answer
                return answer["result"]

    def open(self, address):
        got = self.call("Page.navigate", url=address)
        assert "errorText" not in got, got
        while self.next().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, script):
        got = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"]["value"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        os.close(self.to)
        os.close(self.back)
        self.home.cleanup()


PAGE = """
(async () => {
  const out = [document.body.textContent, performance.getEntriesByType("navigation")[0].nextHopProtocol];
  const load = async target => { const r = await fetch(target); return [r.status, await r.text()]; };
  const many = await Promise.all([...Array(60).keys()].map(i => load("/?n=" + i)));
  out.push(many.every(([status, text]) => status == 200 && text == "hello from p2\\n"));
  const head = await fetch("/", {method: "HEAD"});
  out.push([head.status, await head.text()]);
  const socket = new WebSocket(location.href.replace("http", "ws"));
  out.push(await new Promise(done => {
    socket.onclose = event => done([event.code, event.wasClean]);
    socket.onopen = () => done("open");
  }));
  out.push((await load("/after"))[0]);
  return out;
})()
"""

ECHO = """
(async () => {
  const echo = async body => (await fetch("/", {method: "POST", body})).text();
  const out = [(await echo("x".repeat(300000))).length];
  const many = await Promise.all([...Array(60).keys()].map(i => echo("" + i)));
  out.push(many.every((text, i) => text == "" + i));
  const stop = new AbortController();
  const cut = fetch("/", {method: "POST", body: "y".repeat(3000000), signal: stop.signal}).catch(why => why.name);
  stop.abort();
  out.push(await cut);
  out.push(await echo("after"));
  return out;
})()
"""


def test_browser():
    with Browser() as browser:
        for make, protocol, logged in ((plain, "http/1.1", "HTTP/1.1 200"), (secure, "h2", "HTTP/2.0 200")):
            with make("p2-hello", "--access-log", "-", "--access-log-format", "%H %>s") as server:
                browser.open(url(server))
                equal(browser.evaluate(PAGE), ["hello from p2\n", protocol, True, [200, ""], [1006, False], 200])
                server.stop()
                contains(server.output(), logged)
            with make("p2-echo") as server:
                browser.open(url(server))
                equal(browser.evaluate(ECHO), [300000, True, "AbortError", "after"])


main([value for name, value in list(globals().items()) if name.startswith("test_")])
