"""The program of the dashboard in a cluster, with a fake API server."""

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from dashboard import examples

COMMAND = [sys.executable, "-m", "serin_dashboard.main"]
REFUSED = {"kind": "Status", "message": "suggestionmodels.serin.dev is forbidden", "code": 403}


LISTS = {
    "/apis/serin.dev/v1alpha1/namespaces/shop/suggestionmodels": [examples.model()],
    "/api/v1/namespaces/shop/configmaps": [{"data": {"trial.json": text}} for text in examples.RECORDS],
    "/api/v1/namespaces/shop/pods": [examples.pod("c-1")],
}


class FakeApi(BaseHTTPRequestHandler):
    """Has one SuggestionModel, in the namespace shop, and refuses the rest; watches last until the server ends."""

    over = threading.Event()

    def do_GET(self):
        if "watch=True" in self.path or "watch=true" in self.path:
            self.send_response(200)
            self.end_headers()
            self.over.wait()
        elif (found := LISTS.get(self.path.partition("?")[0])) is not None:
            self._send(200, {"metadata": {"resourceVersion": "7"}, "items": found})
        else:
            self._send(403, REFUSED)

    def log_message(self, *_arguments):
        pass

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@contextmanager
def fake_cluster(folder):
    """Start the API server; yield a kubeconfig for it, in a folder."""
    FakeApi.over = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeApi) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever).start()
        found = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(found))
        yield folder / "kubeconfig"
        FakeApi.over.set()
        server.shutdown()


@contextmanager
def running(kubeconfig, *options, **variables):
    """Start the program; yield the process and its address once it listens."""
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "SERIN_HOST": "127.0.0.1"} | variables
    command = [*COMMAND, "--port", "0", *options]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"on (http://\S+)", line):
                    yield process, found[1]
                    break
        finally:
            process.kill()
