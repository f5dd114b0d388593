"""The number of pods: who sets it, what others see of it, and that a rollout does not depend on it."""

import pytest
from models.parts import NAME, Broken, spec
from models.starting import A, B, has_percent, has_phase, new_world

from serin_core.api.crd import schema
from serin_core.kubernetes import scaling
from serin_core.kubernetes.diff import owns
from serin_core.rollout.scale import AUTOSCALER

TOKEN = {"token": {"secretName": "token"}}
AUTOSCALING = {"maxReplicas": 5}


def server(**changes):
    return {"server": TOKEN | changes}


def deployment(at):
    return at.children["Deployment", NAME]


def replicas(at):
    return deployment(at)["spec"]["replicas"]


def autoscaler(at):
    return at.children.get((AUTOSCALER, NAME))


def edit(at, **changes):
    at.edit(spec(A, **server(**changes)))
    at.settle(rounds=4)


def promoted(**changes):
    at = new_world(**server(**changes))
    at.settle(until=has_phase("Promoted"))
    at.settle(rounds=2)
    return at


def test_a_new_deployment_gets_two_pods_and_then_belongs_to_whoever_scales_it():
    at = promoted()
    assert (replicas(at), len(at.pods)) == (2, 2)
    at.scale(4)
    at.settle(rounds=6)
    edit(at, resources={"requests": {"cpu": "1m"}})
    assert replicas(at) == 4
    assert not owns(deployment(at), ("spec", "replicas"), manager="serin-operator")


@pytest.mark.parametrize("scaled", [None, 5])
def test_a_number_that_the_spec_gives_up_stays_until_somebody_scales(scaled):
    at = promoted(replicas=3)
    edit(at)
    if scaled:
        at.scale(scaled)
    edit(at, resources={"requests": {"cpu": "1m"}})
    edit(at, resources={"requests": {"cpu": "2m"}})
    assert replicas(at) == (scaled or 3)


def test_without_repeating_the_number_an_apply_would_reset_it(monkeypatch):
    at = promoted(replicas=3)
    monkeypatch.setattr(scaling, "owns", lambda *_, **__: False)
    with pytest.raises(Broken, match=r"\(m\)"):
        edit(at, resources={"requests": {"cpu": "1m"}})


def test_a_number_in_the_spec_is_restored():
    at = promoted(replicas=3)
    at.scale(5)
    at.settle(rounds=4)
    assert replicas(at) == 3


def test_an_autoscaler_is_written_changed_and_removed_with_its_field():
    at = promoted(autoscaling=AUTOSCALING | {"minReplicas": 3})
    found = autoscaler(at)
    assert found["metadata"]["ownerReferences"][0]["uid"] == at.uid
    assert found["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": 3,
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    }
    assert (replicas(at), at.status.has_autoscaler) == (3, True)
    at.scale(5)
    edit(at, autoscaling=AUTOSCALING | {"cpuUtilization": 50})
    assert autoscaler(at)["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    assert (autoscaler(at)["spec"]["minReplicas"], replicas(at)) == (2, 5)
    edit(at)
    assert (autoscaler(at), at.status.has_autoscaler, replicas(at)) == (None, False, 5)


def test_status_shows_what_autoscalers_read():
    at = promoted()
    at.scale(3)
    at.settle(rounds=6)
    assert (at.status.replicas, at.status.selector) == (3, f"serin.dev/uid={at.uid}")
    available = next(one for one in at.status.conditions if one.type == "Available")
    assert available.message == "3 of 3 pods are ready"


@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 1)])
@pytest.mark.parametrize("is_field", [True, False], ids=["in the spec", "on the Deployment"])
def test_scaling_during_a_rollout_restarts_no_stage(before, after, is_field):
    at = promoted(replicas=before)
    at.edit(spec(B, **server(replicas=before)))
    at.settle(until=has_percent(50))
    stage = at.status.candidate
    if is_field:
        at.edit(spec(B, **server(replicas=after)))
    else:
        at.edit(spec(B, **server()))
        at.scale(after)
    for _ in range(3):
        at.kubelets()
        at.whole_pass(at.operators[0])
    found = at.status.candidate
    kept = ("template", "stage_started_at", "attempt", "stage", "percent")
    assert [getattr(found, name) for name in kept] == [getattr(stage, name) for name in kept]
    at.settle(until=has_phase("Promoted"))
    assert at.status.stable.run_id == B
    assert len([pod for pod in at.pods.values() if not pod.deleting]) == after


def test_a_new_pod_must_confirm_before_the_next_step():
    at = promoted(replicas=2)
    at.edit(spec(B, **server()))
    at.settle(until=has_percent(10))
    at.scale(3)
    at.whole_pass(at.operators[0])
    at.roll()
    (new,) = [pod for pod in at.pods.values() if not pod.running]
    at.start(new)
    new.document = None
    new.is_stuck = True
    new.mount = None
    for _ in range(10):
        at.whole_pass(at.operators[0])
        at.tick()
    assert (at.status.candidate.percent, at.status.propagation.confirmed) == (10, False)


def test_without_pods_nothing_is_awaited():
    at = promoted()
    at.scale(0)
    at.settle(rounds=6)
    ready = next(one for one in at.status.conditions if one.type == "Ready")
    assert (at.status.replicas, at.status.progress, ready.reason) == (0, None, "Promoted")


def leaves(node, path):
    for name, child in node.get("properties", {}).items():
        yield from leaves(child, f"{path}.{name}")
    if "properties" not in node:
        yield path


CHANGES = {
    "replicas": ({"replicas": 2}, {"replicas": 3}),
    "autoscaling.minReplicas": ({"autoscaling": AUTOSCALING}, {"autoscaling": AUTOSCALING | {"minReplicas": 1}}),
    "autoscaling.maxReplicas": ({"autoscaling": AUTOSCALING}, {"autoscaling": {"maxReplicas": 6}}),
    "autoscaling.cpuUtilization": (
        {"autoscaling": AUTOSCALING},
        {"autoscaling": AUTOSCALING | {"cpuUtilization": 81}},
    ),
}


@pytest.mark.parametrize("path", CHANGES)
def test_each_field_changes_what_is_written(path):
    found = [(replicas(at), (autoscaler(at) or {}).get("spec")) for at in (promoted(**one) for one in CHANGES[path])]
    assert found[0] != found[1]


def test_the_table_lists_every_field():
    fields = schema()["properties"]["spec"]["properties"]["server"]["properties"]
    found = [path for name in ("replicas", "autoscaling") for path in leaves(fields[name], name)]
    assert sorted(found) == sorted(CHANGES)
