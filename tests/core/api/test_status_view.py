"""The short view of a status: what `kubectl describe` prints, and that nothing is lost by it."""

import json
from typing import get_type_hints

import pytest
from models.parts import spec
from models.starting import A, B, has_percent, has_phase, new_world
from pydantic import ValidationError

from serin_core.api import candidate
from serin_core.api import status as models
from serin_core.api.packing import STATE, expanded
from serin_core.api.status import Status
from serin_core.api.status_view import StatusView, condensed


def described(value, depth=0):
    """Return the lines that `kubectl describe` prints of a value: one for each nested key or list item."""
    match value:
        case dict():
            for key, inner in sorted(value.items()):
                if isinstance(inner, dict | list):
                    yield f"{'  ' * depth}{key}:"
                    yield from described(inner, depth + 1)
                else:
                    yield f"{'  ' * depth}{key}: {inner}"
        case list():
            for item in value:
                yield from described(item, depth)
        case _:
            yield f"{'  ' * depth}{value}"


@pytest.fixture(scope="module")
def typical():
    """A second rollout at 10 %, after a first one that was promoted, an abort and a retry."""
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B))
    at.settle(until=has_percent(10))
    at.request("abort", f"{B} a first time")
    at.settle(rounds=10)
    at.request("retry", f"{B} a second time")
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.settle(rounds=10)
    return at.status


def test_describe_prints_a_typical_rollout_on_one_screen(typical):
    lines = list(described({"Status": condensed(typical)}))
    assert len(lines) <= 80, "\n".join(lines)


def test_the_view_keeps_what_users_read(typical):
    view = condensed(typical)
    assert view["phase"] == "Canary"
    assert (view["stable"]["runID"], view["candidate"]["runID"]) == (A, B)
    assert (view["candidate"]["percent"], view["candidate"]["attempt"]) == (10, 2)
    assert [one["runID"] for one in view["podRuns"]] == [B, A]
    assert view["handledRequests"][-1]["answer"] == f"Done: Rollout of {B} restarted, attempt 2"
    assert view["gates"][0] == "availability: Inconclusive, 100.0 % of 1"
    assert view["history"][-1].endswith(f"{B} StageStarted: {typical.history[-1].message}")
    assert {one["type"] for one in view["conditions"]} >= {"Ready", "Reconciling", "Stalled", "Available"}


def test_nothing_is_lost(typical):
    wire = json.loads(json.dumps(condensed(typical)))
    assert Status.model_validate(wire) == typical
    assert Status.model_validate(expanded(wire)) == typical
    assert Status.model_validate(typical.model_dump(mode="json", exclude_none=True)) == typical


def test_every_field_of_the_view_is_in_the_schema(typical):
    def paths(value, path=""):
        match value:
            case dict():
                return {one for key, inner in value.items() for one in paths(inner, f"{path}.{key}")}
            case list():
                return {one for inner in value for one in paths(inner, path)}
            case _:
                return {path}

    again = StatusView.model_validate(condensed(typical)).model_dump(mode="json", exclude_none=True)
    assert paths(condensed(typical)) == paths(again)


def test_an_edit_of_the_view_by_hand_changes_nothing(typical):
    wire = condensed(typical)
    wire["candidate"]["percent"] = 100
    wire["stable"] = None
    assert Status.model_validate(wire) == typical


@pytest.mark.parametrize("state", ["", "nonsense", "bm9uc2Vuc2U=", 7, "eJyrrgUAAXUA+Q==", "eJyLVjKMBQAC1wFB"])
def test_a_damaged_state_is_refused(typical, state):
    wire = condensed(typical) | {STATE: state}
    if state == "eJyrrgUAAXUA+Q==":  # an empty object: valid, and everything else is gone
        assert Status.model_validate(wire).candidate is None
        return
    with pytest.raises(ValidationError, match=STATE):
        Status.model_validate(wire)


@pytest.mark.parametrize(
    ("changes", "model"), [(candidate.CandidateChanges, candidate.Candidate), (models.StatusChanges, models.Status)]
)
def test_typed_changes_name_fields_of_their_model(changes, model):
    assert set(get_type_hints(changes)) <= set(model.model_fields)


def test_the_columns_are_filled_whoever_serves():
    assert (condensed(Status())["serving"], condensed(Status())["percent"]) == ("(rules)", 0)
    at = new_world()
    at.settle(until=has_percent(10))
    view = condensed(at.status)
    assert (view["serving"], view["percent"], view["candidate"]["percent"]) == ("(rules)", 10, 10)
    at.settle(until=has_phase("Promoted"))
    assert (condensed(at.status)["serving"], condensed(at.status)["percent"]) == (A, 100)
    at.edit(spec(B))
    at.settle(until=has_percent(10))
    at.request("abort", f"{B} enough")
    at.settle(until=has_phase("RolledBack"))
    assert (condensed(at.status)["serving"], condensed(at.status)["percent"]) == (A, 0)
