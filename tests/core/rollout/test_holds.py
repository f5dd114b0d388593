"""Approval, windows and freezes: what a step waits for, what is shown, and what ends it."""

from datetime import UTC, datetime, timedelta

import pytest
from models.parts import spec
from models.starting import A, has_percent, has_phase, new_world

from serin_core.api.status import CandidateState, Phase
from serin_core.rollout.holds import Freeze, freeze_at

STEPS = [{"percent": percent, "soak": "1s"} for percent in (10, 50, 100)]
MORNING = {"from": "09:00", "to": "16:00", "timeZone": "Europe/Berlin"}


def canary(**changes):
    return {"canary": {"shadowSoak": "1s", "steps": STEPS} | changes}


def ready(at):
    found = next(one for one in at.status.conditions if one.type == "Ready")
    return found.status, found.reason, found.message


def answer(at):
    return at.status.handled_requests[-1].answer


def events(at, *, rounds=30):
    found = []
    for _ in range(rounds):
        decision = at.whole_pass(at.operators[0])
        found += [(one.reason, one.message) for one in decision.announcements] if decision else []
        at.kubelets()
        at.tick()
    return found


def of(found, *reasons):
    return [one for one in found if one[0] in reasons]


@pytest.fixture
def waiting():
    """A rollout that waits in shadow for the approval of its first step."""
    at = new_world(**canary(approval="Manual"))
    at.settle(rounds=20)
    return at


def test_a_step_waits_for_an_approval_with_the_evidence_and_the_command(waiting):
    status, reason, message = ready(waiting)
    assert (status, reason) == ("Unknown", "AwaitingApproval")
    assert message.startswith(
        "Shadow: gates and soak have passed; a user must approve the step to 10 % (since 2026-01-01 00:00 UTC). "
        "To approve: kubectl serin promote categories. Evidence: availability 100 % of 1,000 (at least 90 %); "
    )
    assert waiting.status.candidate.percent == 0


def test_promote_of_the_stage_approves_the_step_and_keeps_its_evidence(waiting):
    waiting.request("promote", f"{A} 0 2026-01-02T03:04:05Z by=jane looks fine")
    waiting.settle(until=has_percent(10))
    assert answer(waiting) == "Done: Advanced from 0 % to 10 %"
    entry = next(one for one in waiting.status.history if one.event == "StepAdvanced")
    assert entry.message.startswith("Advanced from 0 % to 10 % (requested by jane: looks fine): availability 100 %")
    waiting.settle(rounds=20)
    assert (waiting.status.candidate.percent, ready(waiting)[1]) == (10, "AwaitingApproval")


def test_an_approval_acts_in_its_stage_only(waiting):
    waiting.request("promote", f"{A} 0 by=jane looks fine")
    waiting.settle(until=has_percent(10))
    waiting.request("promote", f"{A} 0 by=joe looks fine to me, too")
    waiting.settle(rounds=20)
    assert answer(waiting) == "Ignored: the stage in shadow is over, the rollout is at 10 %"
    assert waiting.status.candidate.percent == 10


def test_a_gate_that_fails_while_an_approval_is_awaited_rolls_back(waiting):
    waiting.verdict = "harm"
    waiting.settle(rounds=1)
    assert waiting.status.candidate.state is CandidateState.ROLLED_BACK
    assert waiting.status.history[-1].event == "GateFailed"


def test_promote_and_abort_in_the_same_second_while_an_approval_is_awaited(waiting):
    waiting.request("promote", f"{A} 0 2026-01-02T03:04:05Z go on")
    waiting.request("abort", f"{A} 2026-01-02T03:04:05Z stop")
    waiting.settle(rounds=10)
    assert waiting.status.candidate.state is CandidateState.ROLLED_BACK
    answers = {one.action: one.answer for one in waiting.status.handled_requests}
    assert answers["promote"] == f"Ignored: {A} is not being rolled out; no rollout is running"


