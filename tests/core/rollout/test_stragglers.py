"""Stragglers: a pod that goes on with a withdrawn run is removed, however the run was withdrawn."""

from datetime import timedelta

import pytest
from models.parts import spec
from models.world import World

from serin_core.api.status import CandidateState
from serin_core.rollout.observation import NodeState
from serin_core.rollout.stragglers import EVICT_AFTER
from serin_core.rollout.writes import RemovePod

A, B, C = (f"run_{letter * 8}_1" for letter in "abc")
DIGESTS = {run: "sha256:" + run[4] * 64 for run in (A, B, C)}
STEPS = [{"percent": percent, "soak": "1s"} for percent in (10, 50, 100)]


def capped(run, percent):
    return spec(run, canary={"percent": percent, "shadowSoak": "1s", "steps": STEPS})


def rolling_out(percent=50):
    """A is promoted, B is at `percent`, and one pod will never refresh its routing again."""
    at = World(spec(A))
    at.registry = dict(DIGESTS)
    at.settle(rounds=40)
    at.edit(spec(B))
    at.settle(until=lambda at: at.status.rollout is not None and at.status.rollout.percent == percent)
    at.settle(until=lambda at: at.status.propagation.confirmed)
    at.verdict = "unsure"
    stuck = at.pods[min(at.pods)]
    stuck.is_stuck = True
    return at, stuck


def name_the_stable_run_after_a_failure(at):
    at.verdict = "fail"
    at.settle(rounds=4)
    at.edit(spec(A))


def name_the_stable_run(at):
    at.edit(spec(A))


def name_a_new_run(at):
    at.edit(spec(C))


def lower_the_cap(at):
    at.edit(capped(B, 0))


def change_the_files(at):
    other = next(pod for pod in at.pods.values() if not pod.is_stuck)
    at.registry[B] = "sha256:" + "e" * 64
    at.restart(other)


def undo_the_stable_run(at):
    at.request("undo", f"{A} by a user")


def fail(at):
    at.verdict = "fail"


WAYS = (
    fail,
    name_the_stable_run_after_a_failure,
    name_the_stable_run,
    name_a_new_run,
    lower_the_cap,
    change_the_files,
    undo_the_stable_run,
)


@pytest.mark.parametrize("withdraw", WAYS, ids=lambda way: way.__name__)
def test_a_pod_that_goes_on_with_a_run_that_was_withdrawn_is_removed(withdraw):
    at, stuck = rolling_out()
    withdraw(at)
    at.settle(rounds=200)
    assert stuck.name not in at.pods
    assert at.status.propagation.confirmed


def test_a_pod_that_is_slow_in_a_raise_is_left_alone():
    at, stuck = rolling_out(10)
    at.verdict = "pass"
    at.settle(rounds=200)
    assert at.status.rollout.percent == 50
    assert stuck.name in at.pods


def test_a_silent_pod_is_left_alone():
    at, stuck = rolling_out()
    stuck.is_cut_off = True
    at.verdict = "fail"
    at.settle(rounds=400)
    assert at.status.candidate.state is CandidateState.ROLLED_BACK
    assert stuck.name in at.pods
    assert not at.status.propagation.confirmed


def test_a_pod_is_deleted_where_no_eviction_is_granted():
    at, stuck = rolling_out()
    at.is_guarded = True
    at.verdict = "fail"
    at.settle(rounds=200)
    assert stuck.name in at.pods
    at.settle(rounds=100)
    assert stuck.name not in at.pods


def test_long_after_a_rollback_a_new_pod_has_its_minute():
    at, _stuck = rolling_out()
    old = at.routing_text()
    at.verdict = "fail"
    at.settle(rounds=200)
    at.tick(timedelta(days=3).total_seconds())
    at.pods[min(at.pods)].deleting = True
    at.finish_deletions()
    at.roll()
    new = at.pods[max(at.pods, key=lambda name: int(name.split("-")[1]))]
    at.start(new, mount=old)
    at.load(new)
    decision = at.whole_pass(at.operators[0])
    assert not [write for write in decision.writes if isinstance(write, RemovePod)]
    new.is_stuck = True
    at.tick(EVICT_AFTER.total_seconds() + 1)
    decision = at.whole_pass(at.operators[0])
    assert [write.is_forced for write in decision.writes if isinstance(write, RemovePod)] == [False]


def removed(decision):
    return [(write.name, write.is_forced) for write in decision.writes if isinstance(write, RemovePod)]


def all_stuck():
    at, stuck = rolling_out()
    for pod in at.pods.values():
        pod.is_stuck = True
    at.verdict = "fail"
    at.whole_pass(at.operators[0])
    at.tick(EVICT_AFTER.total_seconds() + 1)
    return at, stuck


def test_stragglers_are_removed_one_at_a_time():
    at, stuck = all_stuck()
    assert removed(at.whole_pass(at.operators[0])) == [(stuck.name, False)]
    at.tick()
    assert removed(at.whole_pass(at.operators[0])) == []
    at.settle(rounds=20)
    assert at.status.propagation.confirmed


def test_the_last_ready_pod_is_not_removed():
    at, stuck = all_stuck()
    other = next(pod for pod in at.pods.values() if pod is not stuck)
    at.restart(other)
    assert other.name not in [name for name, _ in removed(at.whole_pass(at.operators[0]))]
    at.tick(600)
    assert removed(at.whole_pass(at.operators[0])) == []


@pytest.mark.parametrize("state", [NodeState.NOT_READY, NodeState.DELETED])
def test_a_straggler_on_a_node_that_is_away_is_not_removed_since_no_kubelet_would_end_it(state):
    at, stuck = rolling_out()
    stuck.node_state = state
    at.verdict = "fail"
    at.settle(rounds=400)
    assert stuck.name in at.pods
    assert not stuck.deleting


def test_a_pod_that_should_be_gone_long_since_does_not_hold_up_the_others():
    at, stuck = all_stuck()
    gone = at.pods[max(at.pods)]
    at.lose_node(gone, is_dead=True)
    at.evict_from_lost_node(gone)
    at.settle(rounds=300)
    assert stuck.name not in at.pods
