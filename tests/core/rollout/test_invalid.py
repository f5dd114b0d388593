"""Conditions of an object whose spec or status cannot be read."""

from datetime import UTC, datetime, timedelta

from serin_core.api.status import Condition
from serin_core.rollout import conditions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def known(kind, status):
    return Condition(type=kind, status=status, reason="Before", observed_generation=1, last_transition_time=NOW)


def test_ready_is_false_and_stalled_and_everything_else_stays():
    later = NOW + timedelta(minutes=1)
    before = (known("Ready", "False"), known("Stalled", "False"), known("Available", "True"))
    found = conditions.invalid("InvalidStatus", "operatorState cannot be read", before, generation=2, now=later)
    assert [(one.type, one.status, one.reason) for one in found] == [
        ("Ready", "False", "InvalidStatus"),
        ("Reconciling", "False", "Settled"),
        ("Stalled", "True", "InvalidStatus"),
        ("Available", "True", "Before"),
    ]
    assert [one.last_transition_time for one in found] == [NOW, later, later, NOW]
    assert found[0].message == "operatorState cannot be read"
    assert conditions.invalid("InvalidStatus", "operatorState cannot be read", found, generation=2, now=later) == found
