"""An endpoint of checks beside the cluster, whose answers the tests choose."""

import http.server
import json
import threading
from contextlib import contextmanager

KEY = "key-of-the-endpoint"


class CheckEndpoint(http.server.ThreadingHTTPServer):
    """Returns `verdicts[namespace, check]`, a verdict and a message, or HTTP 503 without one; keeps the requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.verdicts, self.seen = {}, []

    @property
    def configuration(self):
        """Configuration of the operator that names this endpoint `ci`."""
        url = f"http://127.0.0.1:{self.server_port}/checks"
        return {"checks": {"ci": {"url": url, "headers": {"X-Key": {"value": KEY}}, "timeoutSeconds": 5}}}

    def requests(self, namespace, check):
        """Return the documents of one check of one resource."""
        return [one for one in self.seen if (one["resource"]["namespace"], one["check"]) == (namespace, check)]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["X-Key"] == KEY
        self.server.seen.append(document)
        found = self.server.verdicts.get((document["resource"]["namespace"], document["check"]))
        self.send_response(200 if found else 503)
        self.end_headers()
        if found:
            self.wfile.write(json.dumps({"verdict": found[0], "message": found[1]}).encode())

    def log_message(self, *_args):
        pass


@contextmanager
def listening():
    server = CheckEndpoint()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
