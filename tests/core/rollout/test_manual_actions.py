"""Manual requests: what each does, and when it is ignored."""

import pytest
from models.parts import spec
from models.starting import A, B, C, has_percent, has_phase, new_world

from serin_core.api.status import CandidateState, Phase


def answer(at):
    return at.status.handled_requests[-1].answer


def last(at, event):
    return next(entry for entry in reversed(at.status.history) if entry.event == event)


def with_stable_run():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    return at


def in_canary_against_a_stable_run():
    at = with_stable_run()
    at.edit(spec(B))
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    return at


@pytest.mark.parametrize(
    ("aborted_at", "retried_at", "is_retried"),
    [("T10:00:00Z", "T10:00:01Z", True), ("T10:00:01Z", "T10:00:00Z", False), ("", "", False)],
    ids=["a retry after the abort", "a retry before the abort", "times that are not known"],
)
def test_an_abort_and_a_retry_that_are_seen_together_act_in_the_order_of_their_times(
    aborted_at, retried_at, is_retried
):
    at = in_canary_against_a_stable_run()
    began = len(at.status.history)
    at.request("abort", f"{B} {aborted_at and '2026-01-02'}{aborted_at} odd")
    at.request("retry", f"{B} {retried_at and '2026-01-02'}{retried_at} fine")
    at.settle(rounds=5)
    manual = [entry.event for entry in at.status.history[began:] if entry.by != "operator"]
    assert manual == (["RolloutAborted", "RolloutRetried"] if is_retried else ["RolloutAborted"])
    assert (at.status.candidate.attempt, at.status.rollout is not None) == ((2, True) if is_retried else (1, False))


def test_abort_ends_the_rollout_and_says_who_serves():
    at = in_canary_against_a_stable_run()
    at.request("abort", f"{B} 2026-01-02T03:04:05Z smells bad")
    at.settle(rounds=10)
    assert (at.status.candidate.run_id, at.status.candidate.state) == (B, CandidateState.ROLLED_BACK)
    assert at.status.stable.run_id == A
    assert answer(at) == f"Done: Rollout of {B} aborted at 10 %; {A} serves all users"
    entry = last(at, "RolloutAborted")
    assert entry.message == f"Rollout of {B} aborted at 10 %; {A} serves all users (requested: smells bad)"
    assert entry.by == f"abort {B} 2026-01-02T03:04:05Z smells bad"


def test_a_second_abort_leaves_the_stable_run_alone():
    at = in_canary_against_a_stable_run()
    at.request("abort", f"{B} once")
    at.settle(rounds=10)
    for run in (A, B):
        at.request("abort", f"{run} again")
        at.settle(rounds=10)
        assert answer(at) == (
            "Ignored: no rollout is running; to take the stable run out of service: kubectl serin undo categories"
        )
    assert at.status.stable.run_id == A


def test_abort_of_the_stable_run_during_a_rollout_is_ignored():
    at = in_canary_against_a_stable_run()
    at.request("abort", f"{A} wrong one")
    at.settle(rounds=10)
    assert answer(at) == f"Ignored: {A} is not being rolled out; the candidate is {B}"
    assert (at.status.stable.run_id, at.status.candidate.percent) == (A, 10)


def test_undo_without_a_previous_run_leaves_the_rules():
    at = with_stable_run()
    at.request("undo", f"{A} bad in production")
    at.settle(rounds=10)
    assert (at.status.stable, at.status.phase) == (None, Phase.ROLLED_BACK)
    assert (at.status.candidate.run_id, at.status.candidate.state) == (A, CandidateState.ROLLED_BACK)
    assert answer(at) == f"Done: {A} taken out of service; the rules serve all users"
    assert last(at, "Undone").message.endswith("(requested: bad in production)")
    assert "the rules serve all users" in at.status.conditions[0].message


def test_undo_brings_the_previous_run_back():
    at = with_stable_run()
    at.edit(spec(B))
    at.settle(until=lambda at: at.status.stable is not None and at.status.stable.run_id == B)
    at.request("undo", f"{B} bad in production")
    at.settle(rounds=10)
    assert at.status.stable.run_id == A
    assert answer(at) == f"Done: {B} taken out of service; {A} serves all users"


def test_undo_during_a_rollout_restarts_its_stage_against_the_run_that_follows():
    at = in_canary_against_a_stable_run()
    stage = at.status.candidate.stage
    at.request("undo", f"{A} bad in production")
    at.settle(rounds=10)
    assert at.status.stable is None
    assert (at.status.candidate.run_id, at.status.candidate.percent) == (B, 10)
    assert at.status.candidate.stage > stage
    assert answer(at).endswith(f"the rules serve all users; the rollout of {B} starts its stage again")
    assert [run.run_id for run in at.status.rejected] == [A]
    (undone,) = (entry for entry in at.status.history if entry.event == "Undone")
    assert (undone.run_id, undone.percent) == (A, 0)


