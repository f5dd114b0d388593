"""When the demo counts as having shown what it is to show. Needs no cluster."""

import dataclasses

import pytest

from serin_demo.scenario import Act

SHADOW = Act("bad from the start", "run_00000000_1", "RolledBack", 0.0)
HALF = Act("turns bad", "run_00000000_1", "RolledBack", 50.0)


@pytest.mark.parametrize(
    ("act", "outcome", "most_users", "is_as_expected"),
    [
        (SHADOW, "RolledBack", 0.0, True),
        (SHADOW, "RolledBack", 10.0, False),
        (HALF, "RolledBack", 50.0, True),
        (HALF, "RolledBack", 0.0, False),
        (HALF, "Promoted", 50.0, False),
        (HALF, "None", 50.0, False),
    ],
    ids=["in shadow", "users saw it", "from half of them", "before it turned bad", "promoted", "not over"],
)
def test_an_act_is_to_end_with_its_outcome_at_its_share(act, outcome, most_users, is_as_expected):
    ended = dataclasses.replace(act, outcome=outcome, most_users=most_users)
    assert ended.is_as_expected is is_as_expected
    assert ended.report()["expectedPercent"] == act.expected_percent
    assert {"runID", "expected", "outcome", "seconds", "history"} <= set(ended.report())
