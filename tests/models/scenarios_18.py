"""Scenarios that need rule 18 of docs/contracts.md: the operator sends the routing to running pods itself."""

import json

from models.parts import Broken, spec
from models.scenarios_11 import shares
from models.starting import B, has_percent, has_phase, one_pod

KEY = "key of the operators"
FORGED = "key of somebody else"


def kubelets_that_stop(at):
    """18: a rollback takes effect, and is confirmed, although no kubelet refreshes anything."""
    at.keys = (KEY,)
    at.settle(until=has_percent(50))
    for pod in at.pods.values():
        pod.is_stuck = True
    at.verdict = "fail"
    at.settle(rounds=3)
    if not has_phase("RolledBack")(at):
        raise Broken("(e) a rollback waits for kubelets that do nothing")
    for pod in list(at.pods.values()):
        at.restart(pod)
    at.kubelets()
    at.assert_ended()


def pods_whose_annotations_do_not_arrive(at):
    """18: a push counts as an announcement, so that a share that was pushed is served."""
    at.keys = (KEY,)
    at.settle(until=has_percent(0))
    for pod in at.pods.values():
        pod.is_stuck, pod.annotated = True, None
    at.settle(until=has_percent(10))
    if shares(at) != {10}:
        raise Broken(f"(c) the pods confirm 10 % and serve {shares(at)}")
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def rolled_back_with_a_recording(at):
    """The routing of 50 % as it was sent over the network, after a rollback that the kubelets have missed."""
    at.keys = (KEY,)
    at.settle(until=has_percent(50))
    at.settle(rounds=1)
    for pod in at.pods.values():
        pod.is_stuck = True
    recorded = at.sent[-1]
    assert json.loads(recorded[0])["candidate"]["percent"] == 50
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    return recorded


def push_that_is_sent_again(at):
    """18: somebody sends a routing again that an operator has signed before the rollback."""
    text, key = rolled_back_with_a_recording(at)
    for pod in at.pods.values():
        at.receive(pod, text, key=key)
    at.check()
    at.assert_ended()


def push_that_is_sent_again_after_a_restart(at):
    """18: the same, to a container that has just restarted."""
    text, key = rolled_back_with_a_recording(at)
    for pod in list(at.pods.values()):
        at.restart(pod)
        at.start(pod)
        at.load(pod)
        at.receive(pod, text, key=key)
    at.check()
    at.settle(rounds=2)
    at.assert_ended()


def push_that_nobody_has_signed(at):
    """18: somebody on the network sends all users to the candidate."""
    at.keys = (KEY,)
    at.settle(until=has_percent(10))
    document = json.loads(at.routing_text())
    document["candidate"]["percent"] = 100
    document["revision"] += 1
    for pod in at.pods.values():
        at.receive(pod, json.dumps(document), key=FORGED)
    at.check()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def push_to_the_pod_of_a_namesake(at):
    """18: a routing of the deleted resource arrives late, at a pod of the new one, which has got the address."""
    at.keys = (KEY,)
    at.settle(until=has_percent(50))
    at.settle(rounds=1)
    text, key = at.sent[-1]
    at.recreate()
    at.collect_garbage()
    at.settle(rounds=5)
    for pod in at.pods.values():
        at.receive(pod, text, key=key)
    at.check()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def routing_that_a_user_edits(at):
    """18: what a user writes into the ConfigMap is never signed."""
    at.keys = (KEY,)
    at.settle(until=has_percent(10))
    candidate = json.loads(at.routing_text())["candidate"]
    at.edit_routing(candidate=candidate | {"percent": 100})
    at.whole_pass(at.operators[0])
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def operator_that_sends_what_it_read_long_ago(at):
    """18: an operator that was deposed wakes up, and sends the routing of before the rollback."""
    at.keys = (KEY,)
    at.settle(until=has_percent(50))
    late = at.operators[1]
    at.gather(late)
    for pod in at.pods.values():
        pod.is_stuck = True
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    at.decide(late)
    at.check()
    at.settle(rounds=2)
    at.assert_ended()


def key_that_is_rotated_during_a_rollout(at):
    """18: pods go on with the key that they know, and no pod is replaced; a lost key replaces them."""
    at.keys = (KEY,)
    at.settle(until=has_percent(10))
    names = set(at.pods)
    at.keys = ("new key", KEY)
    at.settle(until=has_percent(50))
    if set(at.pods) != names:
        raise Broken("(e) a new key has replaced pods")
    for pod in at.pods.values():
        pod.is_stuck = True
    at.verdict = "fail"
    at.settle(rounds=3)
    assert has_phase("RolledBack")(at)
    for pod in at.pods.values():
        pod.is_stuck = False
    at.keys, at.verdict = ("new key",), "pass"
    at.edit(spec(B))
    at.settle(until=has_phase("Promoted"))
    assert {pod.key for pod in at.pods.values()} == {"new key"}
    at.assert_ended()


def pods_of_an_older_server(at):
    """18: a pod whose server knows no pushes is announced to, and confirms by its mounted routing."""
    at.keys = (KEY,)
    at.settle(rounds=3)
    for pod in at.pods.values():
        pod.is_older = True
    at.settle(until=has_percent(50))
    one_pod(at).is_older = False
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    at.assert_ended()
