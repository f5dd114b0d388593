"""The metrics of the operator."""

import pytest

from serin_core.counting import StageCounts, Unreadable
from serin_core.rollout.observation import NOT_ASKED
from serin_operator.metrics import OperatorMetrics


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("result", ["changed", "refused", "invalid", "deleting", "error"])
def test_every_result_is_exposed_from_the_start(result):
    assert value(OperatorMetrics(lambda: 0), "serin_operator_reconcile_total", result=result) == 0


def test_a_failure_is_an_error_in_the_count_of_reconciles():
    metrics = OperatorMetrics(lambda: 0)
    metrics.record_failure()
    assert value(metrics, "serin_operator_reconcile_total", result="error") == 1


def test_readings_are_counted_by_outcome():
    metrics = OperatorMetrics(lambda: 0)
    for reading in (StageCounts({}), Unreadable("Stale", "old"), Unreadable("Stale", "old"), NOT_ASKED):
        metrics.record_reading(reading)
    found = {
        outcome: value(metrics, "serin_operator_readings_total", outcome=outcome)
        for outcome in ("Read", "Stale", "Unreachable")
    }
    assert found == {"Read": 1, "Stale": 2, "Unreachable": 0}
    assert value(metrics, "serin_operator_readings_total", outcome="NotAsked") is None


def test_only_events_of_the_table_are_transitions():
    metrics = OperatorMetrics(lambda: 0)
    metrics.record_event("StepAdvanced")
    metrics.record_event("MetricsUnavailable")
    assert value(metrics, "serin_operator_transitions_total", event="StepAdvanced") == 1
    assert value(metrics, "serin_operator_transitions_total", event="MetricsUnavailable") is None
