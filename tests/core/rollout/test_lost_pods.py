"""Rule 9: pods that cannot confirm are named, in a condition and an Event, and not written to again and again."""

from datetime import timedelta

import pytest
from models.starting import has_percent, has_phase, new_world, one_pod

from serin_core.api.status import HandledRequest
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.lost_pods import MAX_SILENT
from serin_core.rollout.observation import NodeState
from serin_core.rollout.writes import AnnotatePod, RemovePod


def condition(at, kind):
    return next((one for one in at.status.conditions if one.type == kind), None)


def at_ten_percent():
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    return at


def passes(at, rounds=1, seconds=0.5):
    """Run passes without anything of the nodes, and return their Events."""
    found = []
    for _ in range(rounds):
        decision = at.whole_pass(at.operators[0])
        found += decision.announcements
        at.tick(seconds)
    return found


def test_a_ready_pod_that_does_not_respond_is_named_within_a_minute_with_node_address_error_and_what_to_check():
    at = at_ten_percent()
    pod = one_pod(at)
    pod.is_cut_off = True
    assert passes(at, rounds=2, seconds=10) == []
    assert condition(at, "PodsUnreachable") is None
    events = passes(at, rounds=3, seconds=10)
    expected = (
        f"{pod.name} on node node-of-{pod.name} (10.0.0.1): ready, but no response to the operator (no answer); let "
        "the operator's namespace reach port 8080 of these pods: check NetworkPolicies, and the mTLS of a service mesh"
    )
    assert condition(at, "PodsUnreachable").message == expected
    assert [(one.reason, one.message, one.is_warning) for one in events] == [("PodsUnreachable", expected, True)]
    ready = condition(at, "Ready")
    assert (ready.status, ready.reason, ready.message) == ("Unknown", "PodsUnreachable", f"On hold: {expected}")
    pod.is_cut_off = False
    passes(at)
    assert condition(at, "PodsUnreachable") is None
    assert at.status.silent_pods == ()


def test_a_pod_that_does_not_respond_is_told_of_a_revision_once_and_not_reminded():
    at = at_ten_percent()
    pod = one_pod(at)
    pod.is_cut_off = pod.is_stuck = True
    at.verdict = "fail"
    writes = []
    for _ in range(60):
        decision = at.whole_pass(at.operators[0])
        writes += [one for one in decision.writes if isinstance(one, AnnotatePod) and one.name == pod.name]
        at.tick(10)
    assert len(writes) == 1


def test_nothing_is_written_while_a_pod_stays_silent():
    at = at_ten_percent()
    one_pod(at).is_cut_off = True
    passes(at, rounds=6, seconds=10)
    assert all(at.whole_pass(at.operators[0]).writes == () for _ in range(3))


def test_a_silent_pod_is_looked_at_every_ten_seconds_also_without_a_rollout():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    one_pod(at).is_cut_off = True
    at.whole_pass(at.operators[0])
    at.tick(3600)
    assert at.whole_pass(at.operators[0]).requeue_after <= timedelta(seconds=10)


def test_an_unconfirmed_rollback_says_which_pod_it_waits_for():
    at = at_ten_percent()
    lost = one_pod(at)
    at.lose_node(lost, is_dead=True)
    at.verdict = "fail"
    at.settle(rounds=10)
    message = condition(at, "Ready").message
    assert "1 of 2 pods have confirmed; " in message
    assert f"{lost.name} on node node-of-{lost.name} (10.0.0.1): the node is not ready" in message
    assert condition(at, "PodsUnreachable") is not None


@pytest.mark.parametrize("state", [NodeState.UNKNOWN, NodeState.READY])
def test_a_pod_that_terminates_for_days_is_named_whether_or_not_nodes_can_be_read(state):
    at = at_ten_percent()
    lost = one_pod(at)
    at.lose_node(lost, is_dead=False)
    lost.node_state = state
    at.evict_from_lost_node(lost)
    passes(at, rounds=3, seconds=10)
    assert condition(at, "PodsUnreachable") is None
    passes(at, rounds=3, seconds=20)
    message = condition(at, "PodsUnreachable").message
    assert (
        f"{lost.name} on node node-of-{lost.name} (10.0.0.1): terminating for longer than the grace period" in message
    )


