"""The chart on a real API server with RBAC: install, helm test, upgrade, rollback and uninstall."""

import json
import shutil
import time

import httpx
import pytest
import yaml
from beside_cluster import wait_for_definitions
from helm.chart import CHART, ROOT, Helm, kubectl, objects
from helm.options import OPTIONS

from serin_localcluster.realnode.configuration import host

pytestmark = pytest.mark.cluster

NAMESPACE = "serin-system"
CRD = "suggestionmodels.serin.dev"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
PASSING = ("events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses")
PASSING += ("apiservices.apiregistration.k8s.io", "ipaddresses.networking.k8s.io")
"""Kinds that come and go by themselves, or that the control plane makes of CRDs and Services."""


class Installed:
    """kubectl and helm against one cluster."""

    def __init__(self, cluster, helm):
        self.cluster, self.helm = cluster, helm
        self.values = {"config": {"prometheus": {"default": {"url": cluster.prometheus_url}}}}

    def kubectl(self, *arguments, text=None):
        return kubectl(*arguments, kubeconfig=self.cluster.kubeconfig, text=text)

    def apply(self, *found):
        self.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(found))

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def objects(self):
        """Return kind, namespace and name of every object of the cluster."""
        kinds = self.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        template = r'{range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\n"}{end}'
        kinds = ",".join(kind for kind in kinds if kind not in PASSING)
        return set(self.kubectl("get", kinds, "-A", "-o", f"jsonpath={template}").split())

    def prepare(self, namespace, folder):
        """Apply a SuggestionModel with all that it names; its registry is empty."""
        storage = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
        metadata = {"namespace": namespace}
        model = yaml.safe_load((ROOT / "examples" / "suggestionmodel.yaml").read_text())
        tokens = {"token": "token", "admin-token": "admin", "event-key": "key"}
        self.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": RESTRICTED}},
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": namespace},
                "spec": storage | {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}},
            },
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata | {"name": "registry"},
                "spec": storage | {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": namespace},
            },
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata | {"name": "tokens"}, "stringData": tokens},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata | {"name": "rules"},
                "data": {"rules.yaml": "classes: {Fuel: [petrol]}\n"},
            },
            model | {"metadata": {"name": "categories", "namespace": namespace}},
        )

    def observed(self, namespace):
        """Return the generation of the SuggestionModel that the operator has seen."""
        return self.get("sgm", "categories", "-n", namespace).get("status", {}).get("observedGeneration", 0)

    def change(self, namespace):
        patch = json.dumps({"spec": {"canary": {"shadowSoak": f"{time.time_ns() % 1000 + 60}s"}}})
        self.kubectl("patch", "sgm", "categories", "-n", namespace, "--type=merge", "-p", patch)
        return self.get("sgm", "categories", "-n", namespace)["metadata"]["generation"]

    def shows(self, namespace, *, but_not):
        """Check that the dashboard shows one namespace, with the rights that it has there."""
        self.kubectl("rollout", "status", "deployment/serin-dashboard", "-n", NAMESPACE, "--timeout=60s")
        (pod,) = self.get("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=serin-dashboard")["items"]
        address, known = f"http://{host(pod['status']['podIP'])}:8080", {"host": "serin.example.com"}
        until(lambda: f"row-{namespace}-categories" in httpx.get(address, headers=known, timeout=60).text)
        assert but_not not in httpx.get(address, headers=known, timeout=60).text
        page = httpx.get(f"{address}/models/{namespace}/categories", headers=known, timeout=60)
        assert page.status_code == 200
        assert "cannot be read" not in page.text
        assert httpx.get(address, timeout=60).status_code == 400, "the address of the pod is none of its names"

    def logs(self, deployment="serin-operator"):
        return self.kubectl("logs", f"deployment/{deployment}", "-n", NAMESPACE)

    def close(self):
        """Uninstall the release, and wait until its pods have ended."""
        self.helm.run("uninstall", "serin", "--wait")
        until(lambda: not self.get("pods", "-n", NAMESPACE)["items"])


def until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def installed(cluster, program, tmp_path_factory):
    if not cluster.is_local:
        pytest.skip("an existing cluster may have a release and a CRD already")
    made = Installed(cluster, Helm(program, tmp_path_factory.mktemp("home"), cluster.kubeconfig))
    made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}})
    return made


def test_the_api_server_takes_every_option_as_it_is_rendered(installed, helm):
    """Without unknown fields, and within the Pod Security Standard of the namespace."""
    found = {}
    for option in OPTIONS.values():
        for one in helm.render(option.values):
            if one["kind"] not in ("PodMonitor", "PrometheusRule", "CustomResourceDefinition"):
                if one["kind"] == "Pod":
                    # A Pod is refused without its ServiceAccount, which is not made here.
                    one["spec"]["serviceAccountName"] = "default"
                text = json.dumps(one, sort_keys=True)
                found[text] = one | {"metadata": one["metadata"] | {"name": f"o{len(found)}-{one['metadata']['name']}"}}
    assert len(found) > len(OPTIONS)
    said = installed.kubectl(
        "create",
        "--dry-run=server",
        "--validate=strict",
        "-o",
        "name",
        "-f",
        "-",
        text=yaml.safe_dump_all(found.values()),
    )
    assert len(said.split()) == len(found)


