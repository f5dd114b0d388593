"""The process of the dashboard in a cluster: it starts with the rights of a pod, and ends on SIGTERM."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import yaml
from dashboard.examples import model

COMMAND = [sys.executable, "-m", "serin_dashboard.main"]
REFUSED = {"kind": "Status", "message": "suggestionmodels.serin.dev is forbidden", "code": 403}


class FakeApi(BaseHTTPRequestHandler):
    """Has one SuggestionModel, in the namespace shop; watches last until the server ends."""

    over = threading.Event()

    def do_GET(self):
        if "watch=True" in self.path or "watch=true" in self.path:
            self.send_response(200)
            self.end_headers()
            self.over.wait()
        elif self.path.startswith("/apis/serin.dev/v1alpha1/namespaces/shop/suggestionmodels"):
            self._send(200, {"metadata": {"resourceVersion": "7"}, "items": [model()]})
        else:
            self._send(403, REFUSED)

    def log_message(self, *_arguments):
        pass

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def kubeconfig(tmp_path):
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
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(found))
        yield tmp_path / "kubeconfig"
        FakeApi.over.set()
        server.shutdown()


@contextmanager
def running(kubeconfig, *options):
    """Start the program; yield the process and its address once it listens."""
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "SERIN_HOST": "127.0.0.1"}
    command = [*COMMAND, "--port", "0", *options]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"on (http://\S+)", line):
                    yield process, found[1]
                    break
        finally:
            process.kill()


def lines_until(stream, wanted):
    """Read lines of an event stream until one begins with a word."""
    return next(line for line in stream if line.startswith(wanted))


def test_sigterm_ends_open_streams_and_the_process_with_status_0(kubeconfig):
    with running(kubeconfig, "--namespace", "shop") as (process, address), httpx.Client(timeout=60) as client:
        with client.stream("GET", f"{address}/events") as response:
            stream = response.iter_lines()
            lines_until(stream, "event: changed")
            assert "categories" in client.get(address).text
            assert client.get(f"{address}/readyz").text == "ok\n"
            process.send_signal(signal.SIGTERM)
            assert not [line for line in stream if line.startswith("error")]
        assert process.wait() == 0
        assert "Cancel" not in process.stderr.read(), "no stream was cut off"


def test_a_right_that_is_missing_is_logged_and_keeps_it_from_being_ready(kubeconfig):
    with running(kubeconfig, "--namespace", "shop", "--namespace", "bank") as (process, address):
        said = next(line for line in process.stderr if "bank cannot be read" in line)
        assert "403 Forbidden: suggestionmodels.serin.dev is forbidden" in said
        found = httpx.get(f"{address}/readyz", timeout=60)
        assert found.status_code == 503
        assert "bank: the API server answered 403" in found.text
        assert httpx.get(f"{address}/healthz", timeout=60).status_code == 200


def test_without_a_service_account_or_a_kubeconfig_it_ends_and_says_so(tmp_path):
    environment = os.environ | {"KUBECONFIG": str(tmp_path / "none")}
    done = subprocess.run([*COMMAND, "--port", "0"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("serin-dashboard: no service account of a pod: ")
    assert "no usable kubeconfig" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--prot", "1"], "--prot"), (["--port", "70000"], "cannot listen on port 70000"), (["--port", "a"], "--port")],
)
def test_wrong_usage_ends_with_status_2(kubeconfig, options, message):
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    done = subprocess.run([*COMMAND, *options], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
