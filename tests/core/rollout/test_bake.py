"""The bake: what serves, what ends it, and what an edit or a request does to it."""

from datetime import timedelta

import pytest
from models.parts import START, spec
from models.starting import A, B, C, has_percent, has_phase, new_world
from pydantic import ValidationError

from serin_core.api.bake import BakeClock
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status_view import condensed
from serin_core.kubernetes.inputs import ServerImage
from serin_core.rollout.bake import describe_end
from serin_core.rollout.observation import Observed
from serin_core.rollout.protocol import Context

BAKE = {"duration": "60s", "holdback": 5}


def baking(**changes):
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B, bake=BAKE, **changes))
    at.settle(until=has_phase("Baking"))
    assert at.status.phase == "Baking"
    return at


def last(at):
    return at.status.history[-1]


def answer(at):
    return at.status.handled_requests[-1].answer


def document(at):
    return next(iter(at.pods.values())).document


def test_the_run_serves_all_but_the_holdback_and_the_run_before_stays_stable():
    at = baking()
    assert (document(at).candidate.run, document(at).candidate.percent, document(at).stable.run) == (B, 95, A)
    ready = at.status.conditions[0]
    assert (ready.status, ready.reason) == ("True", "Baking")
    assert f"{B} serves 95 % of users and bakes, 5 % stay with {A}; the bake of 1m ends 2026-01-01" in ready.message
    assert ready.message.endswith(f"If a gate fails, {A} serves all users at once")
    assert condensed(at.status)["candidate"]["percent"] == 95


def test_those_who_are_held_back_are_never_switched_and_switched_back():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B, bake=BAKE))
    at.settle(until=has_percent(100))
    assert document(at).candidate.percent == 95


def test_it_ends_after_its_time_and_the_run_serves_everybody():
    at = baking()
    at.settle(until=has_phase("Promoted"), rounds=200)
    assert (document(at).candidate, document(at).stable.run) == (None, B)
    assert last(at).message == f"{B} promoted to stable after 1m of bake"
    assert at.status.previous.run_id == A


def test_without_a_duration_a_run_is_promoted_at_once():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    assert "BakeStarted" not in [entry.event for entry in at.status.history]


@pytest.mark.parametrize("verdict", ["unsure", "pass"])
def test_a_gate_without_a_verdict_does_not_prolong_it(verdict):
    at = baking()
    at.verdict = verdict
    at.settle(until=has_phase("Promoted"), rounds=200)
    assert at.status.stable.run_id == B


def test_a_failing_gate_returns_to_the_run_before_which_is_still_loaded():
    at = baking()
    at.verdict = "harm"
    at.settle(until=has_phase("RolledBack"), rounds=10)
    assert (document(at).candidate, document(at).stable.run) == (None, A)
    assert last(at).message.startswith("Rolled back in the bake, from 95 % to 0 %: ")
    assert [run.run_id for run in at.status.rejected] == [B]


def test_crashes_return_to_the_run_before():
    at = baking()
    for _ in range(3):
        pod = at.pods[min(at.pods)]
        at.restart(pod, badly=True)
        at.settle(rounds=2)
    at.settle(rounds=10)
    assert (at.status.stable.run_id, last(at).event) == (A, "CandidateCrashed")


def test_no_data_holds_it_and_rolls_back_where_the_spec_says_so():
    at = baking()
    at.verdict = "silent"
    at.settle(rounds=240)
    assert at.status.candidate.bake is not None
    assert at.status.conditions[0].reason == "MetricsUnavailable"
    at.edit(spec(B, bake=BAKE, analysis={"interval": "1s", "noDataTimeout": "5s", "onNoData": "Rollback"}))
    at.settle(until=has_phase("RolledBack"), rounds=60)
    assert (at.status.stable.run_id, last(at).event) == (A, "NoDataTimedOut")


@pytest.mark.parametrize(
    ("no_data_since", "expected"),
    [(START, "and ends once the counts of all gates can be read"), (None, "and ends once all pods confirm")],
)
def test_a_bake_that_is_over_says_what_it_waits_for(no_data_since, expected):
    at = baking()
    status = at.status.changed(no_data_since=no_data_since)
    now = status.candidate.bake.ends_at(timedelta(minutes=1)) + timedelta(seconds=1)
    resource = Resource("default", "x", "uid", 1, "1", spec(B, bake=BAKE), status)
    context = Context(resource, status, Observed(image=ServerImage("i")), now, "")
    assert f"the bake of 1m is over, {expected}. If a gate fails" in describe_end(context, status.candidate)


def test_suspend_stops_its_clock():
    at = baking()
    at.edit(spec(B, bake=BAKE, suspend=True))
    at.settle(rounds=400)
    assert at.status.candidate.bake is not None
    assert "the timer is stopped (spec.suspend), 59s500ms are left" in at.status.conditions[0].message
    at.verdict = "unsure"
    at.edit(spec(B, bake=BAKE))
    at.settle(rounds=60)
    assert at.status.candidate is not None
    at.settle(until=has_phase("Promoted"), rounds=120)
    assert at.status.stable.run_id == B


@pytest.mark.parametrize("bake", [{"duration": "5s", "holdback": 5}, {"duration": "0s"}, {}])
def test_a_shorter_duration_ends_it_sooner(bake):
    at = baking()
    at.edit(spec(B, bake=bake))
    at.settle(until=has_phase("Promoted"), rounds=20)
    assert at.status.phase == "Promoted"


