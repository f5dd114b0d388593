"""The files of the first tutorial: a manifest without errors, the objects that it refers to, and its traffic."""

import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from serin_cli.lint_schema import schema_findings

FOLDER = Path(__file__).parents[2] / "examples" / "first-rollout"


def documents(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


@pytest.fixture
def traffic():
    spec = importlib.util.spec_from_file_location("traffic", FOLDER / "traffic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server():
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((self.path, self.headers["Authorization"], body["transactions"]))
            answer = json.dumps({"items": [{"source": "rule"} for _ in body["transactions"]]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments):
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found, requests
    found.shutdown()
    found.server_close()


def test_the_manifest_has_no_errors_and_refers_to_what_the_tutorial_creates():
    (model,) = documents("suggestionmodel.yaml")
    assert schema_findings(model) == []
    created = {(one["kind"], one["metadata"]["name"]) for one in documents("prerequisites.yaml")}
    created |= {("ConfigMap", "rules")}  # by kubectl create
    spec = model["spec"]
    named = {
        ("PersistentVolumeClaim", spec["registry"]["volume"]["claimName"]),
        ("Secret", spec["server"]["token"]["secretName"]),
        ("ConfigMap", spec["server"]["rules"]["configMapName"]),
        ("Namespace", model["metadata"]["namespace"]),
    }
    assert named <= created


def test_the_volume_is_the_folder_that_kind_mounts():
    (cluster,) = documents("kind.yaml")
    objects = {one["kind"]: one for one in documents("prerequisites.yaml")}
    (mount,) = cluster["nodes"][0]["extraMounts"]
    assert objects["PersistentVolume"]["spec"]["hostPath"]["path"] == mount["containerPath"]
    assert objects["PersistentVolumeClaim"]["spec"]["volumeName"] == objects["PersistentVolume"]["metadata"]["name"]


def test_traffic_sends_transactions_without_their_category(traffic, server):
    found, requests = server
    address = f"http://127.0.0.1:{found.server_port}"
    rows = [{name: f"{name}1" for name in traffic.FIELDS}]
    assert traffic.send(address, "secret", rows) == [{"source": "rule"}]
    assert requests == [("/agent/suggestions", "Bearer secret", rows)]
    assert "category" not in traffic.FIELDS
