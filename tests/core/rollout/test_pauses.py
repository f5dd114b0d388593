"""A user pauses a rollout and resumes it: what stops, what goes on, and when the pause ends."""

import pytest
from models.parts import spec
from models.starting import A, B, has_percent, has_phase, new_world

from serin_core.api.status import CandidateState, Phase

BY_JANE = "2026-01-02T03:04:05Z by=jane odd numbers"


def answer(at):
    return at.status.handled_requests[-1].answer


def ready(at):
    return next(one for one in at.status.conditions if one.type == "Ready")


@pytest.fixture
def paused():
    """A rollout that was paused at 10 % while its gates were undecided."""
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.request("pause", f"{A} {BY_JANE}")
    at.settle(rounds=3)
    return at


def test_a_pause_is_kept_with_who_when_and_why_and_shown_with_what_ends_it(paused):
    candidate = paused.status.candidate
    assert (candidate.pause.by, candidate.pause.reason) == ("jane", "odd numbers")
    assert answer(paused) == f"Done: Rollout of {A} paused at 10 %: the soak timer is stopped"
    entry = paused.status.history[-1]
    assert (entry.event, entry.by) == ("Paused", f"pause {A} {BY_JANE}")
    assert entry.message.endswith("(requested by jane: odd numbers)")
    assert (paused.status.phase, ready(paused).reason) == (Phase.PAUSED, "Paused")
    assert ready(paused).message == (
        "Paused at 10 % since 2026-01-01 00:00 UTC by jane (odd numbers): no promotion, the soak timer is stopped; "
        "a failing gate still rolls back. To go on: kubectl serin resume categories"
    )


def test_no_step_and_no_soak_while_paused(paused):
    before = paused.status.candidate.soak_elapsed
    paused.verdict = "pass"
    paused.tick(3600)
    paused.settle(rounds=20)
    candidate = paused.status.candidate
    assert (candidate.percent, candidate.soaking_since, candidate.soak_elapsed) == (10, None, before)
    paused.request("resume", f"{A} looked fine")
    paused.settle(rounds=1)
    assert answer(paused) == f"Done: Rollout of {A} resumed at 10 %"
    assert paused.status.history[-1].event == "Resumed"
    paused.settle(until=has_phase("Promoted"))
    assert paused.status.phase is Phase.PROMOTED


@pytest.mark.parametrize(("action", "value"), [("promote", f"{A} 10 now"), ("promote-full", f"{A} now")])
def test_a_promotion_of_a_paused_rollout_is_ignored_with_the_command_that_resumes_it(paused, action, value):
    paused.request(action, value)
    paused.settle(rounds=5)
    assert answer(paused) == (
        "Ignored: the rollout is paused; to go on: kubectl serin resume categories, then ask again"
    )
    assert paused.status.candidate.percent == 10


def test_a_failing_gate_still_rolls_back(paused):
    paused.verdict = "fail"
    paused.settle(rounds=1)
    assert paused.status.history[-1].event == "GateFailed"
    assert paused.status.candidate.state is CandidateState.ROLLED_BACK


def test_abort_works_and_ends_the_pause(paused):
    paused.request("abort", f"{A} enough")
    paused.settle(rounds=10)
    assert (paused.status.phase, paused.status.candidate.pause) == (Phase.ROLLED_BACK, None)
    paused.verdict = "pass"
    paused.request("retry", f"{A} fixed")
    paused.settle(until=has_phase("Promoted"))
    assert paused.status.phase is Phase.PROMOTED


def test_a_new_run_starts_without_the_pause(paused):
    paused.verdict = "pass"
    paused.edit(spec(B))
    paused.settle(until=has_phase("Promoted"))
    assert paused.status.stable.run_id == B


def test_resume_does_not_lift_suspend_and_says_so(paused):
    paused.edit(spec(A, suspend=True))
    paused.settle(rounds=3)
    assert (paused.status.phase, ready(paused).reason) == (Phase.SUSPENDED, "Suspended")
    assert "It is paused, too, since 2026-01-01 00:00 UTC by jane (odd numbers)" in ready(paused).message
    paused.verdict = "pass"
    paused.request("resume", f"{A} fine")
    paused.settle(rounds=5)
    assert answer(paused) == f"Done: Rollout of {A} resumed at 10 %; it stays suspended, since spec.suspend is true"
    assert (paused.status.phase, paused.status.candidate.percent) == (Phase.SUSPENDED, 10)
    paused.request("resume", f"{A} again")
    paused.settle(rounds=3)
    assert answer(paused) == (
        "Ignored: the rollout is not paused; it is suspended (spec.suspend), which only an edit of the spec ends"
    )


