"""Rule 15: the progress deadline, with and without a rollout, and what it says."""

from datetime import timedelta

import pytest
from models.parts import spec
from models.starting import A, B, has_percent, has_phase, new_world

from serin_core.api.status import CandidateState
from serin_core.rollout.decide import RESYNC

DEADLINE = timedelta(minutes=10)


def promoted_without_room(**changes):
    """A is promoted and no node has capacity for another pod."""
    at = new_world(**changes)
    at.settle(until=has_phase("Promoted"))
    at.is_full = True
    return at


def ready(at):
    return next(one for one in at.status.conditions if one.type == "Ready")


def pass_deadline(at):
    at.settle(rounds=5)
    at.tick(DEADLINE.total_seconds())
    decision = at.whole_pass(at.operators[0])
    at.settle(rounds=2)
    return decision


def test_a_candidate_that_no_pod_loads_in_time_holds_and_says_which_pods_wait_for_what():
    at = promoted_without_room()
    at.edit(spec(B))
    decision = pass_deadline(at)
    assert at.status.candidate.state is CandidateState.LOADING
    assert (ready(at).status, ready(at).reason) == ("False", "ProgressDeadlineExceeded")
    pending = next(pod.name for pod in at.pods.values() if not pod.running)
    former = ", ".join(pod.name for pod in at.pods.values() if pod.running)
    assert ready(at).message == (
        f"No further pods have loaded {B} within 10m (spec.progressDeadline): {pending}: a pod cannot be placed: no "
        f"node has room; {former}: of the former template, waiting until a pod of the new one is ready. It goes on "
        "once they are ready; to end the rollout: kubectl serin abort categories"
    )
    stalled = next(one for one in at.status.conditions if one.type == "Stalled")
    assert (stalled.status, stalled.reason) == ("True", "ProgressDeadlineExceeded")
    assert [one.reason for one in decision.announcements] == ["HoldEnded", "ProgressDeadlineExceeded"]
    at.settle(rounds=3)
    assert all(pod.serves_stable for pod in at.pods.values() if pod.running)


def test_held_at_the_deadline_the_rollout_goes_on_once_the_pods_are_ready():
    at = promoted_without_room()
    at.edit(spec(B))
    pass_deadline(at)
    at.is_full = False
    at.settle(until=has_phase("Promoted"))
    assert (at.status.stable.run_id, at.status.progress) == (B, None)


def test_an_abort_works_at_the_deadline():
    at = promoted_without_room()
    at.edit(spec(B))
    pass_deadline(at)
    at.request("abort", f"{B} no room")
    at.settle(rounds=3)
    assert ready(at).reason == "RolledBack"


def test_with_rollback_the_run_is_rejected_until_a_retry_and_the_former_template_comes_back():
    at = promoted_without_room()
    before = {pod.template_hash for pod in at.pods.values()}
    at.edit(spec(B, onProgressDeadline="Rollback"))
    decision = pass_deadline(at)
    assert [one.reason for one in decision.announcements] == ["ProgressDeadlineExceeded"]
    assert "no node has room" in decision.announcements[0].message
    assert at.status.candidate.state is CandidateState.ROLLED_BACK
    assert "did not load it within 10m (onProgressDeadline: Rollback)" in at.status.candidate.reason
    assert [one.run_id for one in at.status.rejected] == [B]
    at.settle(rounds=10)
    assert {pod.template_hash for pod in at.pods.values()} == before
    at.is_full = False
    at.request("retry", f"{B} more nodes")
    at.settle(until=has_phase("Promoted"))
    assert at.status.stable.run_id == B


def test_without_a_rollout_pods_of_an_edited_template_that_do_not_get_ready_are_named():
    at = promoted_without_room()
    at.rules = "other"
    pass_deadline(at)
    assert (ready(at).status, ready(at).reason) == ("False", "ProgressDeadlineExceeded")
    assert ready(at).message.startswith("No further pods are replaced within 10m (spec.progressDeadline): pod-")
    assert "abort" not in ready(at).message
    at.is_full = False
    at.settle(until=lambda at: at.status.progress is None)
    at.settle(rounds=5)
    assert ready(at).reason == "Promoted"


def test_with_rollback_an_edit_of_the_template_in_mid_stage_rolls_nothing_back():
    at = new_world(onProgressDeadline="Rollback")
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.is_full = True
    at.rules = "other"
    pass_deadline(at)
    assert ready(at).reason == "ProgressDeadlineExceeded"
    assert at.status.rollout.percent == 10


@pytest.mark.parametrize("stop", ["suspend", "pause"])
def test_the_clock_is_stopped_while_a_user_has_stopped_the_rollout(stop):
    at = promoted_without_room()
    at.edit(spec(B, suspend=stop == "suspend"))
    at.settle(rounds=5)
    if stop == "pause":
        at.request("pause", f"{B} lunch")
        at.settle(rounds=3)
    pass_deadline(at)
    assert ready(at).reason != "ProgressDeadlineExceeded"
    assert at.status.progress.elapsed < 10


def test_another_edit_starts_the_clock_again():
    at = promoted_without_room()
    at.edit(spec(B))
    at.settle(rounds=5)
    at.tick(DEADLINE.total_seconds() - 10)
    at.whole_pass(at.operators[0])
    at.rules = "other"
    at.settle(rounds=5)
    at.tick(20)
    at.whole_pass(at.operators[0])
    assert ready(at).reason == "PodsUnavailable"


def test_nothing_is_awaited_of_pods_that_are_all_there_nor_of_none():
    at = promoted_without_room()
    assert at.status.progress is None
    none = spec(A, server={"replicas": 0, "token": {"secretName": "token"}})
    at.edit(none)
    at.settle(rounds=10)
    assert at.status.progress is None


def test_the_next_check_is_not_later_than_the_deadline():
    at = new_world(progressDeadline="1m")
    at.settle(until=has_phase("Promoted"))
    at.rules = "other"
    at.whole_pass(at.operators[0])
    at.pods.clear()  # a quota: no pod can be made, and no event of the cluster follows
    decision = at.whole_pass(at.operators[0])
    assert decision.requeue_after <= timedelta(minutes=1) < RESYNC
