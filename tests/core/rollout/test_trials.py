"""Trials: their numbers, the evidence of every transition, and the time until a rollback is confirmed."""

from datetime import timedelta

import pytest
from models.parts import spec
from models.starting import A, B, has_percent, has_phase, new_world, one_pod

from serin_core.api.attempts import MAX_RUNS
from serin_core.api.status import Crash, Status
from serin_core.api.status_view import ENTRY_SHOWN, condensed
from serin_core.rollout.attempts import next_attempt, note_attempt, present_attempt


def transitions(at, *, rounds=60, until=None):
    """Work until something holds, and return the transitions that a record would keep."""
    found = []
    for _ in range(rounds):
        if until is not None and until(at):
            break
        decision = at.whole_pass(at.operators[0])
        found += [decision.transition] if decision and decision.transition else []
        at.kubelets()
        at.tick()
    return found


def in_canary(*, verdict="unsure", **changes):
    at = new_world(**changes)
    at.settle(until=has_percent(10))
    at.verdict = verdict
    at.settle(rounds=3)
    return at


def aborted():
    at = in_canary()
    at.request("abort", f"{A} smells bad")
    return at, "RolloutAborted"


def crashed():
    at = in_canary()
    pod = one_pod(at)
    pod.crashes += [Crash(pod=pod.uid, restart=number, at=at.now) for number in range(3)]
    return at, "CandidateCrashed"


def undecided():
    at = in_canary()
    at.edit(spec(A, analysis={"maxDuration": "1s", "onInconclusive": "Rollback"}))
    return at, "StageTimedOut"


def unwatched():
    at = in_canary()
    at.edit(spec(A, analysis={"noDataTimeout": "1s", "onNoData": "Rollback"}))
    at.verdict = "silent"
    return at, "NoDataTimedOut"


def promoted_by_hand():
    at = in_canary()
    at.request("promote", f"{A} 10 trust me")
    return at, "StepAdvanced"


@pytest.mark.parametrize("scene", [aborted, crashed, undecided, unwatched, promoted_by_hand])
def test_every_transition_of_a_stage_has_all_gates_of_that_moment(scene):
    at, event = scene()
    found = transitions(at, rounds=10)
    entry = next(one for one in reversed(at.status.history) if one.event == event)
    (recorded,) = [one for one in found if one.event == event]
    assert {gate.name for gate in recorded.gates} >= {"availability", "agreement", "feedback"}
    assert recorded.stage
    assert recorded.percent_before == 10
    assert recorded.message == entry.message
    assert "availability" in entry.evidence
    assert "agreement" in entry.evidence
    shown = next(one for one in condensed(at.status)["history"] if f" {event}: " in one)
    assert "agreement" in shown
    assert len(shown) <= ENTRY_SHOWN


def test_a_transition_outside_of_a_stage_has_no_gates_of_another_run():
    at = new_world()
    found = transitions(at, until=has_phase("Promoted"))
    at.request("undo", f"{A} bad in production")
    found += transitions(at, rounds=5)
    by_event = {one.event: one for one in found}
    assert by_event["PodsLoading"].gates == by_event["Undone"].gates == ()
    assert by_event["Promoted"].gates
    assert (by_event["Promoted"].percent_before, by_event["Undone"].percent_before) == (100, 100)
    assert by_event["Undone"].by == f"undo {A} bad in production"


def test_each_rollout_is_a_trial_with_a_number():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    assert at.status.trial == 1
    at.edit(spec(B))
    at.settle(until=has_percent(10))
    assert at.status.trial == 2
    at.request("abort", f"{B} once")
    at.settle(rounds=10)
    assert at.status.trial == 2
    at.request("retry", f"{B} again")
    at.settle(until=has_percent(10))
    assert at.status.trial == 3
    at.edit(spec(A))
    at.settle(until=has_phase("Promoted"))
    assert at.status.trial == 3
    assert condensed(at.status)["trial"] == 3