def test_a_step_that_is_set_to_manual_is_the_only_one_that_waits():
    steps = [STEPS[0], STEPS[1] | {"approval": "Manual"}, STEPS[2]]
    at = new_world(**canary(steps=steps))
    found = events(at, rounds=40)
    assert at.status.candidate.percent == 10
    assert [message.partition(" (since")[0] for _, message in of(found, "AwaitingApproval")] == [
        f"{A}: 10 % (step 1 of 3): gates and soak have passed; a user must approve the step to 50 %"
    ]
    at.request("promote", f"{A} 10 fine")
    at.settle(until=has_phase("Promoted"))
    assert at.status.phase is Phase.PROMOTED


def test_a_step_can_do_without_the_approval_that_all_others_need():
    steps = [STEPS[0] | {"approval": "Automatic"}, *STEPS[1:]]
    at = new_world(**canary(approval="Manual", steps=steps))
    at.settle(rounds=40)
    assert (at.status.candidate.percent, ready(at)[1]) == (10, "AwaitingApproval")


def test_the_promotion_after_the_last_step_and_a_cap_need_no_approval():
    at = new_world(**canary(percent=10, approval="Manual"))
    at.settle(rounds=20)
    at.request("promote", f"{A} 0 fine")
    at.settle(rounds=20)
    assert ready(at)[1] == "AtCap"
    at = new_world(**canary(approval="Manual"))
    for percent in (0, 10, 50):
        at.settle(until=has_percent(percent))
        at.request("promote", f"{A} {percent} fine")
    at.settle(until=has_phase("Promoted"))
    assert at.status.phase is Phase.PROMOTED


def test_promote_full_approves_all_steps(waiting):
    waiting.request("promote-full", f"{A} restore")
    waiting.settle(until=has_phase("Promoted"))
    assert waiting.status.phase is Phase.PROMOTED


def test_a_stage_that_may_end_without_a_verdict_awaits_the_approval_too():
    analysis = {"interval": "1s", "maxDuration": "5s", "onInconclusive": "Promote"}
    at = new_world(**canary(approval="Manual"), analysis=analysis)
    at.verdict = "unsure"
    at.settle(rounds=40)
    assert at.status.candidate.percent == 0
    assert ready(at)[1] == "AwaitingApproval"
    assert "Shadow: no verdict in 5s (onInconclusive: Promote); a user must approve the step to 10 %" in ready(at)[2]


def test_undecided_gates_in_between_do_not_announce_the_wait_again(waiting):
    since = waiting.status.candidate.hold.at
    waiting.verdict = "silent"
    found = events(waiting, rounds=5)
    waiting.verdict = "pass"
    found += events(waiting, rounds=5)
    assert of(found, "AwaitingApproval") == []
    assert (ready(waiting)[1], waiting.status.candidate.hold.at) == ("AwaitingApproval", since)


@pytest.fixture
def outside():
    """A rollout that is over its shadow on Thursday, 1 January, at midnight in UTC."""
    at = new_world(**canary(windows=[MORNING | {"days": ["Mon", "Thu"]}]))
    at.settle(rounds=20)
    return at


def test_a_step_waits_for_the_next_window_which_is_shown(outside):
    status, reason, message = ready(outside)
    assert (status, reason) == ("Unknown", "OutsideWindow")
    assert message == (
        "Shadow: gates and soak have passed; next window Thu 09:00 Europe/Berlin (since 2026-01-01 00:00 UTC). "
        "To go ahead now: kubectl serin promote categories"
    )


def test_the_operator_checks_again_when_the_window_opens(outside):
    interval = outside.spec.analysis.model_copy(update={"interval": timedelta(days=30)})
    outside.edit(outside.spec.model_copy(update={"analysis": interval}))
    outside.settle(rounds=2)
    outside.now = datetime(2026, 1, 1, 7, 55, tzinfo=UTC)
    decision = outside.whole_pass(outside.operators[0])
    assert outside.now + decision.requeue_after == datetime(2026, 1, 1, 8, tzinfo=UTC)


