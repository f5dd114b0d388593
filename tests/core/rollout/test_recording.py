"""Records of trials: what they hold after a whole rollout, that they stay short, and that they can be read back."""

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from models.parts import spec
from models.scenarios_17 import serves, three_promoted
from models.starting import A, B, has_percent, has_phase, new_world

from serin_core.api.gate_status import GateStatus
from serin_core.api.record import Outcome, RollbackTime, TransitionRecord, TrialRecord
from serin_core.api.resource import Resource
from serin_core.evidence.counts import Verdict
from serin_core.rollout import recording
from serin_core.rollout.recording import MAX_BYTES, MAX_POINTS, Noted, RecordError


def resource_of(at):
    return Resource(
        namespace="default",
        name="categories",
        uid=at.uid,
        generation=1,
        resource_version="1",
        spec=at.spec,
        status=at.status,
    )


def record(at, *, rounds=60, until=None, into=None):
    """Work until something holds, and return the record of the last trial as an operator would keep it."""
    kept = into
    for _ in range(rounds):
        if until is not None and until(at):
            break
        decision = at.whole_pass(at.operators[0])
        if decision is not None and decision.status.trial:
            if kept is None or kept.trial != decision.status.trial:
                kept = recording.begin(resource_of(at), decision.status, by="kubectl", now=at.now)
            noted = Noted.of(at.now, decision.status, decision.transition, is_counted=True)
            kept = recording.extend(kept, noted)
        at.kubelets()
        at.tick()
    return kept


def test_a_promoted_run_has_its_whole_story():
    at = new_world()
    found = record(at, until=has_phase("Promoted"))
    assert (found.trial, found.run_id, found.attempt, found.outcome) == (1, A, 1, Outcome.PROMOTED)
    assert found.digest == at.status.stable.digest
    assert found.reason.startswith(f"{A} promoted to stable")
    assert found.ended_at > found.started_at
    assert found.spec["runID"] == A
    assert "gates" not in found.spec, "defaults are left out"
    events = [one.event for one in found.transitions]
    assert events == [entry.event for entry in at.status.history]
    advanced = [one for one in found.transitions if one.event == "StepAdvanced"]
    assert [(one.percent_before, one.percent) for one in advanced] == [(0, 10), (10, 50), (50, 100)]
    for one in advanced:
        agreement = next(gate for gate in one.gates if gate.name == "agreement")
        assert (agreement.good, agreement.total, agreement.verdict, agreement.at_least) == (1000, 1000, "Pass", 0.7)
    assert {point[1] for point in found.curves["agreement"]} == {0, 10, 50, 100}
    assert [wanted for _, wanted, _, _ in found.shares] == [0, 10, 50, 100]
    assert all(actual is None for _, _, *both in found.shares for actual in both)


def test_a_stage_that_was_judged_once_has_a_point():
    at = new_world()
    at.settle(until=has_percent(10))
    decision = at.whole_pass(at.operators[0])
    while decision.transition is None:
        at.kubelets()
        at.tick()
        decision = at.whole_pass(at.operators[0])
    assert decision.transition.event == "StepAdvanced"
    begun = recording.begin(resource_of(at), decision.status, by="", now=at.now)
    found = recording.extend(begun, Noted.of(at.now, decision.status, decision.transition, is_counted=True))
    assert [point[1:4] for point in found.curves["agreement"]] == [(10, 1000, 1000)]


def test_what_happens_to_a_promoted_run_is_in_the_record_of_its_trial():
    at = new_world()
    found = record(at, until=has_phase("Promoted"))
    ended = found.ended_at
    at.request("undo", f"{A} by=jane complaints")
    found = record(at, rounds=10, into=found)
    assert (found.outcome, found.ended_at) == (Outcome.ROLLED_BACK, ended)
    assert found.transitions[-1].by == f"undo {A} by=jane complaints"
    (rollback,) = found.rollbacks
    assert (rollback.event, rollback.run_id) == ("Undone", A)
    assert rollback.seconds > 0


def test_a_rollback_has_its_reason_its_evidence_and_the_time_until_it_was_confirmed():
    at = new_world()
    found = record(at, until=has_percent(10))
    at.verdict = "fail"
    found = record(at, rounds=10, into=found)
    assert found.outcome is Outcome.ROLLED_BACK
    assert "agreement 0 % of 1,000" in found.reason
    failed = found.transitions[-1]
    assert failed.event == "GateFailed"
    assert {gate.name for gate in failed.gates if gate.verdict is Verdict.FAIL} >= {"agreement", "errors"}
    (rollback,) = found.rollbacks
    assert rollback.confirmed_at == at.status.propagation.confirmed_at


@pytest.mark.parametrize(
    ("edit", "outcome"), [(A, Outcome.CANCELLED), ("run_ffffffff_1", Outcome.REPLACED)], ids=["cancelled", "replaced"]
)
def test_a_rollout_that_is_ended_by_an_edit(edit, outcome):
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B))
    found = record(at, until=has_percent(10))
    at.edit(spec(edit))
    if outcome is Outcome.REPLACED:
        found = recording.close(found, successor=edit, at=at.now)
        assert edit in found.reason
        again = recording.close(found, successor=A, at=at.now + timedelta(days=1))
        assert again == found
    else:
        found = record(at, rounds=5, into=found)
        assert found.reason.startswith(f"Rollout of {B} cancelled")
    assert found.outcome is outcome
    assert found.ended_at is not None


