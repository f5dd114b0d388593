"""Rule 9: pods that cannot confirm are named, in a condition and an Event, and not written to again and again."""

from datetime import timedelta

import pytest
from models.starting import has_percent, has_phase, new_world, one_pod

from serin_core.contract.pod_report import PodReport
from serin_core.rollout.lost_pods import MAX_SILENT
from serin_core.rollout.observation import NodeState
from serin_core.rollout.writes import AnnotatePod


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
