"""The metrics of the operator."""

import asyncio
import socket

import aiohttp
import pytest

from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import StageCounts
from serin_core.rollout.observation import NOT_ASKED
from serin_operator.metrics import OperatorMetrics, serve


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


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_probes_reach_the_operator_by_ipv4_and_by_ipv6():
    async def probe():
        runner = await serve(OperatorMetrics(lambda: 0), host="::", port=port, problem=str)
        try:
            async with aiohttp.ClientSession() as session:
                for host in ("127.0.0.1", "[::1]"):
                    async with session.get(f"http://{host}:{port}/readyz") as response:
                        found.append(response.status)
        finally:
            await runner.cleanup()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = []
    asyncio.run(probe())
    assert found == [200, 200]