def test_in_the_window_the_rollout_goes_on_and_is_told_once(outside):
    outside.tick(8 * 3600)
    found = events(outside, rounds=60)
    assert outside.status.phase is Phase.PROMOTED
    assert of(found, "OutsideWindow") == []


def test_a_window_that_closes_holds_the_promotion_too():
    at = new_world(**canary(windows=[MORNING]))
    at.tick(8 * 3600)
    at.settle(until=has_percent(100))
    at.tick(8 * 3600)
    at.settle(rounds=10)
    assert (at.status.candidate.percent, ready(at)[1]) == (100, "OutsideWindow")
    assert "next window Fri 09:00 Europe/Berlin" in ready(at)[2]
    at.tick(16 * 3600)
    at.settle(until=has_phase("Promoted"))
    assert at.status.phase is Phase.PROMOTED


def test_a_user_who_names_the_stage_goes_ahead_outside_the_windows(outside):
    outside.request("promote", f"{A} 0 by=jane hotfix")
    outside.settle(until=has_percent(10))
    assert outside.status.candidate.percent == 10


def test_windows_never_delay_a_rollback_nor_evidence(outside):
    assert all(gate.total for gate in outside.status.gates if gate.name in ("availability", "errors"))
    outside.verdict = "harm"
    outside.settle(rounds=1)
    assert outside.status.candidate.state is CandidateState.ROLLED_BACK


YEAR_END = Freeze(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC), "year end")


@pytest.fixture
def frozen():
    at = new_world(**canary())
    at.freezes = (YEAR_END,)
    at.settle(rounds=20)
    return at


def test_a_freeze_holds_every_step_and_says_why_and_until_when(frozen):
    status, reason, message = ready(frozen)
    assert (status, reason) == ("Unknown", "Frozen")
    assert message == (
        "Shadow: gates and soak have passed; frozen until 2026-01-01 01:00 UTC by the operator's configuration: year "
        "end (since 2026-01-01 00:00 UTC)"
    )
    frozen.tick(3600)
    frozen.settle(until=has_phase("Promoted"))
    assert frozen.status.phase is Phase.PROMOTED


@pytest.mark.parametrize(("action", "value"), [("promote", f"{A} 0 now"), ("promote-full", f"{A} now")])
def test_no_request_goes_ahead_during_a_freeze(frozen, action, value):
    frozen.request(action, value)
    frozen.settle(rounds=10)
    assert answer(frozen) == (
        "Ignored: frozen until 2026-01-01 01:00 UTC by the operator's configuration: year end; ask again after it"
    )
    assert frozen.status.candidate.percent == 0


def test_a_full_promotion_that_was_requested_before_the_freeze_waits_for_its_end():
    at = new_world(**canary())
    at.settle(until=has_percent(0))
    at.verdict = "unsure"
    at.request("promote-full", f"{A} restore")
    at.whole_pass(at.operators[0])
    at.freezes = (YEAR_END,)
    at.settle(rounds=10)
    assert (at.status.candidate.percent, ready(at)[1]) == (0, "Frozen")


def test_of_freezes_that_overlap_the_one_that_ends_last_is_shown():
    longer = Freeze(YEAR_END.starts, YEAR_END.ends + timedelta(days=1), "inventory")
    assert freeze_at((longer, YEAR_END), YEAR_END.starts) == longer
    assert freeze_at((YEAR_END,), YEAR_END.ends) is None
    assert freeze_at((YEAR_END,), YEAR_END.starts - timedelta(seconds=1)) is None


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_an_hour_during_a_freeze_loses_nothing(jump):
    at = new_world(**canary())
    at.freezes = (Freeze(YEAR_END.starts - timedelta(hours=2), YEAR_END.ends + timedelta(hours=2), "year end"),)
    at.settle(rounds=20)
    before = at.status.candidate
    at.tick(jump)
    at.settle(rounds=5)
    after = at.status.candidate
    assert (after.percent, after.attempt, after.stage, after.hold) == (0, before.attempt, before.stage, before.hold)
    at.tick(4 * 3600 - jump)
    at.settle(until=has_phase("Promoted"))
    assert at.status.phase is Phase.PROMOTED


