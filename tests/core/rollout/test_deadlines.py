"""What becomes of a stage that reaches no verdict, or has no data, in the time that the spec gives it."""

import pytest
from models.parts import spec
from models.world import World

from serin_core.api.status import CandidateState, Phase

A = "run_aaaaaaaa_1"
CAPPED = {"percent": 10, "shadowSoak": "1s", "steps": [{"percent": 10, "soak": "1s"}, {"percent": 100, "soak": "1s"}]}


def world(verdict, **analysis):
    made = World(spec(A, analysis={"interval": "1s"} | analysis))
    made.registry = {A: "sha256:" + "a" * 64}
    made.verdict = verdict
    return made


def reasons(at):
    return [entry.event for entry in at.status.history]


def ready(at):
    return next(one for one in at.status.conditions if one.type == "Ready")


def test_a_stage_without_a_verdict_holds_and_says_so():
    at = world("unsure", maxDuration="30s")
    at.settle(rounds=80)
    assert at.status.candidate.percent == 0
    assert (ready(at).reason, ready(at).status) == ("Undecided", "Unknown")
    assert "waiting for availability, errors, latency, agreement" in ready(at).message


def test_a_stage_without_a_verdict_is_rolled_back_where_the_spec_says_so():
    at = world("unsure", maxDuration="30s", onInconclusive="Rollback")
    at.settle(rounds=80)
    assert at.status.candidate.state is CandidateState.ROLLED_BACK
    assert "StageTimedOut" in reasons(at)
    assert "no verdict of availability" in at.status.candidate.reason


def test_a_stage_without_a_verdict_goes_on_unproven_where_the_spec_says_so():
    at = world("unsure", maxDuration="30s", onInconclusive="Promote")
    at.settle(rounds=400)
    assert at.status.phase is Phase.PROMOTED
    raised = [entry.message for entry in at.status.history if entry.event in ("StepAdvanced", "Promoted")]
    assert len(raised) == 4
    assert all("without proof: no verdict in 30s" in message for message in raised)


def test_a_cap_is_never_called_proven_without_proof():
    at = world("unsure", maxDuration="30s", onInconclusive="Promote")
    at.edit(spec(A, analysis={"interval": "1s", "maxDuration": "30s", "onInconclusive": "Promote"}, canary=CAPPED))
    at.settle(rounds=300)
    assert at.status.candidate.percent == 10
    assert at.status.candidate.proven_at is None
    assert ready(at).reason == "Undecided"


def test_an_estimate_on_the_bad_side_never_goes_on_unproven():
    at = world("doubtful", maxDuration="30s", onInconclusive="Promote")
    at.settle(rounds=200)
    assert at.status.candidate.percent == 0
    assert ready(at).reason == "Undecided"


@pytest.mark.parametrize("choice", ["Hold", "Rollback"])
def test_a_stage_without_data_does_what_the_spec_says(choice):
    at = world("pass", noDataTimeout="20s", onNoData=choice)
    at.settle(until=lambda seen: seen.status and seen.status.rollout and seen.status.rollout.percent == 10)
    at.verdict = "silent"
    at.settle(rounds=60)
    if choice == "Hold":
        assert at.status.candidate.percent == 10
        assert at.status.no_data_since is not None
    else:
        assert at.status.candidate.state is CandidateState.ROLLED_BACK
        assert "no data for 20s" in at.status.candidate.reason


def test_data_that_comes_back_ends_the_count_of_silence():
    at = world("pass", noDataTimeout="20s", onNoData="Rollback")
    at.settle(until=lambda seen: seen.status and seen.status.rollout and seen.status.rollout.percent == 10)
    at.verdict = "silent"
    at.settle(rounds=5)
    at.verdict = "pass"
    at.settle(rounds=100)
    assert at.status.phase is Phase.PROMOTED


def test_a_gate_edited_during_a_stage_is_in_the_history_and_judged_on_the_counts_as_they_are():
    at = world("unsure")
    at.settle(until=lambda seen: seen.status and seen.status.memory)
    stage = at.status.candidate.stage
    at.edit(spec(A, analysis={"interval": "1s"}, gates={"agreement": {"atLeast": 0.8}}))
    at.settle(rounds=5)
    assert at.status.candidate.stage == stage
    assert reasons(at).count("GatesChanged") == 1
    assert at.status.memory["agreement"].edits == 1