def test_the_time_of_a_rollback_ends_when_every_pod_has_confirmed_it():
    at = in_canary()
    assert at.status.rollback is None
    at.verdict = "fail"
    decided = at.now
    at.whole_pass(at.operators[0])
    begun = at.status.rollback
    assert (begun.run_id, begun.event, begun.trial, begun.confirmed_at) == (A, "GateFailed", 1, None)
    assert begun.at >= decided
    assert begun.seconds is None
    at.settle(until=lambda at: at.status.rollback.confirmed_at is not None)
    assert at.status.propagation.confirmed
    assert at.status.rollback.seconds == (at.status.propagation.confirmed_at - begun.at).total_seconds() > 0
    confirmed = at.status.rollback
    at.now += timedelta(hours=1)
    at.settle(rounds=5)
    assert at.status.rollback == confirmed


def test_a_lower_cap_and_a_promotion_are_no_rollbacks():
    at = new_world()
    at.settle(until=has_percent(50))
    canary = at.spec.canary.model_copy(update={"percent": 5.0})
    at.edit(at.spec.model_copy(update={"canary": canary}))
    at.settle(until=has_percent(5))
    assert at.status.rollback is None
    at.edit(spec(A))
    at.settle(until=has_phase("Promoted"))
    assert at.status.rollback is None


def test_an_undo_is_a_rollback_of_the_stable_run():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.request("undo", f"{A} bad")
    at.settle(until=lambda at: at.status.rollback is not None and at.status.rollback.confirmed_at is not None)
    assert (at.status.rollback.run_id, at.status.rollback.event) == (A, "Undone")


def attempts(at):
    return {one.run_id: one.attempt for one in at.status.attempts}


def test_attempts_of_a_run_count_on_after_another_run_was_named():
    at = in_canary()
    for number in (2, 3):
        at.edit(spec(B))
        at.settle(until=lambda at: at.status.candidate.run_id == B)
        at.edit(spec(A))
        at.settle(until=lambda at: at.status.candidate.run_id == A)
        assert at.status.candidate.attempt == number
    at.settle(until=has_percent(10))
    assert at.status.pod_attempt == 3
    assert attempts(at) == {B: 2, A: 3}


def test_attempts_of_a_run_count_on_after_a_retry_a_promotion_and_an_undo():
    at, _ = aborted()
    at.settle(until=has_phase("RolledBack"))
    at.request("retry", f"{A} again")
    at.verdict = "pass"
    at.settle(until=has_phase("Promoted"))
    at.request("undo", f"{A} harm")
    at.settle(until=has_phase("RolledBack"))
    assert [(one.run_id, one.attempt) for one in at.status.rejected] == [(A, 2)]
    assert at.status.candidate.attempt == 2
    at.request("retry", f"{A} once more")
    at.settle(until=has_percent(10))
    assert at.status.candidate.attempt == 3
    assert at.status.history[-1].run_id == A


def test_a_run_that_was_rolled_back_is_withheld_with_its_number_of_attempts():
    at, _ = aborted()
    at.settle(until=has_phase("RolledBack"))
    at.edit(spec(B))
    at.settle(until=has_percent(10))
    at.edit(spec(A))
    at.settle(until=has_phase("RolledBack"))
    assert (at.status.candidate.run_id, at.status.candidate.attempt) == (A, 1)
    at.request("retry", f"{A} again")
    at.settle(until=has_percent(10))
    assert (at.status.candidate.run_id, at.status.candidate.attempt) == (A, 2)


def test_attempts_of_the_last_runs_only_are_kept():
    status = in_canary().status
    for number in range(MAX_RUNS + 5):
        named = status.candidate.model_copy(update={"run_id": f"run_{number:08x}_1"})
        status = note_attempt(status.changed(candidate=named))
    assert len(status.attempts) == MAX_RUNS
    assert next_attempt(status, A) == next_attempt(status, "run_00000004_1") == 1
    assert next_attempt(status, "run_00000005_1") == 2
    assert note_attempt(status) is status
    assert note_attempt(status.changed(candidate=None)).attempts == status.attempts
    assert Status.model_validate(status.model_dump(mode="json")) == status


def test_a_status_of_an_earlier_version_knows_the_attempts_of_its_candidate_and_of_rejected_runs():
    at, _ = aborted()
    at.settle(until=has_phase("RolledBack"))
    status = at.status.changed(
        attempts=(), rejected=tuple(one.model_copy(update={"attempt": 4}) for one in at.status.rejected)
    )
    assert next_attempt(status, A) == 5
    assert next_attempt(status.changed(rejected=()), A) == 2
    assert next_attempt(status, B) == present_attempt(status, B) == 1
