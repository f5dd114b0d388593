"""The program as it is installed, on a real API server: the cluster is read and written as users do."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from beside_cluster import wait_for_definitions
from memory_cluster import SPEC

from serin_core.api.status import Status
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_localcluster.cluster import start_cluster

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
RUN, NEW = "run_aaaaaaaa_1", "run_bbbbbbbb_2"
STABLE = {"runID": RUN, "digest": "sha256:" + "a" * 64, "since": "2026-01-01T00:00:00.000000Z"}


class Shell:
    """Runs kubectl and serin with the kubeconfig of a cluster."""

    def __init__(self, kubeconfig):
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        own = {"KUBECONFIG": str(kubeconfig), "PATH": path, "SERIN_COMPLETION_SECONDS": "60"}
        self.environment = os.environ | own

    def run(self, *command, document=None):
        text = None if document is None else json.dumps(document)
        return subprocess.run(
            command, env=self.environment, input=text, capture_output=True, text=True, timeout=120, check=False
        )

    def kubectl(self, *arguments, document=None):
        done = self.run("kubectl", *arguments, document=document)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def set_status(self, namespace, name, **fields):
        """Write a status as the operator does."""
        status = condensed(Status.model_validate({"observedGeneration": 1} | fields))
        patch = ["--type=merge", "--subresource=status", "-p", json.dumps({"status": status})]
        self.kubectl("patch", "sgm", name, "-n", namespace, *patch)

    def serin(self, *arguments):
        return self.run("kubectl", "serin", *arguments)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cluster") / "local"
    with start_cluster(directory=directory, images={}) as cluster:
        found = Shell(cluster.kubeconfig)
        found.kubectl("apply", "--server-side", "-f", str(ROOT / "crds" / "suggestionmodels.yaml"))
        wait_for_definitions(found.kubectl, "suggestionmodels.serin.dev")
        found.kubectl("create", "namespace", "shop")
        for namespace, name in (("shop", "categories"), ("shop", "rent"), ("default", "fuel")):
            model = {"apiVersion": names.API_VERSION, "kind": names.KIND, "spec": SPEC}
            found.kubectl("apply", "-f", "-", document=model | {"metadata": {"namespace": namespace, "name": name}})
        found.set_status("shop", "categories", phase="Promoted", stable=STABLE)
        yield found


def test_the_list_has_the_columns_of_kubectl(shell):
    own = shell.serin("-n", "shop", "list").stdout.split("\n")
    theirs = shell.kubectl("get", "sgm", "-n", "shop").split("\n")
    assert own[0].split() == theirs[0].split()
    assert own[1].split()[:4] == ["categories", RUN, "-", "100"]
    everywhere = shell.serin("list", "-A", "-o", "name").stdout.split()
    assert everywhere == [f"suggestionmodel.serin.dev/{name}" for name in ("fuel", "categories", "rent")]


def test_an_unknown_name_is_not_found_with_a_near_one_and_other_namespaces(shell):
    said = shell.serin("status", "sgm/categorie", "-n", "shop")
    assert said.returncode == 6
    assert said.stderr == (
        "serin: suggestionmodel 'categorie' not found in namespace 'shop'; existing there: categories, rent; "
        "did you mean 'categories'?\n"
    )
    assert "it exists in default: use -n default" in shell.serin("status", "fuel", "-n", "shop").stderr
    assert shell.serin("status", "-n", "shop").stderr == (
        "serin: NAME is missing; in namespace 'shop': categories, rent\n"
    )


def test_the_api_server_checks_the_name_of_a_run_before_it_is_set(shell):
    said = shell.serin("set-run", "rent", "v2", "-n", "shop", "--yes")
    assert said.returncode == 1
    assert "422" in said.stderr
    assert "spec.runID" in said.stderr
    assert len(said.stderr.splitlines()) == 1
    said = shell.serin("set-run", "rent", NEW, "-n", "shop")
    assert (said.returncode, said.stderr) == (0, f"{NEW} will be rolled out against the rules, beginning in shadow.\n")
    assert shell.kubectl("get", "sgm", "rent", "-n", "shop", "-o", "jsonpath={.spec.runID}") == NEW


def test_watch_times_out_with_its_own_status(shell):
    said = shell.serin("watch", "categories", "-n", "shop", "--timeout", "2")
    assert (said.returncode, said.stderr) == (5, "serin: timed out after 2 s; the rollout is still running\n")


def test_watch_notices_a_rollback_and_ends_with_its_own_status(shell):
    shell.set_status("default", "fuel", phase="Promoted", stable=STABLE)
    command = ["kubectl", "serin", "watch", "fuel", "-n", "default", "--timeout", "60s"]
    with subprocess.Popen(command, env=shell.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == f"default/fuel: candidate none, stable {RUN}\n"
        ready = {"type": "Ready", "status": "False", "reason": "RolledBack", "message": "agreement 51 %"}
        changed = ready | {"lastTransitionTime": "2026-01-02T00:00:00.000000Z"}
        confirmed = {"revision": 2, "confirmed": True, "pods": "2/2"}
        shell.set_status("default", "fuel", phase="RolledBack", conditions=[changed], propagation=confirmed)
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest.splitlines()[-1][22:]) == (3, "RolledBack: agreement 51 %")


def test_status_with_a_watch_prints_what_another_user_changes(shell):
    shell.set_status("default", "fuel", phase="Promoted", stable=STABLE)
    # The command has no end of its own.
    command = ["timeout", "60", "kubectl", "serin", "status", "fuel", "-n", "default", "-w"]
    with subprocess.Popen(command, env=shell.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "default/fuel: Promoted\n"
        shell.set_status("default", "fuel", phase="RolledBack")
        while process.stdout.readline().strip() != "default/fuel: RolledBack":
            assert process.poll() is None
        process.terminate()


def test_watch_draws_a_view_on_a_terminal(shell):
    ours, theirs = pty.openpty()
    command = ["kubectl", "serin", "watch", "categories", "-n", "shop", "--timeout", "3s"]
    environment = shell.environment | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"}
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        _, error = process.communicate(timeout=120)
    os.close(theirs)
    drawn = read(ours)
    assert (process.returncode, error) == (5, "serin: timed out after 3 s; the rollout is still running\n")
    assert "\x1b[1mshop/categories\x1b[0m" in drawn
    assert drawn.count(f"Stable     \x1b[0m{RUN}") > 1


def read(descriptor):
    """Return what was written to a terminal whose other end is closed."""
    parts = []
    with os.fdopen(descriptor, "rb") as terminal, contextlib.suppress(OSError):
        while part := terminal.read1():
            parts.append(part)
    return b"".join(parts).decode()


def test_versions_of_program_and_api_server(shell):
    said = shell.serin("version", "-o", "json")
    found = json.loads(said.stdout)
    assert found["kubernetes"].startswith("v1.")
    assert found["operators"] == []


def test_names_and_runs_are_completed_for_kubectl(shell):
    said = shell.run("kubectl", "__complete", "serin", "status", "-n", "shop", "c")
    assert said.stdout.splitlines() == ["categories", ":4"]
    said = shell.run("serin", "__complete", "set-run", "categories", "-n", "shop", "")
    assert said.stdout.splitlines() == [RUN, ":4"]


def test_an_api_server_that_is_away_is_one_sentence(shell, tmp_path):
    away = tmp_path / "kubeconfig"
    config = json.loads(shell.kubectl("config", "view", "--raw", "-o", "json"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    away.write_text(json.dumps(config))
    said = shell.serin("--kubeconfig", str(away), "list")
    assert (said.returncode, said.stderr) == (
        1,
        "serin: cannot reach the API server at https://127.0.0.1:1: connection refused\n",
    )