@pytest.fixture
def baked():
    """A run whose bake is over outside the windows."""
    at = new_world(**canary(windows=[MORNING], supervisionTimeout="0s"), bake={"duration": "10h", "holdback": 5})
    at.now = datetime(2026, 1, 1, 14, 59, tzinfo=UTC)
    at.settle(until=lambda at: at.status is not None and at.status.candidate is not None and at.status.candidate.bake)
    at.tick(11 * 3600)
    at.settle(rounds=10)
    return at


def test_a_bake_begins_at_any_time_and_its_end_waits_for_a_window(baked):
    status, reason, message = ready(baked)
    assert (status, reason) == ("True", "Baking")
    assert "its end is held: next window Fri 09:00 Europe/Berlin" in message
    assert baked.status.candidate.hold.reason == "OutsideWindow"
    baked.tick(7 * 3600)
    baked.settle(until=has_phase("Promoted"))
    assert baked.status.phase is Phase.PROMOTED


def test_a_user_ends_a_bake_outside_the_windows_and_never_during_a_freeze(baked):
    baked.freezes = (Freeze(baked.now, baked.now + timedelta(minutes=1), "year end"),)
    baked.request("promote", f"{A} bake early")
    baked.settle(rounds=5)
    assert answer(baked).startswith("Ignored: frozen until ")
    baked.freezes = ()
    baked.request("promote", f"{A} bake now")
    baked.settle(until=has_phase("Promoted"))
    assert baked.status.phase is Phase.PROMOTED


def test_a_bake_begins_during_a_freeze():
    at = new_world(**canary(), bake={"duration": "10h"})
    at.settle(until=has_percent(100))
    at.freezes = (Freeze(at.now, at.now + timedelta(days=1), "year end"),)
    at.settle(rounds=10)
    assert at.status.candidate.bake is not None


@pytest.mark.parametrize(
    ("changes", "percent", "expected"),
    [
        ({}, 10, "10 % (step 1 of 3): waiting for evidence for availability"),
        ({}, 10, "and the soak of 24h (until 2026-01-02 00:00:04 UTC); then 50 %"),
        ({}, 0, "(until 2026-01-02 00:00:02 UTC); then 10 %"),
        ({"approval": "Manual"}, 0, "; then a user must approve 10 %"),
        ({"windows": [MORNING]}, 10, "; then 50 %, next window Fri 09:00 Europe/Berlin"),
        ({"percent": 10}, 10, "; then it stays there (spec.canary.percent)"),
        ({}, 100, "; then promotion"),
    ],
)
def test_a_running_stage_shows_which_step_it_is_what_it_waits_for_and_what_follows(changes, percent, expected):
    at = new_world(**canary())
    at.settle(until=has_percent(percent))
    at.verdict = "unsure"
    steps = [step | {"soak": "24h"} for step in STEPS]
    at.edit(spec(A, canary={"shadowSoak": "24h", "steps": steps} | changes))
    at.settle(rounds=3)
    assert ready(at)[1] == "RolloutProgressing"
    assert expected in ready(at)[2]


def test_before_a_bake_the_last_stage_names_it():
    at = new_world(**canary(), bake={"duration": "168h"})
    at.settle(until=has_percent(50))
    at.verdict = "unsure"
    at.request("promote", f"{A} 50 now")
    at.settle(until=has_percent(100))
    at.settle(rounds=3)
    assert ready(at)[2].endswith("; then a bake of 168h")