def test_a_pod_that_responds_is_not_lost_because_it_terminates_slowly():
    at = at_ten_percent()
    pod = one_pod(at)
    at.evict_from_lost_node(pod)
    passes(at, rounds=10, seconds=10)
    assert "still serving: kubectl describe pod" in condition(at, "PodsUnreachable").message


def test_of_many_silent_pods_a_few_are_named_and_status_keeps_a_bounded_number():
    server = {"replicas": 30, "token": {"secretName": "token"}}
    at = new_world(server=server)
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    for pod in at.pods.values():
        pod.is_cut_off = True
    passes(at, rounds=6, seconds=10)
    assert len(at.status.silent_pods) == MAX_SILENT
    assert " and 27 more: ready, but no response" in condition(at, "PodsUnreachable").message


def test_a_pod_that_has_not_started_is_not_unreachable():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.is_full = True
    at.rules = "other"
    at.settle(rounds=5)
    assert any(not isinstance(at._report(pod), PodReport) for pod in at.pods.values())
    passes(at, rounds=6, seconds=10)
    assert condition(at, "PodsUnreachable") is None


def lost_at_ten_percent():
    at = at_ten_percent()
    lost = one_pod(at)
    at.lose_node(lost, is_dead=False)
    at.settle(rounds=5)
    return at, lost


def answer(at):
    return at.status.handled_requests[-1].answer


def test_a_lost_pod_is_named_with_every_way_to_end_the_wait():
    at, lost = lost_at_ten_percent()
    message = condition(at, "PodsUnreachable").message
    assert message.startswith(f"{lost.name} on node node-of-{lost.name} (10.0.0.1): the node is not ready")
    assert "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute" in message
    assert "kubectl serin forget-pod categories POD" in message


def test_a_pod_that_is_declared_dead_is_deleted_once_and_recorded_with_who_and_why():
    at, lost = lost_at_ten_percent()
    at.request("forget-pod", f"{lost.name} {lost.uid} 2026-01-01T00:00:00Z by=jane scrapped")
    decision = at.whole_pass(at.operators[0])
    removed = [write for write in decision.writes if isinstance(write, RemovePod)]
    assert removed == [RemovePod(lost.name, lost.uid, is_forced=True, waits_for_kubelet=False)]
    expected = f"{lost.name} on node node-of-{lost.name} is declared dead: it is deleted, and no longer waited for"
    assert answer(at) == f"Done: {expected}"
    [event] = [one for one in decision.announcements if one.reason == "PodForgotten"]
    assert f"{expected} (requested by jane: scrapped)" in event.message
    assert at.status.history[-1].run_id == at.status.rollout.run_id
    assert lost.name not in at.pods
    assert at.status.dead_pods == (lost.uid,)
    at.settle(rounds=5)
    assert condition(at, "PodsUnreachable") is None
    assert at.status.dead_pods == ()


def declared_dead_before_a_crash():
    """Return a world in which a pod was declared dead, and the operator ended before it deleted the pod."""
    at, lost = lost_at_ten_percent()
    at.request("forget-pod", f"{lost.name} {lost.uid} scrapped")
    at.gather(at.operators[0])
    at.decide(at.operators[0])
    at.write(at.operators[0])
    at.crash(at.operators[0])
    assert lost.name in at.pods
    return at, lost


def test_a_pod_that_is_declared_dead_is_deleted_by_the_next_operator_if_the_first_one_dies():
    at, lost = declared_dead_before_a_crash()
    at.whole_pass(at.operators[1])
    assert lost.name not in at.pods


def test_a_pod_stays_declared_dead_when_its_request_is_forgotten():
    at, lost = declared_dead_before_a_crash()
    at.status = at.status.changed(handled_requests=())
    at.annotations = {}
    at.whole_pass(at.operators[1])
    assert lost.name not in at.pods


