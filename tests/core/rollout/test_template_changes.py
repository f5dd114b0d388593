"""A template that is edited in mid-stage delays what moves forward, never what rolls back."""

from models.parts import spec
from models.world import World

from serin_core.api.status import BEING_REPLACED, CandidateState

A = "run_aaaaaaaa_1"
DIGESTS = {A: "sha256:" + "a" * 64}
SMALL = {"replicas": 2, "token": {"secretName": "token"}, "resources": {"requests": {"cpu": "1m"}}}


def is_at_half(at):
    rollout = at.status and at.status.rollout
    return bool(rollout and rollout.percent == 50 and rollout.stage_started_at)


def edited_at_half():
    at = World(spec(A))
    at.registry = dict(DIGESTS)
    at.settle(until=is_at_half)
    at.verdict = "unsure"
    at.is_full = True
    at.edit(spec(A, server=SMALL))
    at.settle(rounds=10)
    return at


def test_while_pods_are_awaited_a_gate_that_fails_still_rolls_the_run_back():
    at = edited_at_half()
    assert at.status.rollout.percent == 50
    at.verdict = "fail"
    at.settle(rounds=10)
    assert at.status.candidate.state is CandidateState.ROLLED_BACK


def test_while_pods_are_awaited_nothing_moves_forward():
    at = edited_at_half()
    at.verdict = "pass"
    at.request("promote", f"{A} 50 by a user")
    at.settle(rounds=30)
    assert at.status.rollout.percent == 50
    assert at.status.rollout.template == BEING_REPLACED


def test_the_condition_says_what_is_awaited():
    at = edited_at_half()
    at.is_full = False
    at.whole_pass(at.operators[0])
    at.pods = {name: pod for name, pod in at.pods.items() if pod.running}
    at.whole_pass(at.operators[0])
    ready = at.status.conditions[0]
    assert (ready.status, ready.reason) == ("Unknown", "RolloutProgressing")
    assert "the pod template changed, 0 of 2 pods are replaced" in ready.message


def test_an_edit_that_is_undone_restarts_the_stage_as_well():
    at = edited_at_half()
    stage = at.status.rollout.stage
    at.is_full = False
    at.edit(spec(A))
    at.settle(rounds=10)
    assert at.status.rollout.stage > stage
    at.verdict = "pass"
    at.settle(rounds=40)
    assert at.status.phase == "Promoted"


def registry_of_the_template(at):
    container = at.children["Deployment", "categories"]["spec"]["template"]["spec"]["containers"][0]
    return next(variable["value"] for variable in container["env"] if variable["name"] == "SERIN_REGISTRY")


def test_a_registry_that_is_edited_during_a_rollout_is_read_once_the_pods_are_drained():
    at = World(spec(A))
    at.registry = dict(DIGESTS)
    at.settle(until=is_at_half)
    stuck = at.pods[min(at.pods)]
    stuck.is_stuck = True
    at.edit(spec(A, registry={"uri": "/elsewhere"}))
    at.settle(rounds=10)
    assert at.status.rollout.state is CandidateState.DRAINING
    assert registry_of_the_template(at) == "/registry"
    stuck.is_stuck = False
    at.settle(rounds=60)
    assert at.status.phase == "Promoted"
    assert registry_of_the_template(at) == "/elsewhere"


def test_a_registry_that_is_edited_after_promotion_is_read_at_once():
    at = World(spec(A))
    at.registry = dict(DIGESTS)
    at.settle(rounds=60)
    at.edit(spec(A, registry={"uri": "/elsewhere"}))
    at.settle(rounds=10)
    assert registry_of_the_template(at) == "/elsewhere"
    assert at.status.phase == "Promoted"


def test_a_registry_in_an_object_store_brings_its_credentials_and_a_cache_and_no_volume():
    at = World(spec(A, registry={"uri": "s3://bucket/runs", "secretName": "s3"}))
    at.registry = dict(DIGESTS)
    at.settle(rounds=10)
    pod = at.children["Deployment", "categories"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert registry_of_the_template(at) == "s3://bucket/runs"
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]
    cache = next(mount for mount in container["volumeMounts"] if mount["name"] == "cache")
    assert {"name": "SERIN_CACHE_DIR", "value": cache["mountPath"]} in container["env"]
    assert {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}} in pod["volumes"]
    assert not [volume for volume in pod["volumes"] if volume["name"] == "registry"]


def test_a_retention_reaches_the_pods_of_a_model_with_a_store():
    store = {"postgres": {"secretName": "db"}, "retention": "400d"}
    at = World(spec(A, server={"token": {"secretName": "tokens"}, "store": store}))
    at.registry = dict(DIGESTS)
    at.settle(rounds=10)
    container = at.children["Deployment", "categories"]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "SERIN_RETENTION", "value": "400d"} in container["env"]
