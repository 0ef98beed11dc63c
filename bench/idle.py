#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an idle connection costs: after one request on each, resident KB for each of 10,000 (or the number given), in the
clear and under TLS, of wash and of nginx.

bench/idle.py [COUNT]   WASH names the program, else build/src/wash/wash"""
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WASH = os.environ.get("WASH", os.path.join(ROOT, "build", "src", "wash", "wash"))
WARM_UP = 100
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
HEADS = b"\x82\x86\x84\x41\x09a.example"
H1_REQUEST = b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"
H2_REQUEST = PREFACE + bytes([0, 0, len(HEADS), 1, 5, 0, 0, 0, 1]) + HEADS
NGINX = """daemon off; master_process off; pid nginx.pid; error_log stderr crit; worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{ access_log off; keepalive_timeout 600; http2_idle_timeout 600;
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  ssl_certificate cert; ssl_certificate_key key;
  server {{ listen 127.0.0.1:{port} {options}; location / {{ return 200 "Hello, world!\\n"; }} }} }}
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Server:
    def __init__(self, name, secure, http2, files):
        self.work, self.port = tempfile.mkdtemp(prefix="wash-idle-"), free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key",
                        "-out", "cert", "-subj", "/CN=localhost", "-days", "2"], check=True, capture_output=True, cwd=self.work)
        if name == "wash":
            tls = ["--tls-cert-path", "cert", "--tls-key-path", "key"] if secure else []
            argv = [WASH, "run", "--addr", f"127.0.0.1:{self.port}", "--workers", "1", *tls,
                    os.path.join(ROOT, "tests", "guests", "p2-hello.wasm")]
        else:
            options = ("ssl " if secure else "") + ("http2" if http2 else "")
            with open(os.path.join(self.work, "nginx.conf"), "w") as conf:
                conf.write(NGINX.format(port=self.port, files=files, options=options))
            argv = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.work, "-c", "nginx.conf"]
        self.proc = subprocess.Popen(argv, cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"bench: {' '.join(argv)} does not listen")

    def rss_kb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.proc.pid}/status").read()).group(1))

    def stop(self):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.work)


def open_one(server, secure, http2, context):
    sock = socket.create_connection(("127.0.0.1", server.port), 20)
    if secure:
        sock = context.wrap_socket(sock)
    sock.sendall(H2_REQUEST if http2 else H1_REQUEST)
    data = b""
    while b"ello" not in data:
        part = sock.recv(65536)
        if not part:
            raise SystemExit("bench: a connection ended before its answer: " + repr(data[:100]))
        data += part
    if http2:
        sock.sendall(b"\0\0\0\4\1\0\0\0\0")
    return sock


def measure(name, secure, http2, count):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2" if http2 else "http/1.1"])
    server = Server(name, secure, http2, count + 1000)
    try:
        open_ = [open_one(server, secure, http2, context) for _ in range(WARM_UP)]
        before = server.rss_kb()
        open_ += [open_one(server, secure, http2, context) for _ in range(count)]
        time.sleep(2)  # what is given back after a while
        return (server.rss_kb() - before) / count
    finally:
        server.stop()


def main():
    count = int(sys.argv[1]) if sys.argv[1:] else 10000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    has_nginx = shutil.which("nginx") or os.path.exists("/usr/sbin/nginx")
    names = ["wash", "nginx"] if has_nginx else ["wash"]
    print(f"| {count:,} idle connections, a request on each before: KB each | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for title, secure, http2 in (("HTTP/1.1", False, False), ("HTTP/2", False, True), ("HTTP/1.1, TLS", True, False),
                                 ("HTTP/2, TLS", True, True)):
        cells = [f"{measure(name, secure, http2, count):.1f}" for name in names]
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


main()