def test_a_longer_duration_prolongs_it():
    at = baking()
    at.edit(spec(B, bake=BAKE | {"duration": "200s"}))
    at.settle(rounds=200)
    assert at.status.phase == "Baking"


def test_another_holdback_takes_effect_and_the_clock_goes_on():
    at = baking()
    at.settle(rounds=60)
    baked = at.status.candidate.bake.at(at.now)
    at.edit(spec(B, bake=BAKE | {"holdback": 20}))
    at.settle(rounds=10)
    assert document(at).candidate.percent == 80
    assert at.status.candidate.bake.at(at.now) > baked
    event = next(entry for entry in at.status.history if entry.event == "HoldbackChanged")
    assert event.message == (
        "Holdback changed from 5 % to 20 % (spec.bake): 80 % of users are served, evidence of the stage is reset"
    )


def test_thresholds_changed_in_mid_bake_reset_the_evidence_and_not_the_clock():
    at = baking()
    at.settle(rounds=60)
    started, stage = at.status.candidate.bake.started_at, at.status.candidate.stage
    at.edit(spec(B, bake=BAKE, thresholds={"default": 0.8}))
    at.settle(rounds=10)
    assert at.status.candidate.stage > stage
    assert at.status.candidate.bake.started_at == started
    assert at.status.candidate.bake.at(at.now).total_seconds() > 25


def test_a_cap_below_100_ends_the_bake():
    at = baking()
    canary = at.spec.canary.model_dump(mode="json")
    at.edit(spec(B, bake=BAKE, canary=canary | {"percent": 50}))
    at.settle(rounds=20)
    assert (document(at).candidate.percent, at.status.candidate.bake, at.status.phase) == (50, None, "AtCap")


def test_another_run_is_compared_with_the_run_before_the_bake():
    at = baking()
    at.edit(spec(C, bake=BAKE))
    at.settle(rounds=4)
    assert (at.status.stable.run_id, at.status.candidate.run_id) == (A, C)
    assert f"Rollout of {C} started; compared with {A}; it replaces {B}" in [e.message for e in at.status.history]


def test_promote_names_the_bake_to_end_it():
    at = baking()
    at.request("promote", f"{B} 100 once too often")
    at.settle(rounds=4)
    assert answer(at) == "Ignored: the stage at 100 % is over, the rollout is in the bake"
    at.request("promote", f"{B} bake seen enough")
    at.settle(until=has_phase("Promoted"), rounds=10)
    assert last(at).message == f"{B} promoted to stable before the end of its bake (requested: seen enough)"


def test_promote_of_the_last_stage_starts_the_bake():
    at = new_world(bake=BAKE)
    at.settle(until=has_percent(50))
    at.verdict = "unsure"
    at.settle(until=has_percent(50))
    at.request("promote", f"{A} 50 go")
    at.settle(until=has_percent(100))
    at.request("promote", f"{A} 100 go")
    at.settle(rounds=4)
    assert at.status.phase == "Baking"
    assert last(at).message.endswith("without waiting for evidence (requested: go)")


def test_promote_full_skips_it_and_ends_it():
    at = baking()
    at.request("promote-full", f"{B} seen enough")
    at.settle(until=has_phase("Promoted"), rounds=10)
    assert last(at).message.endswith("of bake, ended by promote-full: seen enough")
    at.edit(spec(C, bake=BAKE))
    at.settle(until=has_percent(0))
    at.request("promote-full", f"{C} in a hurry")
    at.settle(until=has_phase("Promoted", "Baking"))
    assert at.status.phase == "Promoted"


def test_abort_returns_to_the_run_before():
    at = baking()
    at.request("abort", f"{B} looks odd")
    at.settle(until=has_phase("RolledBack"), rounds=10)
    assert answer(at) == f"Done: Rollout of {B} aborted in the bake; {A} serves all users"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bake": {"holdback": 5}}, "a holdback needs a duration above 0s"),
        ({"bake": {"duration": "1h", "holdback": 60}}, "leaves less than the step before 100 percent"),
        ({"bake": {"duration": "1h", "holdback": 100}}, "less than 100"),
        ({"bake": {"duration": "-1h"}}, "is not a duration"),
    ],
)
def test_a_bake_that_makes_no_sense_is_refused_in_one_sentence(changes, message):
    with pytest.raises(ValidationError, match=message):
        spec(A, **changes)


def test_a_holdback_may_be_as_large_as_the_steps_allow():
    body = spec(A).model_dump(mode="json", exclude_none=True)
    assert SuggestionModelSpec.model_validate(body | {"bake": {"duration": "1h", "holdback": 50}}).bake.holdback == 50


def test_time_in_which_no_operator_watched_does_not_count():
    clock = BakeClock(started_at=START, elapsed=10, running_since=START)
    now = START + timedelta(seconds=60)
    assert clock.without(timedelta(seconds=20), now).at(now) == timedelta(seconds=50)
    assert clock.without(timedelta(hours=1), now).at(now) == timedelta(seconds=10)
    stopped = BakeClock(started_at=START, elapsed=10)
    assert stopped.without(timedelta(seconds=20), now) == stopped