def test_no_answer_to_a_request_declares_a_pod_dead():
    at, lost = lost_at_ten_percent()
    at.status = at.status.changed(
        handled_requests=(
            HandledRequest(action="forget-pod", value=f"{lost.name} {lost.uid}", answer="Done: by hand", at=at.now),
        )
    )
    at.whole_pass(at.operators[0])
    assert lost.name in at.pods
    assert at.status.dead_pods == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda at, pod: at.return_node(pod), "responds to the operator, so it is not dead"),
        (lambda at, pod: (at.return_node(pod), setattr(pod, "is_cut_off", True)), "is ready: it serves users"),
    ],
    ids=["responds", "ready"],
)
def test_a_pod_that_is_not_dead_is_not_forgotten(change, why):
    at, lost = lost_at_ten_percent()
    change(at, lost)
    at.request("forget-pod", f"{lost.name} {lost.uid} scrapped")
    at.whole_pass(at.operators[0])
    assert answer(at).startswith(f"Ignored: {lost.name} {why}")
    assert lost.name in at.pods


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("pod-99 uid-99 scrapped", "pod-99 is not a pod of categories, or is gone"),
        ("{name} uid-99 scrapped", "a forget-pod names the pod and its uid"),
        ("{name}", "a forget-pod names the pod and its uid"),
        ("", "no pod is not a pod of categories"),
    ],
)
def test_a_request_that_names_no_pod_of_this_resource_is_ignored_with_the_reason(value, why):
    at, lost = lost_at_ten_percent()
    at.request("forget-pod", value.format(name=lost.name))
    at.whole_pass(at.operators[0])
    assert answer(at).startswith(f"Ignored: {why}")
    assert lost.name in at.pods


@pytest.mark.parametrize("state", [NodeState.DELETED, NodeState.OUT_OF_SERVICE])
def test_pods_of_a_node_that_is_deleted_or_out_of_service_are_deleted(state):
    at, lost = lost_at_ten_percent()
    lost.node_state = state
    at.whole_pass(at.operators[0])
    assert lost.name not in at.pods


def test_a_pod_that_responds_is_not_deleted_whatever_its_node_is_said_to_be():
    at = at_ten_percent()
    pod = one_pod(at)
    pod.node_state = NodeState.OUT_OF_SERVICE
    at.whole_pass(at.operators[0])
    assert pod.name in at.pods


def test_a_pod_whose_kubelet_does_not_update_the_routing_is_named_within_a_minute():
    at = new_world()
    at.settle(until=has_percent(0))
    stuck = one_pod(at)
    stuck.is_stuck = True
    at.settle(until=lambda at: at.status.rollout.percent == 10)
    at.settle(rounds=60)
    assert condition(at, "PodsBehind") is None
    events = passes(at, rounds=4, seconds=10)
    message = condition(at, "PodsBehind").message
    revision = at.status.propagation.revision
    assert message.startswith(
        f"{stuck.name} on node node-of-{stuck.name} (10.0.0.1): no confirmation of routing {revision}"
    )
    assert [(one.reason, one.message) for one in events] == [("PodsBehind", message)]
    assert (condition(at, "Ready").reason, condition(at, "Ready").message) == ("PodsBehind", f"On hold: {message}")
    stuck.is_stuck = False
    at.settle(rounds=5)
    assert condition(at, "PodsBehind") is None


def test_a_pod_that_cannot_read_the_routing_is_named_with_its_reason():
    at = new_world()
    at.settle(until=has_percent(0))
    older = one_pod(at)
    older.is_stuck = True
    why = "the routing document has format version 2, which a newer version of Serin wrote; this one reads version 1"
    report = at._report
    at._report = lambda pod: report(pod).model_copy(update={"refusal": why}) if pod is older else report(pod)
    at.settle(until=lambda at: at.status.rollout.percent == 10)
    passes(at, rounds=8, seconds=10)
    since = at.status.propagation.since
    assert condition(at, "PodsBehind").message == (
        f"{older.name} on node node-of-{older.name} (10.0.0.1): refused routing {at.status.propagation.revision} of "
        f"{since:%H:%M:%S} UTC: {why}"
    )


def test_a_draining_rollout_says_how_many_pods_it_waits_for():
    at = at_ten_percent()
    one_pod(at).is_stuck = True
    at.verdict = "fail"
    at.settle(rounds=5)
    at.request("retry", f"{at.status.candidate.run_id} fixed")
    at.settle(rounds=3)
    ready = condition(at, "Ready")
    assert ready.reason == "Draining"
    assert ready.message.endswith("; 1 of 2 pods have")
