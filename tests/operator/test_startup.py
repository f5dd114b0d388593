"""The operator's process, started as a kubelet starts it."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import pytest
import yaml

from serin_localcluster.controlplane import free_port
from serin_operator.watch import build_settings

RESOURCES = "/apis/serin.dev/v1alpha1/suggestionmodels"
VERSION = {"groupVersion": "serin.dev/v1alpha1", "version": "v1alpha1"}
KIND = {"name": "suggestionmodels", "kind": "SuggestionModel", "namespaced": True, "verbs": ["list", "watch"]}
DISCOVERY = {
    "/version": {"gitVersion": "v1.30.0"},
    "/api": {"versions": []},
    "/apis": {"groups": [{"name": "serin.dev", "preferredVersion": VERSION, "versions": [VERSION]}]},
    "/apis/serin.dev/v1alpha1": {"resources": [KIND]},
}
LISTED = {RESOURCES: {"apiVersion": "serin.dev/v1alpha1", "items": []}}
# What the process meets in a container whose image has no passwd entry for the pod's runAsUser.
UNDER_A_UID_WITHOUT_A_NAME = (
    "import pwd; pwd.getpwuid = lambda uid: {}[uid]; from serin_operator.main import main; main()"
)
NAMES_OF_USERS = ("LOGNAME", "USER", "LNAME", "USERNAME", "POD_ID")


class ApiServer(BaseHTTPRequestHandler):
    """Serves these answers by path and forbids everything else."""

    answers: ClassVar = {}

    def do_GET(self):
        found = self.answers.get(self.path.partition("?")[0])
        self.send_response(403 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(found or {"kind": "Status", "message": "forbidden"}).encode())

    def log_message(self, *_):
        pass


@contextmanager
def api_server(answers):
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (ApiServer,), {"answers": answers})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def kubeconfig(url):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
    }


@contextmanager
def operator(tmp_path, url, **configuration):
    port = free_port()
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(url)))
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(
            {
                "prometheus": {},
                "server": {"image": "i"},
                "host": "127.0.0.1",
                "port": port,
                "leaderElection": {"enabled": False},
            }
            | configuration
        )
    )
    environment = {name: value for name, value in os.environ.items() if name not in NAMES_OF_USERS}
    process = subprocess.Popen(
        [sys.executable, "-c", UNDER_A_UID_WITHOUT_A_NAME, "--config", str(tmp_path / "config.yaml")],
        env=environment | {"KUBECONFIG": str(tmp_path / "kubeconfig")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_until_ready(process, url):
    for _ in range(300):
        if process.poll() is not None:
            pytest.fail(f"the operator ended: {process.stderr.read()}")
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the operator was not ready within 30 s")


def test_the_operator_starts_under_a_uid_without_a_name(tmp_path):
    with api_server(DISCOVERY | LISTED) as api, operator(tmp_path, api) as (process, url):
        wait_until_ready(process, url)
        assert process.poll() is None


def test_an_operator_that_may_not_list_its_resources_is_alive_but_not_ready(tmp_path):
    with api_server(DISCOVERY) as api, operator(tmp_path, api) as (process, url):
        for _ in range(300):
            try:
                alive = httpx.get(f"{url}/healthz").status_code == 200
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            break
        assert alive
        time.sleep(1)
        assert process.poll() is None
        ready = httpx.get(f"{url}/readyz")
        assert ready.status_code == 503
        assert ready.text == f"SuggestionModels have not been listed yet: GET {RESOURCES}: forbidden\n"
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_an_operator_on_an_older_kubernetes_is_not_ready_and_names_the_version_that_it_needs(tmp_path):
    answers = DISCOVERY | LISTED | {"/version": {"gitVersion": "v1.29.14-eks-1a2b3c"}}
    with api_server(answers) as api, operator(tmp_path, api) as (process, url):
        line = next(line for line in process.stderr if "cannot be listed" in line)
        assert "this is Kubernetes v1.29.14-eks-1a2b3c; Serin needs 1.30 or newer" in line
        ready = httpx.get(f"{url}/readyz")
        assert (ready.status_code, process.poll()) == (503, None)
        assert "Serin needs 1.30 or newer" in ready.text


def test_an_operator_whose_watch_ends_starts_it_again_and_ends_on_sigterm(tmp_path):
    # To kopf, what this server answers makes no sense.
    with api_server(DISCOVERY | LISTED) as api, operator(tmp_path, api) as (process, url):
        assert any("started again: KeyError" in line for line in process.stderr)
        wait_until_ready(process, url)
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_with_namespaces_given_it_is_not_ready_before_discovery_has_its_kind_and_ends_on_sigterm(tmp_path):
    listed = "/apis/serin.dev/v1alpha1/namespaces/a/suggestionmodels"
    answers = DISCOVERY | {"/apis": {"groups": []}, listed: {"apiVersion": "v1", "items": []}}
    with api_server(answers) as api, operator(tmp_path, api, namespaces=["a"]) as (process, url):
        for line in process.stderr:
            if "SuggestionModels cannot be listed" in line:
                break
        assert httpx.get(f"{url}/readyz").status_code == 503
        process.terminate()
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("is_namespaced", [False, True])
def test_with_namespaces_given_kopf_lists_neither_namespaces_nor_crds(is_namespaced):
    assert build_settings(is_namespaced=is_namespaced).scanning.disabled == is_namespaced
