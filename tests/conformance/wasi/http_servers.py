# SPDX-License-Identifier: Apache-2.0
"""The HTTP servers that tests of wasi-testsuite ask for under `servers`."""
import contextlib
import http.server
import socket
import threading


def make_handler(endpoints):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def read_body(self):
            """The body and the trailers."""
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0))), []
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            trailers = []
            while line := self.rfile.readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                trailers.append((name.strip(), value.strip()))
            return body, trailers

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def answer_chunks(self, response):
            self.send_response(response.get("status", 200))
            for name, value in response.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Connection", "close")
            self.end_headers()
            for chunk in response["chunks"]:
                data = chunk.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n")
            for name, value in response.get("trailers", {}).items():
                self.wfile.write(f"{name}: {value}\r\n".encode())
            self.wfile.write(b"\r\n")

        def handle_any(self):
            self.close_connection = True
            body, trailers = self.read_body()
            for endpoint in endpoints:
                if (endpoint.get("method", "GET") == self.command and
                        endpoint.get("path", "/") == self.path):
                    return self.serve(endpoint, body, trailers)
            return self.answer(404, [], b"")

        def serve(self, endpoint, body, trailers):
            mode = endpoint.get("mode", "static")
            if mode == "echo-body":
                return self.answer(200, [], body)
            if mode == "echo-headers":
                headers = [("x-request-method", self.command), ("x-request-path", self.path)]
                headers += [(f"x-echo-{n.lower()}", v) for n, v in self.headers.items()]
                headers += [(f"x-trailer-{n.lower()}", v) for n, v in trailers]
                return self.answer(200, headers, b"")
            response = endpoint.get("response", "")
            if isinstance(response, str):
                response = {"body": response}
            if "chunks" in response:
                return self.answer_chunks(response)
            return self.answer(response.get("status", 200), response.get("headers", {}).items(),
                               response.get("body", "").encode())

    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    return Handler


@contextlib.contextmanager
def start_servers(specs):
    """The variables that tell the guest where they are."""
    servers, held, variables = [], [], {}
    for spec in specs:
        if spec.get("kind", "listening") == "closed":
            # Bound, so that nobody else gets the port, and not listening.
            place = socket.socket()
            place.bind(("127.0.0.1", 0))
            held.append(place)
            port = place.getsockname()[1]
        else:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                     make_handler(spec.get("endpoints", [])))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
            port = server.server_address[1]
        variables[f"HTTP_SERVER_{spec['name'].upper()}"] = f"127.0.0.1:{port}"
    try:
        yield variables
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for place in held:
            place.close()