def test_an_end_of_suspend_does_not_lift_the_pause(paused):
    paused.edit(spec(A, suspend=True))
    paused.settle(rounds=3)
    paused.edit(spec(A, suspend=False))
    decision = paused.whole_pass(paused.operators[0])
    assert [(one.reason, one.message) for one in decision.announcements] == [
        ("Resumed", f"Rollout of {A} is not suspended any more, but still paused, at 10 %")
    ]
    paused.settle(rounds=3)
    assert (paused.status.phase, paused.status.candidate.percent) == (Phase.PAUSED, 10)


@pytest.mark.parametrize(
    ("action", "value", "expected"),
    [
        ("pause", f"{A} again", "the rollout is already paused since 2026-01-01 00:00 UTC by jane (odd numbers)"),
        ("pause", f"{B} other", f"{B} is not being rolled out; the candidate is {A}"),
        ("resume", f"{B} other", f"{B} is not being rolled out; the candidate is {A}"),
    ],
)
def test_a_request_without_an_effect_is_ignored_with_the_reason(paused, action, value, expected):
    paused.request(action, value)
    paused.settle(rounds=3)
    assert answer(paused) == f"Ignored: {expected}"
    assert paused.status.candidate.pause.by == "jane"


@pytest.mark.parametrize(
    ("paused_at", "resumed_at", "events"),
    [
        ("T10:00:00Z", "T10:00:01Z", ["Paused", "Resumed"]),
        ("T10:00:01Z", "T10:00:00Z", ["Paused"]),
        ("", "", ["Paused"]),
    ],
    ids=["a resume after the pause", "a resume before the pause", "times that are not known"],
)
def test_a_pause_and_a_resume_that_are_seen_together_act_in_the_order_of_their_times(paused_at, resumed_at, events):
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    began = len(at.status.history)
    at.request("pause", f"{A} {paused_at and '2026-01-02'}{paused_at} odd")
    at.request("resume", f"{A} {resumed_at and '2026-01-02'}{resumed_at} fine")
    at.settle(rounds=5)
    assert [entry.event for entry in at.status.history[began:] if entry.by != "operator"] == events
    assert (at.status.candidate.pause is None) is ("Resumed" in events)


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_without_a_rollout_there_is_nothing_to_pause_or_resume(action):
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.request(action, f"{A} now")
    at.settle(rounds=3)
    assert answer(at) == f"Ignored: {A} is not being rolled out; no rollout is running"


def test_a_pause_is_shown_while_pods_load_the_run():
    at = new_world()
    at.settle(until=lambda world: world.status is not None and world.status.conditions[0].reason == "Loading")
    at.request("pause", f"{A} by=jane early")
    at.settle(rounds=1)
    assert at.status.conditions[0].message == (
        f"Pods are loading {A}. Paused since 2026-01-01 00:00 UTC by jane (early): no step follows. "
        "To go on: kubectl serin resume categories"
    )


def test_a_run_that_is_paused_while_it_loads_waits_in_shadow():
    at = new_world()
    at.settle(rounds=3)
    at.request("pause", f"{A} early")
    at.settle(rounds=30)
    assert (at.status.candidate.percent, at.status.candidate.state) == (0, CandidateState.RUNNING)
    assert "the soak timer is stopped (paused)" in at.status.history[-1].message


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_jumps_an_hour_loses_no_pause_and_no_soak(paused, jump):
    before = paused.status.candidate
    paused.tick(jump)
    paused.settle(rounds=3)
    after = paused.status.candidate
    assert (after.pause, after.soak_elapsed, after.percent) == (before.pause, before.soak_elapsed, 10)
    paused.verdict = "pass"
    paused.request("resume", f"{A} now")
    paused.settle(rounds=3)
    assert paused.status.candidate.pause is None
    # Behind the start of the stage, gates wait until the clock is right again.
    paused.tick(max(-jump, 0))
    paused.settle(until=has_phase("Promoted"))
    assert paused.status.phase is Phase.PROMOTED
