"""When a rollout of the demo counts as successful. Needs no cluster."""

import dataclasses

import pytest

from serin_demo.scenario import Scenario

SHADOW = Scenario("bad from the start", "run_00000000_1", "RolledBack", 0.0)
HALF = Scenario("turns bad", "run_00000000_1", "RolledBack", 50.0)


@pytest.mark.parametrize(
    ("scenario", "outcome", "max_percent", "is_as_expected"),
    [
        (SHADOW, "RolledBack", 0.0, True),
        (SHADOW, "RolledBack", 10.0, False),
        (HALF, "RolledBack", 50.0, True),
        (HALF, "RolledBack", 0.0, False),
        (HALF, "Promoted", 50.0, False),
        (HALF, "None", 50.0, False),
    ],
    ids=["in shadow", "users saw it", "from half of them", "before it turned bad", "promoted", "not finished"],
)
def test_a_rollout_must_end_with_its_outcome_at_its_share(scenario, outcome, max_percent, is_as_expected):
    ended = dataclasses.replace(scenario, outcome=outcome, max_percent=max_percent)
    assert ended.is_as_expected is is_as_expected
    assert ended.report()["expectedPercent"] == scenario.expected_percent
    assert {"runID", "expected", "outcome", "seconds", "history"} <= set(ended.report())
