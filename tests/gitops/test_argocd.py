"""A real Argo CD: Synced at every moment of a rollout, one sync for each commit, and the right health."""

import json
import secrets
import shutil
import time

import pytest
import yaml
from gitops.argocd import ROOT, Application, health_of

from serin_core.kubernetes.owner import owner_of
from serin_demo.commands import CommandError, run

pytestmark = [pytest.mark.cluster, pytest.mark.gitops]

CLIENT_SIDE, SERVER_SIDE = (), ("ServerSideApply=true",)
APPLIES = pytest.mark.parametrize("options", [CLIENT_SIDE, SERVER_SIDE], ids=["client-side", "server-side"])
LONG = {"shadowSoak": "24h", "steps": [{"percent": 10}, {"percent": 100, "soak": "24h"}]}
"""Stages that do not end within a test."""

SMALLEST = {
    "runID": "run_1a2b3c4d_1767225600",
    "registry": {"volume": {"claimName": "registry"}},
    "server": {"token": {"secretName": "tokens"}},
}
STEPS = SMALLEST | {"canary": {"steps": [{"percent": 10}, {"percent": 55.5}]}}
FULLEST = {
    "runID": "run_1a2b3c4d_1767225600",
    "digest": f"sha256:{'a' * 64}",
    "registry": {"uri": "/registry/team", "volume": {"claimName": "registry"}},
    "shadow": True,
    "canary": {
        "percent": 100,
        "shadowSoak": "90m",
        "approval": "Automatic",
        "steps": [{"percent": 1}, {"percent": 50, "soak": "3600s", "approval": "Manual"}],
        "windows": [
            {"days": ["Mon", "Fri"], "from": "09:00", "to": "16:00", "timeZone": "Europe/Berlin"},
            {"from": "22:00", "to": "02:00"},
        ],
        "supervisionTimeout": "60m",
    },
    "bake": {"duration": "7200m", "holdback": 5},
    "progressDeadline": "600s",
    "onProgressDeadline": "Hold",
    "historyLimit": 10,
    "thresholds": {"default": 0.7, "perClass": {"Groceries": 0.65, "Fuel": 1}},
    "calibration": True,
    "gates": {
        "acceptance": {"f1Macro": 0.72, "f1Min": 0.6},
        "agreement": {"atLeast": 0.75, "stages": [0, 50], "designEffect": 2.5, "initialDelay": "90s"},
        "lowConfidence": {"mode": "DryRun"},
        "errors": {"margin": 0.01},
        "perClass": {},
        "custom": [
            {"name": "orders", "good": 'orders_total{code="200"}', "total": "orders_total", "atLeast": 0.9},
            {
                "name": "disputes",
                "good": 'disputes_total{arm="canary"}',
                "total": 'bookings_total{arm="canary"}',
                "control": {"good": 'disputes_total{arm="control"}', "total": 'bookings_total{arm="control"}'},
                "oddsRatio": 2,
            },
        ],
        "queries": [{"name": "saturation", "query": "max(pool_used / pool_size)", "atMost": 0.9, "for": "10m"}],
        "checks": [{"name": "smoke", "endpoint": "ci", "before": [1, 50], "timeout": "30s"}],
    },
    "analysis": {
        "prometheus": "default",
        "interval": "60s",
        "alphaPromote": 0.05,
        "alphaRollback": 0.01,
        "maxDuration": "336h",
        "onInconclusive": "Hold",
        "noDataTimeout": "600s",
        "onNoData": "Hold",
    },
    "rollback": {"to": "Stable", "window": 3},
    "notifications": ["team-ml"],
    "suspend": False,
    "server": {
        "replicas": 2,
        "token": {"secretName": "tokens"},
        "rules": {"configMapName": "rules"},
        "resources": {"requests": {"cpu": "0.1", "memory": "256Mi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}},
        "store": {"postgres": {"secretName": "db"}, "retention": "400d"},
    },
}


def model(namespace, spec, annotations=None):
    metadata = {"name": "categories", "namespace": namespace, "annotations": annotations or {}}
    return {"apiVersion": "serin.dev/v1alpha1", "kind": "SuggestionModel", "metadata": metadata, "spec": spec}


@pytest.fixture
def namespaces(installed):
    made = [f"gitops-{secrets.token_hex(4)}" for _ in range(3)]
    installed.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}} for one in made))
    yield made
    for one in made:
        installed.kubectl("delete", "namespace", one, "--wait=false")


