"""The metrics of the operator."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import aiohttp
import pytest

from serin_core.api.record import RollbackTime
from serin_core.api.status import Status
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


def test_probes_fail_with_the_reason_in_their_body():
    async def probe():
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        runner = await serve(
            OperatorMetrics(lambda: 0), host="127.0.0.1", port=port, problem=lambda: "", hang=lambda: "a check hangs"
        )
        try:
            async with aiohttp.ClientSession() as session:
                for path in ("readyz", "healthz"):
                    async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                        yield response.status, await response.text()
        finally:
            await runner.cleanup()

    async def collect():
        return [one async for one in probe()]

    assert asyncio.run(collect()) == [(200, "ok\n"), (503, "a check hangs\n")]


def test_the_time_of_a_rollback_is_observed_once_when_it_is_confirmed():
    metrics, at = OperatorMetrics(lambda: 0), datetime(2026, 1, 1, tzinfo=UTC)
    begun = RollbackTime(run_id="run_a", event="GateFailed", at=at, revision=7)
    confirmed = begun.confirmed(at + timedelta(seconds=1.5))
    passes = (Status(), Status(rollback=begun), Status(rollback=begun), Status(rollback=confirmed))
    for before, after in pairwise((*passes, Status(rollback=confirmed))):
        metrics.records.record_rollback(before, after)
    assert value(metrics, "serin_rollback_confirmed_seconds_count") == 1
    assert value(metrics, "serin_rollback_confirmed_seconds_sum") == 1.5
