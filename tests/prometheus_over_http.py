"""A Prometheus that returns one given response, over a real socket."""

import asyncio
import http.server
import ssl
import threading
from contextlib import contextmanager

from serin_operator.prometheus_client import PrometheusClient
from serin_operator.settings import PrometheusEndpoint


def ask(url, question, **settings):
    api = PrometheusClient({"default": PrometheusEndpoint(url=url, **settings)}, threads=1)
    try:
        return asyncio.run(question(api))
    finally:
        api.close()


@contextmanager
def prometheus(status, body, pair=None, headers=None):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'http' if pair is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