@APPLIES
def test_the_smallest_and_the_fullest_manifest_are_synced_once(installed, application, namespaces, options):
    specs = (SMALLEST, STEPS, FULLEST)
    made = [
        application(namespace, model(namespace, spec), options=options)
        for namespace, spec in zip(namespaces, specs, strict=True)
    ]
    for one in made:
        one.wait_for_health("Progressing")
        installed.kubectl(
            "wait", "sgm/categories", "-n", one.namespace, "--for=jsonpath={.status.phase}", "--timeout=60s"
        )
    for one in made:
        one.compare_again()
        one.compare_again()
    for one, spec in zip(made, specs, strict=True):
        status = one.status()
        assert (status["sync"]["status"], one.syncs(), one.out_of_sync()) == ("Synced", 1, []), spec
        generation = installed.kubectl(
            "get", "sgm", "categories", "-n", one.namespace, "-o", "jsonpath={.metadata.generation}"
        )
        assert generation == "1"


@APPLIES
def test_a_rollout_and_a_rollback_are_synced_at_every_moment(rollout, registry, application, options):
    rollout.send(registry.traffic)
    app = application(rollout.namespace, rollout.resource(registry.good), options=options)
    rollout.wait_for_phase("Promoted", seconds=150)
    app.wait_for_health("Healthy")

    # Whoever edits the object by hand is corrected; a request to the operator is not undone.
    assert (app.syncs(), app.out_of_sync(), rollout.get()["metadata"]["generation"]) == (1, [], 1)
    rollout.kubectl("patch", "sgm", rollout.name, "--type=merge", "-p", '{"spec": {"canary": {"shadowSoak": "2s"}}}')
    app.wait(lambda _: rollout.get()["metadata"]["generation"] == 3, what="the correction")
    assert rollout.get()["spec"]["canary"]["shadowSoak"] == "1s"
    app.compare_again()
    assert app.status()["sync"]["status"] == "Synced"
    corrections = len(app.out_of_sync())
    owned = rollout.kubectl("get", "sgm", rollout.name, "-o", "json", "--show-managed-fields")
    assert owner_of(json.loads(owned)).name == f"the Argo CD application {app.name}"

    commit = app.push(rollout.resource(registry.outdated))
    rollout.wait_for_phase("RolledBack", seconds=120)
    app.wait_until_synced(commit)
    app.wait_for_health("Degraded")

    # A revert in Git: promoted, nothing else to do.
    commit = app.push(rollout.resource(registry.good))
    rollout.wait_for_phase("Promoted")
    app.wait_until_synced(commit)
    app.wait_for_health("Healthy")

    environment = {"KUBECONFIG": str(rollout.cluster.kubeconfig)}
    undo = ["kubectl-serin", "undo", rollout.name, "-n", rollout.namespace, "--yes"]
    with pytest.raises(CommandError, match="Argo CD"):
        run(undo, environment=environment)
    run([*undo, "--force"], environment=environment)
    rollout.wait(lambda status: "stable" not in status, what="the end of the stable run")
    assert app.syncs() == 3, "one for each commit"
    app.compare_again()
    assert app.status()["sync"]["status"] == "Synced"
    assert app.syncs() == 3
    assert "stable" not in rollout.status
    assert len(app.out_of_sync()) == corrections
    assert rollout.get()["metadata"]["generation"] == 3 + 2, "the correction, and one for each commit"

    healths = [health_of(status) for status in app.seen()]
    assert {"Progressing", "Healthy", "Degraded"} <= set(healths)