@pytest.mark.parametrize("run", [B, C])
def test_undo_of_another_run_is_ignored(run):
    at = in_canary_against_a_stable_run()
    at.request("undo", f"{run} wrong one")
    at.settle(rounds=10)
    assert answer(at) == f"Ignored: {run} is not the stable run ({A})"
    assert at.status.stable.run_id == A


def test_undo_acts_once():
    at = with_stable_run()
    at.request("undo", f"{A} once")
    at.settle(rounds=10)
    at.request("retry", f"{A} fixed")
    at.settle(until=has_phase("Promoted"))
    at.settle(rounds=10)
    assert at.status.stable.run_id == A


def test_undo_on_a_new_object_is_ignored():
    at = new_world()
    at.request("undo", f"{A} restored from a backup")
    at.settle(rounds=1)
    assert answer(at) == "Ignored: new object, ask again"
    at.settle(until=has_phase("Promoted"))
    at.settle(rounds=10)
    assert at.status.stable.run_id == A


def test_promote_full_leaves_its_reason_and_never_claims_evidence():
    at = new_world()
    at.settle(until=has_percent(0))
    at.verdict = "silent"
    at.request("promote-full", f"{A} 2026-01-02T03:04:05Z restored from Git")
    at.settle(until=has_phase("Promoted"))
    assert at.status.phase is Phase.PROMOTED
    requested = last(at, "PromotionRequested")
    assert requested.by == f"promote-full {A} 2026-01-02T03:04:05Z restored from Git"
    without = "without evidence, requested with promote-full: restored from Git"
    assert last(at, "StepAdvanced").message == f"Advanced from 0 % to 100 % {without}"
    assert last(at, "Promoted").message == f"{A} promoted to stable {without}"
    assert not any("NoData" in entry.message for entry in at.status.history)


def test_promote_leaves_its_reason():
    at = new_world()
    at.settle(until=has_percent(0))
    at.verdict = "unsure"
    at.request("promote", f"{A} 0 trust me")
    at.settle(until=has_percent(10))
    message = last(at, "StepAdvanced").message
    assert message == "Advanced from 0 % to 10 % without waiting for evidence (requested: trust me)"


@pytest.mark.parametrize(("action", "value"), [("promote", f"{A} 0 now"), ("promote-full", f"{A} now")])
def test_promotion_of_a_suspended_rollout_is_ignored(action, value):
    at = new_world(suspend=True)
    at.verdict = "unsure"
    at.settle(until=has_percent(0))
    at.request(action, value)
    at.settle(rounds=10)
    assert answer(at) == ("Ignored: the rollout is suspended (spec.suspend); set it to false, then ask again")
    at.edit(spec(A, suspend=False))
    at.settle(rounds=10)
    assert at.status.candidate.percent == 0


def test_an_unknown_action_is_ignored_with_those_that_exist():
    at = with_stable_run()
    at.request("explode", f"{A} now")
    at.settle(rounds=2)
    assert answer(at).startswith("Ignored: unknown action explode; known are promote, promote-full, abort, undo, retry")


def test_a_request_that_names_its_user_is_kept_with_who_and_why():
    at = in_canary_against_a_stable_run()
    at.request("abort", f"{B} 2026-01-02T03:04:05Z by=jane@example.com smells bad")
    at.settle(rounds=10)
    assert last(at, "RolloutAborted").message.endswith("(requested by jane@example.com: smells bad)")
    handled = at.status.handled_requests[-1]
    assert (handled.action, handled.by, handled.reason) == ("abort", "jane@example.com", "smells bad")
    assert "aborted on request by jane@example.com: smells bad" in at.status.conditions[0].message


def test_the_promotion_of_a_stage_that_is_over_says_where_the_rollout_is():
    at = in_canary_against_a_stable_run()
    at.request("promote", f"{B} 0 too late")
    at.settle(rounds=3)
    assert answer(at) == "Ignored: the stage in shadow is over, the rollout is at 10 %"
    at.request("promote", f"{B} 50 too early")
    at.settle(rounds=3)
    assert answer(at) == "Ignored: the rollout is at 10 %, not at 50 %"
    assert at.status.candidate.percent == 10


@pytest.mark.parametrize("percent", [0, 10])
def test_of_promote_and_abort_in_the_same_second_abort_wins(percent):
    at = with_stable_run()
    at.edit(spec(B))
    at.settle(until=has_percent(percent))
    at.verdict = "unsure"
    at.request("promote", f"{B} {percent} 2026-01-02T03:04:05Z go on")
    at.request("abort", f"{B} 2026-01-02T03:04:05Z stop")
    at.settle(rounds=10)
    assert at.status.candidate.state is CandidateState.ROLLED_BACK
    assert at.status.stable.run_id == A
    answers = {one.action: one.answer for one in at.status.handled_requests}
    assert answers["abort"].startswith(f"Done: Rollout of {B} aborted")
    assert answers["promote"] == f"Ignored: {B} is not being rolled out; no rollout is running"
    assert not [one for one in at.status.history if one.by.startswith("promote")]