def test_a_record_is_read_back_as_it_was_written_and_extending_it_again_changes_nothing():
    at = new_world()
    found = record(at, until=has_phase("Promoted"))
    kept, text = recording.written(found)
    assert recording.read(text) == kept == found
    assert recording.extend(kept, Noted.of(at.now, at.status, found.transitions[-1])).transitions == found.transitions


def test_transitions_that_were_not_written_are_taken_from_the_history():
    at = new_world()
    found = record(at, until=has_phase("Promoted"))
    lost = found.changed(transitions=found.transitions[:3])
    whole = recording.recover(lost, at.status.history)
    assert [one.event for one in whole.transitions] == [one.event for one in found.transitions]
    assert "agreement" in whole.transitions[-1].message
    assert recording.recover(whole, at.status.history) == whole
    assert recording.recover(found, at.status.history) == found


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1, "trial": "x"}'])
def test_a_damaged_record_is_an_error_of_one_line(text):
    with pytest.raises(RecordError, match=r".+") as caught:
        recording.read(text)
    assert "\n" not in str(caught.value)


def points(count, *, stages=1):
    return tuple((float(place), float(place * stages // count), 1.0, 2.0, 0.1, 0.9) for place in range(count))


@pytest.mark.parametrize("stages", [1, 4, 150])
def test_a_curve_keeps_its_ends_and_is_spread_over_time(stages):
    curve = points(5000, stages=stages)
    kept = recording.thinned(curve)
    assert len(kept) <= MAX_POINTS
    assert (kept[0], kept[-1]) == (curve[0], curve[-1])
    assert list(kept) == sorted(kept)
    assert {point[1] for point in kept} == {point[1] for point in curve}
    if stages == 1:
        gaps = [after[0] - before[0] for before, after in pairwise(kept)]
        assert max(gaps) <= 3 * 5000 / MAX_POINTS


def test_a_short_curve_and_one_at_one_moment_are_kept_or_thinned_without_an_error():
    assert recording.thinned(points(MAX_POINTS)) == points(MAX_POINTS)
    moment = tuple((7.0, 10.0, float(place), 500.0, None, None) for place in range(500))
    kept = recording.thinned(moment)
    assert (kept[0], kept[-1]) == (moment[0], moment[-1])


def long_record(*, transitions, gates, points_of_each):
    at = new_world()
    begun = recording.begin(resource_of(at), at.status or _numbered(at), by="", now=at.now)
    gate = GateStatus(name="g", reason="Proven", detail="d" * 400, good=1e6, total=1e6, lower=0.1234, upper=0.9876)
    evidence = tuple(gate.model_copy(update={"name": f"gate-{number}"}) for number in range(gates))
    entries = [
        TransitionRecord(at=at.now + timedelta(seconds=place), event="E", message="m" * 2000, gates=evidence)
        for place in range(transitions)
    ]
    curves = {f"gate-{number}": points(points_of_each) for number in range(gates)}
    return begun.changed(transitions=tuple(entries), curves=curves)


def _numbered(at):
    at.whole_pass(at.operators[0])
    return at.status


@pytest.mark.parametrize(
    ("transitions", "gates", "points_of_each"), [(10, 24, 400), (200, 24, 400), (1000, 24, 10), (3, 2000, 20)]
)
def test_a_record_is_never_longer_than_an_object_may_be(transitions, gates, points_of_each):
    whole = long_record(transitions=transitions, gates=gates, points_of_each=points_of_each)
    kept, text = recording.written(whole)
    assert len(text.encode()) <= MAX_BYTES
    assert recording.read(text) == kept
    assert kept.transitions[0].at == whole.transitions[0].at
    assert kept.transitions[-1].message == whole.transitions[-1].message
    assert len(kept.transitions) + kept.dropped_transitions == transitions
    if transitions == 10:
        assert kept.dropped_transitions == 0
        assert all(len(curve) == MAX_POINTS for curve in kept.curves.values())


def test_the_text_has_no_nulls_but_in_points():
    at = new_world()
    _, text = recording.written(record(at, until=has_phase("Promoted")))
    assert '":null' not in text
    assert json.loads(text)["version"] == 1
    assert isinstance(recording.read(text), TrialRecord)


@pytest.mark.parametrize("model", [TrialRecord, TransitionRecord, RollbackTime])
def test_every_field_is_documented(model):
    page = (Path(__file__).parents[3] / "docs" / "records.md").read_text(encoding="utf-8")
    names = {field.serialization_alias or field.alias for field in model.model_fields.values()}
    assert not {name for name in names if f"`{name}`" not in page}


def test_an_emergency_stop_leaves_the_outcome_of_the_trial():
    at = new_world()
    found = record(at, until=has_phase("Promoted"))
    at.edit(spec(A, canary={"percent": 0}))
    found = record(at, until=has_phase("Stopped"), into=found)
    assert (found.outcome, found.transitions[-1].event) == (Outcome.PROMOTED, "EmergencyStop")


def test_a_restore_has_a_record_without_stages():
    at = new_world()
    three_promoted(at)
    at.edit(spec(A))
    found = record(at, until=serves(A))
    assert (found.run_id, found.outcome, found.curves) == (A, Outcome.PROMOTED, {})
    assert [one.event for one in found.transitions] == ["RestoreStarted", "PodsLoading", "RunRestored"]
