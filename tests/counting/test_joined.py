"""One query for many resources on a real Prometheus: each gets exactly what a query of its own returns."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from counting.looking import Rollout, every
from counting.processes import Server, truth
from counting.prometheus_process import PrometheusProcess
from counting.test_long_stages import READ_BY_GATES, live

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint
from serin_core.contract import names
from serin_core.counting.joined_query import joined_query, packed, shared_out, stage_query
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import NOW, StageQuery
from serin_operator.prometheus_client import PrometheusClient
from serin_operator.stage_reader import StageQuestion, StageReader

MINUTE = 60.0
MOST = 9_000


class Counted:
    """A client that counts its queries."""

    def __init__(self, rollout):
        self.client, self.queries = PrometheusClient(rollout.endpoints, threads=4), []

    async def read(self, endpoint, query, *, limit=None):
        self.queries.append(query)
        return await self.client.read(endpoint, query, limit=limit)


def look_at_all(rollouts):
    """Return what each look finds, all of them at the same time, and the number of queries."""

    async def run():
        client = Counted(rollouts[0])
        reader = StageReader(client)
        now = datetime.now(UTC)
        try:
            asked = [StageQuestion.of(one.resource) for one in rollouts]
            return await asyncio.gather(*(reader.read_counts(one, now) for one in asked)), len(client.queries)
        finally:
            await reader.close()
            client.client.close()

    return asyncio.run(run())


def as_set(series):
    return sorted((sorted(one.labels.items()), one.value) for one in series if NOW not in one.labels)


def a_stage(dice, uid, now, stage):
    at = datetime.fromtimestamp(now - dice.uniform(30, 600), UTC)
    since = at - timedelta(seconds=dice.uniform(200, 700))
    return StageQuery(
        uid=uid,
        run_id="run_aaaaaaaa_1",
        stage=stage,
        percent=dice.choice((0.0, 10.0)),
        gates=tuple(dice.sample(list(GateName), dice.randint(1, len(GateName)))),
        started_at=datetime.fromtimestamp(now - 40 * MINUTE, UTC),
        checkpoint=dice.choice((None, Checkpoint(at=at), Checkpoint(at=at, since=since))),
        interval=timedelta(seconds=dice.choice((30, 30, 60))),
    )


@pytest.mark.prometheus
@pytest.mark.parametrize("seed", range(2))
def test_a_joined_query_shared_out_returns_what_single_queries_return(prometheus, uid, seed):
    dice, now = random.Random(seed), time.time()
    stages = [a_stage(dice, f"{uid}-{number}", now, 2 + number % 3) for number in range(12)]
    for one in stages[1:]:
        for process in range(dice.randint(0, 2)):
            server = Server(one.uid, f"{one.uid}-p{process}", one.stage, random.Random(seed))
            ended = now - dice.choice((0, 0, 100, 250, 700)) - 1
            found = live([server], every(30, since=now - 12 * MINUTE, until=ended))
            lost = dice.choice(("", "", names.FAILURES, names.REQUESTS))
            prometheus.write(
                {
                    labels: [pair for pair in values if pair[0] < now - 5 * MINUTE]
                    if lost == dict(labels)["__name__"]
                    else values
                    for labels, values in found.items()
                }
            )

    async def run():
        client = PrometheusClient(Rollout(prometheus.url, uid).endpoints, threads=4)
        present = datetime.now(UTC)
        groups = packed(stages, expected=lambda _uid: 1)
        try:
            for group in groups:
                joined = shared_out(await client.read("default", joined_query(group, present)), group)
                for one in group:
                    alone = await client.read("default", stage_query(one, present))
                    assert as_set(joined[one.uid]) == as_set(alone)
        finally:
            client.close()
        return groups

    groups = asyncio.run(run())
    assert max(map(len, groups)) > 3


def test_resources_that_are_read_together_have_their_own_counts_and_problems(prometheus, uid):
    """Two that are whole, one whose labels a scrape overwrites, one that nobody scrapes any more."""
    now = time.time()
    began = datetime.fromtimestamp(now - 10 * MINUTE, UTC)
    rollouts = [Rollout(prometheus.url, f"{uid}-{number}", began=began) for number in range(4)]
    servers = [Server(one.uid, f"{one.uid}-p") for one in rollouts]
    for number, (server, last) in enumerate(zip(servers, (0, 0, 0, 5 * MINUTE), strict=True)):
        found = live([server], every(15, since=now - 10 * MINUTE, until=now - last))
        if number == 2:
            found |= changed_check(server, now)
        prometheus.write(found)
    found, queries = look_at_all(rollouts)
    assert queries == 1
    for rollout, server, reading in zip(rollouts[:2], servers, found, strict=False):
        assert rollout.counts(reading) == rollout.wanted(truth([server], canary=True))
    assert 'overwrites the label serin_arm with "east"' in found[2].message
    assert (found[2].reason, found[3].reason) == ("LabelsChanged", "Stale")
    for rollout, reading in zip(rollouts[2:], found[2:], strict=True):
        assert rollout.look() == reading


def changed_check(server, now):
    labels = {label: label for label in names.CHECKED_LABELS} | {names.SERIES_ARM: "east"}
    labels |= {"__name__": names.LABEL_CHECK, names.SERIES_UID: server.uid, names.SERIES_PROCESS: server.process}
    return {tuple(sorted(labels.items())): [(now - 5, 1.0)]}


@pytest.fixture(scope="module")
def small(program, tmp_path_factory):
    """A Prometheus that refuses queries of more samples than a few resources have."""
    made = PrometheusProcess(
        program, tmp_path_factory.mktemp("prometheus") / "small", flags=(f"--query.max-samples={MOST}",)
    )
    yield made
    made.close()


def test_a_resource_with_too_many_series_holds_itself_and_no_other(small, uid):
    now = time.time()
    began = datetime.fromtimestamp(now - 10 * MINUTE, UTC)
    rollouts = [Rollout(small.url, f"{uid}-{number}", began=began, gates={}) for number in range(6)]
    servers = [Server(one.uid, f"{one.uid}-p") for one in rollouts]
    for server in servers:
        small.write(live([server], every(60, since=now - 4 * MINUTE, until=now)))
    times = tuple(every(15, since=now - 9 * MINUTE, until=now))
    for number in range(25):
        crowd = Server(rollouts[3].uid, f"crowd-{number}").series(READ_BY_GATES.__contains__)
        small.write({labels: [(at, value) for at in times] for labels, value in crowd.items()})
    found, queries = look_at_all(rollouts)
    assert found[3].reason == "QueryError"
    assert "too many samples" in found[3].message
    for number in (0, 1, 2, 4, 5):
        assert rollouts[number].counts(found[number]) == rollouts[number].wanted(truth([servers[number]], canary=True))
    assert 2 < queries < 12


def test_more_series_than_a_joined_query_may_return_are_read_in_smaller_ones(prometheus, uid, monkeypatch):
    monkeypatch.setattr("serin_operator.joined_reads.MAX_RETURNED", 150)
    now = time.time()
    began = datetime.fromtimestamp(now - 3 * MINUTE, UTC)
    rollouts = [Rollout(prometheus.url, f"{uid}-{number}", began=began) for number in range(5)]
    servers = [Server(one.uid, f"{one.uid}-p") for one in rollouts]
    for server in servers:
        prometheus.write(live([server], every(15, since=now - 2 * MINUTE, until=now)))
    found, queries = look_at_all(rollouts)
    assert queries > 1
    for rollout, server, reading in zip(rollouts, servers, found, strict=True):
        assert not isinstance(reading, Unreadable)
        assert rollout.counts(reading) == rollout.wanted(truth([server], canary=True))