def test_an_operator_with_rights_in_one_namespace_works_as_soon_as_the_crd_is_there(installed, tmp_path):
    for namespace in ("watched", "other"):
        installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    values = installed.values | {"watchNamespaces": ["watched"], "crds": {"enabled": False}}
    values |= {"dashboard": {"enabled": True, "allowedHosts": ["serin.example.com"]}}
    installed.helm.run("install", "serin", CHART, values=values)
    assert not {f"ClusterRoleBinding//serin-{one}" for one in ("operator", "dashboard")} & installed.objects()
    until(lambda: "SuggestionModels cannot be listed" in installed.logs())
    assert installed.get("deployment", "serin-operator", "-n", NAMESPACE)["status"].get("readyReplicas", 0) == 0

    installed.apply(yaml.safe_load((ROOT / "crds" / "suggestionmodels.yaml").read_text()))
    wait_for_definitions(installed.kubectl, CRD)
    for namespace in ("watched", "other"):
        installed.prepare(namespace, tmp_path)
    installed.kubectl("rollout", "status", "deployment/serin-operator", "-n", NAMESPACE, "--timeout=60s")
    until(lambda: installed.observed("watched") and installed.get("deployments", "-n", "watched")["items"])
    assert installed.get("deployment", "categories", "-n", "watched")
    assert installed.observed("other") == 0
    installed.shows("watched", but_not="other")

    # A restarted operator hears of changes at once, and not only after it has been refused to list namespaces and CRDs.
    installed.kubectl("rollout", "restart", "deployment/serin-operator", "-n", NAMESPACE)
    installed.kubectl("rollout", "status", "deployment/serin-operator", "-n", NAMESPACE, "--timeout=60s")
    generation = installed.change("watched")
    until(lambda: installed.observed("watched") == generation, seconds=25)
    assert "403" not in installed.logs()
    assert "forbidden" not in installed.logs().lower()
    assert "Succeeded" in installed.helm.run("test", "serin").stdout

    installed.kubectl("delete", "sgm", "--all", "-A")
    installed.close()
    left = [one.rpartition("/")[2] for one in installed.objects()]
    assert not [name for name in left if name.startswith(("serin-operator", "serin-dashboard"))]


@pytest.fixture(scope="module")
def before(installed, tmp_path_factory):
    """Everything in the cluster before the release, with a namespace prepared for a SuggestionModel."""
    installed.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait")
    installed.kubectl("create", "namespace", "transactions")
    return installed.objects()


@pytest.fixture(scope="module")
def release(installed, before, tmp_path_factory):
    """The chart, installed for all namespaces, and a SuggestionModel."""
    installed.helm.run("install", "serin", CHART, "--wait", "--timeout", "120s", values=installed.values)
    installed.prepare("transactions", tmp_path_factory.mktemp("registry"))
    until(lambda: installed.observed("transactions"))
    return installed


def deployed(release):
    """Return the image of the operator and the short names of the kind."""
    (container,) = release.get("deployment", "serin-operator", "-n", NAMESPACE)["spec"]["template"]["spec"][
        "containers"
    ]
    return container["image"].rpartition(":")[2], release.get("crd", CRD)["spec"]["names"]["shortNames"]


def test_helm_test_finds_that_the_installation_works_and_leaves_nothing(release):
    there = release.objects()
    assert "Succeeded" in release.helm.run("test", "serin").stdout
    until(lambda: not [one for one in release.objects() - there if "serin-operator-test" in one])


def test_an_upgrade_applies_a_changed_crd_and_configuration_and_a_rollback_undoes_it(release, tmp_path):
    assert deployed(release) == ("0.1.0", ["sgm"])
    changed = tmp_path / "serin"
    shutil.copytree(CHART, changed)
    for name, before, after in (
        ("templates/crds.yaml", "    - sgm\n", "    - sgm\n    - models\n"),
        ("Chart.yaml", "version: 0.1.0\nappVersion: 0.1.0\n", "version: 0.2.0\nappVersion: 0.2.0\n"),
    ):
        text = (changed / name).read_text()
        assert text.count(before) == 1
        (changed / name).write_text(text.replace(before, after))
    values = {"config": release.values["config"] | {"workers": 2}}
    release.helm.run("upgrade", "serin", changed, "--wait", "--timeout", "120s", values=values)
    assert deployed(release) == ("0.2.0", ["sgm", "models"])
    config = release.get("configmap", "serin-operator", "-n", NAMESPACE)["data"]["config.yaml"]
    assert yaml.safe_load(config)["workers"] == 2
    generation = release.change("transactions")
    until(lambda: release.observed("transactions") == generation)

    release.helm.run("rollback", "serin", "1", "--wait", "--timeout", "120s")
    assert deployed(release) == ("0.1.0", ["sgm"])
    generation = release.change("transactions")
    until(lambda: release.observed("transactions") == generation)


def test_uninstalling_keeps_the_crd_and_the_users_objects_and_nothing_else(release, before):
    release.close()
    users = {"Deployment", "ReplicaSet", "Service", "ServiceAccount", "PodDisruptionBudget", "ConfigMap", "Pod"}
    users |= {"SuggestionModel", "Secret", "PersistentVolumeClaim"}
    left = {
        one
        for one in release.objects() - before
        if not (one.split("/")[0] in users and one.split("/")[1] == "transactions")
    }
    assert left == {f"CustomResourceDefinition//{CRD}", "PersistentVolume//transactions"}
    assert release.observed("transactions")
    assert release.get("deployment", "categories", "-n", "transactions")


def test_a_release_takes_over_what_kustomize_has_installed(release, tmp_path):
    text = kubectl("kustomize", str(ROOT / "manifests" / "default"))
    kept = [
        one for one in objects(text) if one["kind"] in ("CustomResourceDefinition", "ClusterRole", "ServiceAccount")
    ]
    release.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(kept))
    release.helm.run(
        "install",
        "serin",
        CHART,
        "--take-ownership",
        "--force-conflicts",
        "--wait",
        "--timeout",
        "60s",
        values=release.values,
    )
    generation = release.change("transactions")
    until(lambda: release.observed("transactions") == generation)
