"""A pod beside the servers: returns the content of a file as its metrics. Runs as a program on the simulated node."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        content = Path(os.environ["METRICS_FILE"]).read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Write no log line for each scrape."""


if __name__ == "__main__":
    HTTPServer((os.environ["POD_IP"], int(os.environ["METRICS_PORT"])), _Metrics).serve_forever()
