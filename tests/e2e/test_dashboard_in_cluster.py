"""The dashboard as manifests/dashboard installs it: its rights are enough for every page, and for nothing else."""

import json
import subprocess

import httpx
import pytest
from e2e.conftest import canary

from serin_demo.commands import BIN
from serin_demo.installation import OPERATOR_NAMESPACE, ROOT
from serin_localcluster.realnode.configuration import host

pytestmark = pytest.mark.cluster
ACCOUNT = f"system:serviceaccount:{OPERATOR_NAMESPACE}:serin-dashboard"


@pytest.fixture
def pages(installed, local):
    """A client of the dashboard, by the name of its Service."""
    installed.kubectl("apply", "--server-side", "-k", str(ROOT / "manifests" / "dashboard"))
    place = ("-n", OPERATOR_NAMESPACE)
    installed.kubectl("rollout", "status", "deployment/serin-dashboard", *place, "--timeout=60s")
    found = installed.kubectl("get", "pods", *place, "-l", "app.kubernetes.io/name=serin-dashboard", "-o", "json")
    (pod,) = json.loads(found)["items"]
    known = {"host": f"serin-dashboard.{OPERATOR_NAMESPACE}"}
    with httpx.Client(base_url=f"http://{host(pod['status']['podIP'])}:8080", headers=known, timeout=60) as client:
        yield client
    installed.kubectl("delete", "-k", str(ROOT / "manifests" / "dashboard"), "--wait=false")


def test_every_page_works_with_the_rights_of_the_role(pages, rollout, registry):
    rollout.send(registry.traffic)
    path = f"/models/{rollout.namespace}/{rollout.name}"

    def shows(where, text):
        rollout.wait(lambda _: text in pages.get(where).text, what=f"{text!r} at {where}")

    with pages.stream("GET", "/events", params={"since": "0"}) as events:
        lines = events.iter_lines()
        rollout.apply(registry.good, canary=canary("1s", 10, 100) | {"approval": "Manual"})
        rollout.wait_for_reason("AwaitingApproval")
        next(line for line in lines if line.startswith("event: changed"))
    shows("/", f"row-{rollout.namespace}-{rollout.name}")
    shows(path, "AwaitingApproval")
    assert pages.post(f"{path}/actions/promote").status_code == 404
    assert rollout.condition()["reason"] == "AwaitingApproval"
    rollout.serin("abort")
    rollout.record(1)
    shows(path, "The last trials side by side")
    page = pages.get(path).text
    assert "cannot be read" not in page
    assert 'aria-label="agreement: estimate' in page, "the curves of the trial record"
    for pod in rollout.pods():
        assert pod["metadata"]["name"] in page
    assert "reading it needs the right to get pods/proxy" in page


@pytest.mark.parametrize(
    "right",
    [
        ("patch", "suggestionmodels.serin.dev"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("get", "pods/proxy"),
        ("create", "pods"),
        ("get", "pods/log"),
        ("list", "nodes"),
    ],
    ids=" ".join,
)
def test_it_may_do_nothing_else(pages, installed, right):
    command = [BIN / "kubectl", "auth", "can-i", *right, "-A", "--as", ACCOUNT]
    asked = subprocess.run(
        command, env={"KUBECONFIG": str(installed.kubeconfig)}, capture_output=True, text=True, check=False
    )
    assert asked.stdout == "no\n", asked.stderr


def test_what_it_may_do_is_known_to_the_api_server(pages, installed):
    for right in (("watch", "suggestionmodels.serin.dev"), ("list", "configmaps"), ("list", "pods")):
        assert installed.kubectl("auth", "can-i", *right, "-A", "--as", ACCOUNT) == "yes\n"
