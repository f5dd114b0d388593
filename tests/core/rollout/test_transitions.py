from pathlib import Path

import pytest
from models.parts import spec
from models.world import World

from serin_core.api.resource import Resource
from serin_core.api.status import Status
from serin_core.kubernetes.inputs import ServerImage
from serin_core.rollout.canary_steps import effective_steps, next_step, soak_of
from serin_core.rollout.observation import Observed
from serin_core.rollout.protocol import PROTOCOL, Context
from serin_core.rollout.table import TABLE, ImpossibleTransitionError, Row, State, diagram, take_first
from serin_core.rollout.transition import Transition

A = "run_aaaaaaaa_1"
DOCS = Path(__file__).parents[3] / "docs" / "contracts.md"


def context():
    world = World(spec(A))
    resource = Resource("default", "x", "uid", 1, "1", world.spec, None)
    return Context(resource, Status(), Observed(image=ServerImage("i")), world.now, "")


def test_the_diagram_in_the_documentation_is_made_from_the_table():
    assert diagram() in DOCS.read_text(encoding="utf-8")


def test_a_rule_that_leads_elsewhere_than_its_row_is_a_mistake_of_the_program():
    row = Row("Oops", (State.IDLE,), State.RUNNING, lambda seen, _protocol: Transition(seen.status, "x", "x"))
    with pytest.raises(ImpossibleTransitionError, match="Oops led from Idle to Idle, not to Running"):
        take_first(context(), PROTOCOL, [row])


def test_every_state_can_be_reached_and_left():
    entered = {row.target for row in TABLE} | {State.IDLE}
    left = {source for row in TABLE for source in row.sources}
    assert entered >= set(State)
    assert left >= set(State)


@pytest.mark.parametrize(
    ("cap", "steps", "rungs"),
    [
        (100, (10, 50, 100), (10, 50, 100)),
        (50, (10, 50, 100), (10, 50)),
        (30, (10, 50, 100), (10, 30)),
        (5, (10, 50, 100), (5,)),
        (0, (10, 50, 100), ()),
        (100, (10, 50), (10, 50)),
    ],
)
def test_steps_above_the_cap_become_one_step_at_it(cap, steps, rungs):
    canary = spec(A, canary={"percent": cap, "steps": [{"percent": step} for step in steps]}).canary
    assert effective_steps(canary) == rungs


def test_steps_edited_in_a_rollout_leave_the_position_where_it_is():
    canary = spec(A, canary={"steps": [{"percent": 20, "soak": "1h"}, {"percent": 100, "soak": "2h"}]}).canary
    assert next_step(canary, percent=10) == 20
    assert next_step(canary, percent=50) == 100
    assert soak_of(canary, percent=50).total_seconds() == 7200
    assert next_step(canary, percent=100) is None
