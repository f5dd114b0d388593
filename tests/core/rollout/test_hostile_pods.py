"""A pod that reports anything stops no decision: the candidate is withdrawn, and the status stays small and plain."""

import copy
import json

import pytest
from foreign_input import HOSTILE_VALUES, damaged_values, places, replaced
from hypothesis import given
from hypothesis import strategies as st
from models.starting import has_percent, new_world
from pydantic import ValidationError

from serin_core.api.status_view import condensed
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.observation import NoAnswer

CANARY = new_world()
CANARY.settle(rounds=400, until=has_percent(10))
REPORT = CANARY._report(CANARY.pods[min(CANARY.pods)]).model_dump(mode="json")
NUMBERS = (10**400, -(10**400), 1e308, -1e308, 1e17, 2**63, -2)


def as_received(report):
    """Return a report as the operator receives it from a pod."""
    try:
        return PodReport.model_validate_json(json.dumps(report))
    except ValidationError:
        return NoAnswer("its response is no status")


def test_every_number_is_bounded():
    found = PodReport.model_validate(REPORT | {"supervision": {"lapsedSeconds": 5.0, "silenceSeconds": 7.0}})
    whole = found.model_dump(mode="json")
    numbers = [path for path in places(whole) if path and type(part(whole, path)) in (int, float)]
    assert {path[-1] for path in numbers} >= {"revision", "attempt", "lapsedSeconds", "silenceSeconds", "f1Macro"}
    for path in numbers:
        for value in NUMBERS:
            assert isinstance(as_received(replaced(whole, path, lambda _part, value=value: value)), NoAnswer), (
                path,
                value,
            )


def part(value, path):
    for key in path:
        value = value[key]
    return value


def stopped(reported):
    """Stop a candidate that serves users, while one of the two pods reports something else than it serves."""
    if isinstance(as_received(reported), NoAnswer) and reported is not None:
        return  # as a pod that is away
    world = copy.deepcopy(CANARY)
    honest, first = world._report, min(world.pods)
    world._report = lambda pod: as_received(reported) if pod is not None and pod.name == first else honest(pod)
    for _ in range(3):
        world.whole_pass(world.operators[0])
        world.tick()
    world.edit(world.spec.model_copy(update={"canary": world.spec.canary.model_copy(update={"percent": 0})}))
    for _ in range(3):
        world.whole_pass(world.operators[0])
        world.kubelets()
        world.tick()
    assert world.status.rollout is None or world.status.rollout.served_percent == 0
    other = next(pod for pod in world.pods.values() if pod.name != first)
    assert other.document.candidate is None or other.document.candidate.percent == 0
    assert len(json.dumps(condensed(world.status), allow_nan=False)) < 256 * 1024


@pytest.mark.parametrize("path", places(REPORT), ids=lambda path: ".".join(map(str, path)) or "whole")
def test_no_value_of_any_field_does(path):
    for value in (*HOSTILE_VALUES, *NUMBERS, "x" * 300_000):
        stopped(replaced(REPORT, path, lambda _part, value=value: value))


@given(data=st.data())
def test_a_damaged_report_keeps_no_candidate_from_being_stopped(data):
    found = data.draw(damaged_values(REPORT))
    stopped(found)


@pytest.mark.parametrize("name", ["", "high", "nan", "1e400", "2", "-0.1", "0.7\n", "\uff10.7"])
def test_a_threshold_that_is_no_share_is_refused(name):
    coverage = {"Dining": {"share": 1.0, "by_threshold": {name: {"coverage": 0.9, "precision": 0.9}}}}
    assert isinstance(
        as_received(replaced(REPORT, ("runs", 0, "quality", "coverage"), lambda _part: coverage)), NoAnswer
    )
