"""What the operator counts of itself."""

import pytest

from serin_core.counting import StageCounts, Unreadable
from serin_core.rollout.observation import NOT_ASKED
from serin_operator.metrics import Telemetry


def value(telemetry, name, **labels):
    return telemetry.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("result", ["changed", "refused", "invalid", "deleting", "error"])
def test_every_result_is_there_before_it_happens(result):
    assert value(Telemetry(lambda: 0), "serin_operator_reconcile_total", result=result) == 0


def test_a_failure_is_an_error_in_the_count_of_reconciles():
    telemetry = Telemetry(lambda: 0)
    telemetry.failed()
    assert value(telemetry, "serin_operator_reconcile_total", result="error") == 1


def test_readings_are_counted_by_what_came_of_them():
    telemetry = Telemetry(lambda: 0)
    for reading in (StageCounts({}), Unreadable("Stale", "old"), Unreadable("Stale", "old"), NOT_ASKED):
        telemetry.read(reading)
    found = {
        outcome: value(telemetry, "serin_operator_readings_total", outcome=outcome)
        for outcome in ("Read", "Stale", "Unreachable")
    }
    assert found == {"Read": 1, "Stale": 2, "Unreachable": 0}
    assert value(telemetry, "serin_operator_readings_total", outcome="NotAsked") is None


def test_only_events_of_the_table_are_transitions():
    telemetry = Telemetry(lambda: 0)
    telemetry.told("Raised")
    telemetry.told("MetricsUnavailable")
    assert value(telemetry, "serin_operator_transitions_total", event="Raised") == 1
    assert value(telemetry, "serin_operator_transitions_total", event="MetricsUnavailable") is None
