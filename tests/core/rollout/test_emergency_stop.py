"""The emergency stop of a promoted run, and its end."""

import pytest
from models.parts import spec
from models.scenarios_17 import serves
from models.starting import A, B, C, has_phase, new_world

from serin_core.api.status import CandidateState


def capped(run, percent, **changes):
    canary = spec(run).canary.model_dump(mode="json") | {"percent": percent}
    return spec(run, canary=canary, **changes)


def stopped(**changes):
    at = new_world()
    at.settle(until=serves(A))
    at.edit(spec(B))
    at.settle(until=serves(B))
    at.edit(capped(B, 0, **changes))
    at.settle(until=has_phase("Stopped"))
    return at


def test_the_run_before_serves_at_once_and_the_message_says_how_it_ends():
    at = stopped()
    assert (at.status.stable.run_id, at.status.candidate.state) == (A, CandidateState.STOPPED)
    assert at.status.rejected == ()
    ready = at.status.conditions[0]
    assert (ready.status, ready.reason) == ("False", "Stopped")
    assert ready.message == (
        f"{B} is stopped (spec.canary.percent was set to 0); {A} serves all users (2 of 2 pods confirmed). "
        "At 100 it serves again, without a new trial"
    )
    event = at.status.history[-1]
    assert (event.event, event.run_id) == ("EmergencyStop", B)


def test_at_100_the_stopped_run_serves_again_without_a_trial():
    at = stopped()
    at.edit(capped(B, 100))
    at.settle(rounds=1)
    assert (at.status.stable.run_id, at.status.previous.run_id, at.status.candidate) == (B, A, None)
    assert at.status.history[-1].message == f"{B} serves all users again: spec.canary.percent is 100"
    at.settle(until=has_phase("Promoted"), rounds=5)
    assert at.status.phase == "Promoted"


def test_a_share_in_between_leaves_it_stopped_and_says_so():
    at = stopped()
    at.edit(capped(B, 50))
    at.settle(rounds=10)
    assert at.status.phase == "Stopped"
    assert "It stays stopped at 50. At 100 it serves again" in at.status.conditions[0].message


def test_without_a_run_before_the_rules_serve():
    at = new_world()
    at.settle(until=serves(A))
    at.edit(capped(A, 0))
    at.settle(until=has_phase("Stopped"))
    assert at.status.stable is None
    at.edit(spec(A))
    at.settle(until=serves(A))
    assert at.status.stable.run_id == A


def test_it_can_be_repeated():
    at = stopped()
    for _ in range(3):
        at.edit(capped(B, 100))
        at.settle(until=serves(B))
        at.edit(capped(B, 0))
        at.settle(until=has_phase("Stopped"))
    assert at.status.stable.run_id == A


def test_a_retry_is_not_what_ends_it():
    at = stopped()
    at.request("retry", f"{B} please")
    at.settle(rounds=2)
    assert at.status.handled_requests[-1].answer == (
        "Ignored: the run is stopped, not rolled back; set spec.canary.percent to 100, and it serves again"
    )


def test_another_run_is_rolled_out_against_the_run_that_serves():
    at = stopped()
    at.edit(spec(C))
    at.settle(rounds=1)
    assert at.status.history[-1].message == f"Rollout of {C} started; compared with {A}"


def test_another_digest_of_the_stopped_run_is_a_new_rollout():
    at = stopped()
    at.edit(capped(B, 100, digest="sha256:" + "e" * 64))
    at.settle(rounds=2)
    assert at.status.candidate.state in (CandidateState.DRAINING, CandidateState.LOADING)
    assert at.status.candidate.skips_trial == ""


def test_naming_the_run_that_serves_ends_it():
    at = stopped()
    at.edit(spec(A))
    at.settle(until=serves(A))
    assert at.status.candidate is None


def test_undo_of_the_run_that_serves_leaves_the_stop_as_it_is():
    at = stopped()
    at.request("undo", f"{A} bad, too")
    at.settle(rounds=4)
    assert (at.status.stable, at.status.candidate.run_id) == (None, B)
    assert at.status.candidate.state is CandidateState.STOPPED
    at.edit(spec(B))
    at.settle(until=serves(B))
    assert at.status.stable.run_id == B


@pytest.mark.parametrize("verdict", ["pass", "silent"])
def test_it_needs_no_counts(verdict):
    at = stopped()
    at.verdict = verdict
    at.edit(capped(B, 100))
    at.settle(until=serves(B), rounds=10)
    assert at.status.stable.run_id == B


BAKE = {"duration": "60s", "holdback": 5}


def stopped_in_the_bake():
    at = new_world()
    at.settle(until=serves(A))
    at.edit(spec(B, bake=BAKE))
    at.settle(until=has_phase("Baking"))
    at.settle(rounds=40)
    at.edit(capped(B, 0, bake=BAKE))
    at.settle(until=has_phase("Stopped"))
    return at


def test_a_run_that_bakes_is_stopped_and_its_bake_goes_on_without_a_new_trial():
    at = stopped_in_the_bake()
    trial = at.status.trial
    assert (at.status.stable.run_id, at.status.rejected) == (A, ())
    assert at.status.conditions[0].message.endswith("At 100 its bake goes on, without a new trial")
    assert at.status.candidate.bake.at(at.now).total_seconds() == pytest.approx(20, abs=2)
    at.settle(rounds=60)
    at.edit(capped(B, 100, bake=BAKE))
    at.settle(until=has_phase("Baking"))
    at.settle(rounds=4)
    assert (at.status.phase, at.status.trial) == ("Baking", trial)
    assert at.status.candidate.bake.at(at.now).total_seconds() == pytest.approx(23, abs=3)
    assert next(iter(at.pods.values())).document.candidate.percent == 95
    at.settle(until=serves(B))
    assert at.status.stable.run_id == B


def test_in_the_bake_a_cap_between_leaves_it_stopped_and_another_run_replaces_it():
    at = stopped_in_the_bake()
    at.edit(capped(B, 50, bake=BAKE))
    at.settle(rounds=6)
    assert at.status.phase == "Stopped"
    at.edit(spec(C))
    at.settle(rounds=1)
    assert at.status.history[-1].message == f"Rollout of {C} started; compared with {A}"


def test_a_bake_that_goes_on_is_judged_again():
    at = stopped_in_the_bake()
    at.verdict = "fail"
    at.edit(capped(B, 100, bake=BAKE))
    at.settle(until=has_phase("RolledBack"), rounds=20)
    assert (at.status.stable.run_id, at.status.phase) == (A, "RolledBack")