@APPLIES
def test_an_approval_and_a_bake_are_synced_at_every_moment(rollout, registry, application, options):
    rollout.send(registry.traffic)
    last = {"percent": 100, "soak": "1s", "approval": "Manual"}
    canary = {"shadowSoak": "1s", "steps": [{"percent": 10, "soak": "1s"}, last]}
    wanted = rollout.resource(registry.good, canary=canary, bake={"duration": "10s"})
    app = application(rollout.namespace, wanted, options=options)
    rollout.wait_for_reason("AwaitingApproval", seconds=150)
    app.wait_for_health("Suspended")
    rollout.serin("promote", "--reason", "looks fine")
    rollout.wait_for_phase("Baking", seconds=60)
    app.wait_for_health("Healthy")
    rollout.wait_for_phase("Promoted", seconds=60)
    app.compare_again()
    assert app.status()["sync"]["status"] == "Synced"
    assert (app.syncs(), app.out_of_sync(), rollout.get()["metadata"]["generation"]) == (1, [], 1)


def test_the_example_of_three_environments_is_synced_as_its_applicationset_says(installed, argocd):
    examples = "examples/gitops"
    shutil.copytree(ROOT / examples, argocd.repository / examples)
    commit = argocd.commit_all("Three environments")
    template = yaml.safe_load((ROOT / examples / "argocd" / "applicationset.yaml").read_text())["spec"]["template"]
    made = []
    for environment in ("dev", "staging", "production"):
        namespace, path = (
            text.replace("{{.environment}}", environment)
            for text in (template["spec"]["destination"]["namespace"], template["spec"]["source"]["path"])
        )
        options = template["spec"]["syncPolicy"]["syncOptions"]
        made.append(Application(argocd, f"categories-{environment}", namespace, path=path, options=options))
    for one in made:
        one.create()
    try:
        for one in made:
            one.wait_until_synced(commit)
            one.compare_again()
            assert (one.status()["sync"]["status"], one.syncs(), one.out_of_sync()) == ("Synced", 1, [])
    finally:
        for one in made:
            one.close()
            installed.kubectl("delete", "namespace", one.namespace, "--wait=false", "--ignore-not-found")


def waves(rollout, run_id, annotations=None, **changes):
    """Return a SuggestionModel, and a ConfigMap that a later sync wave makes."""
    resource = rollout.resource(run_id, **({"canary": LONG} | changes))
    resource["metadata"]["annotations"] = annotations or {}
    later = {"name": "later", "namespace": rollout.namespace, "annotations": {"argocd.argoproj.io/sync-wave": "1"}}
    return resource, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": later, "data": {"run": run_id}}


def last_sync(status):
    operation = status.get("operationState", {})
    return operation.get("phase"), operation.get("syncResult", {}).get("revision")


def test_with_the_annotation_a_rollout_holds_up_neither_a_later_wave_nor_a_revert(rollout, registry, application):
    healthy = {"serin.dev/healthy-during-rollout": "true"}
    app = application(rollout.namespace, *waves(rollout, registry.good, healthy))
    app.wait(lambda status: last_sync(status)[0] == "Succeeded", seconds=90, what="the end of the sync")
    status = app.wait_for_health("Healthy")
    assert rollout.condition()["reason"] in ("Loading", "RolloutProgressing")
    rollout.wait_for_stage(0)
    assert rollout.kubectl("get", "configmap", "later", "-o", "jsonpath={.data.run}") == registry.good
    commit = app.push(*waves(rollout, registry.outdated, healthy))
    app.wait(lambda status: last_sync(status) == ("Succeeded", commit), seconds=90, what="the next sync")
    rollout.wait(lambda status: status["candidate"]["runID"] == registry.outdated, what="the other run")
    assert app.out_of_sync() == []
    assert status["sync"]["status"] == "Synced"


def test_without_the_annotation_a_sync_wave_waits_for_the_rollout_and_so_does_a_revert(rollout, registry, application):
    app = application(rollout.namespace, *waves(rollout, registry.good))
    rollout.wait_for_stage(0, seconds=90)
    app.wait_for_health("Progressing")
    commit = app.push(*waves(rollout, registry.outdated))
    app.wait(lambda status: status["sync"].get("revision") == commit, what="the commit")
    time.sleep(10)
    assert last_sync(app.status())[0] == "Running"
    assert rollout.get()["spec"]["runID"] == registry.good
