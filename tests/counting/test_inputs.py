"""Inputs of runs over a week on a real Prometheus: counted by servers, read by the operator's query, judged."""

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import pytest
from counting.looking import Rollout
from counting.processes import RUN, Server

from serin_core.contract import names
from serin_core.counting.inputs import inputs_query, inputs_seen
from serin_core.model.inputs import InputBins, InputCounts, Inputs
from serin_core.rollout.drift import differences, has_drifted
from serin_operator.prometheus_client import PrometheusClient
from serin_server.metrics.exposition import RunOnScrape

HOUR = 3600.0
BINS = InputBins(
    {
        "predicted_class": {"Dining": 500, "other": 500},
        "new_merchants": {"known": 900, "new": 100},
        "log_amount": {"00": 500, "01": 500},
    },
    (("log_amount", 0, (2.0,)),),
    {"Dining": 0, "other": 1},
)


class Asked(Server):
    """A process that counts the inputs of its run."""

    def __post_init__(self):
        super().__post_init__()
        self.inputs = InputCounts(BINS)

    def ask(self, number, *, amount):
        for at in range(number):
            value = amount or 4.0 * (at % 2)
            self.inputs.add(Inputs((value,), is_new_merchant=at % 10 == 0), label="Dining" if at % 2 else "Fuel")

    def _scrape(self):
        run = RunOnScrape(RUN, {}, breaker_open=False, input_rows=BINS.reference, inputs=self.inputs.counted())
        return replace(super()._scrape(), runs=(run,))


def written(servers, times, *, each, amount=0.0):
    found = defaultdict(list)
    for at in times:
        for server in servers:
            for labels, value in server.series(lambda name: name in (names.INPUTS, names.RUN_INPUT_ROWS)).items():
                found[labels].append((at, value))
            server.ask(each, amount=amount)
    return found


def look(prometheus, uid, *, window=timedelta(hours=7)):
    async def read():
        client = PrometheusClient(Rollout(prometheus.url, uid).endpoints, threads=2)
        try:
            return await client.read("default", inputs_query(uid, RUN, window=window))
        finally:
            client.close()

    return inputs_seen(RUN, asyncio.run(read()))


@pytest.mark.prometheus
@pytest.mark.parametrize(("amount", "drifted"), [(0.0, []), (4.0, ["log_amount"])])
def test_what_all_processes_counted_in_the_window_is_compared_with_the_evaluation(prometheus, uid, amount, drifted):
    now = time.time()
    servers = [Asked(uid, "a"), Asked(uid, "b")]
    minutes = [now - 6 * HOUR + 60 * at for at in range(359)]
    prometheus.write(written(servers, minutes, each=10, amount=amount))
    seen = look(prometheus, uid)
    assert seen.is_settled
    assert seen.reference == BINS.reference
    assert sum(seen.current["log_amount"].values()) == pytest.approx(2 * 10 * 358, rel=0.01)
    assert seen.current["new_merchants"]["new"] == pytest.approx(2 * 358, rel=0.01)
    assert [feature for feature, one in differences(seen).items() if has_drifted(one)] == drifted


@pytest.mark.prometheus
def test_processes_that_have_ended_are_counted_and_two_replicas_are_one(prometheus, uid):
    now = time.time()
    ended, goes_on = Asked(uid, "a"), Asked(uid, "b")
    prometheus.write(written([ended], [now - 5 * HOUR + 60 * at for at in range(121)], each=5))
    of_b = written([goes_on], [now - 3 * HOUR + 60 * at for at in range(179)], each=5)
    prometheus.write(of_b)
    prometheus.write({(*labels, ("prometheus", "other")): found for labels, found in of_b.items()})
    seen = look(prometheus, uid)
    assert sum(seen.current["log_amount"].values()) == pytest.approx(5 * (120 + 178), rel=0.01)


@pytest.mark.prometheus
def test_a_run_that_is_asked_since_shortly_is_not_settled_and_an_older_server_has_no_reference(prometheus, uid):
    now = time.time()
    prometheus.write(written([Asked(uid, "a")], [now - 1200 + 60 * at for at in range(19)], each=99))
    seen = look(prometheus, uid, window=timedelta(hours=14))
    assert not seen.is_settled
    assert seen.reference
    assert look(prometheus, f"{uid}-of-an-older-server").reference == {}
