"""Scraped from a script by a real Prometheus: what the operator counts is what was scraped last."""

from datetime import UTC, datetime, timedelta

import pytest
from counting.exporter import PLACES, TWIN
from counting.looking import Rollout
from counting.processes import Server, truth

from serin_core.contract import names
from serin_core.counting.actual_share import actual_share
from serin_core.counting.reading import Unreadable
from serin_server.metrics.counters import Agree, Arm

BOTH = ((True, False), (True,))
COMPARED = (Agree.TRUE, Agree.FALSE)


@pytest.fixture
def rollout(prometheus, uid):
    return Rollout(prometheus.url, uid)


def assert_exact(rollout, servers, **look):
    reading = rollout.look(**look)
    assert rollout.counts(reading) == rollout.wanted(truth(servers, canary=rollout.percent > 0))


def serve(pods, place, server):
    pods[place] = server.text
    return server


def fails():
    raise OSError


@pytest.mark.parametrize("percent", [0.0, 10.0], ids=["in the shadow", "in the canary"])
def test_two_processes_are_counted_together_by_every_gate(rollout, exporter, pods, percent):
    rollout.percent = percent
    servers = [serve(pods, place, Server(rollout.uid, place)) for place in PLACES[:2]]
    for server in servers:
        server.answer(60)
    exporter.scraped(*PLACES[:2])
    assert_exact(rollout, servers)


def test_the_actual_share_is_what_the_processes_served(rollout, exporter, pods):
    before = serve(pods, PLACES[0], Server(rollout.uid, "before"))
    before.answer(50)
    exporter.scraped(PLACES[0])
    rollout.look(keep=True)
    after = serve(pods, PLACES[0], Server(rollout.uid, "after"))
    after.answer(70)
    exporter.scraped(PLACES[0])
    found = actual_share(rollout.look(), wanted=10.0)
    arms = [arm for server in (before, after) for arm in server.seen.arms.items()]
    total, shown = (sum(sum(counts.predictions[one] for one in ones) for _, counts in arms) for ones in BOTH)
    users = {name: sum(counts.users[one] for arm, counts in arms if arm == name for one in COMPARED) for name in Arm}
    assert (found.counted_requests, found.requests) == (total, round(100 * shown / total, 2))
    assert (found.counted_users, found.users) == (
        sum(users.values()),
        round(100 * users[Arm.CANARY] / sum(users.values()), 2),
    )


def test_a_process_that_restarts_is_counted_before_and_after(rollout, exporter, pods):
    before = serve(pods, PLACES[0], Server(rollout.uid, "before"))
    before.answer(50)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [before], keep=True)
    before.answer(10)
    exporter.scraped(PLACES[0])
    after = serve(pods, PLACES[0], Server(rollout.uid, "after"))
    after.answer(7)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [before, after], keep=True)
    assert_exact(rollout, [before, after])


def test_what_a_process_counted_after_its_last_scrape_is_lost_and_nothing_else(rollout, exporter, pods):
    server = serve(pods, PLACES[0], Server(rollout.uid, "killed"))
    server.answer(50)
    exporter.scraped(PLACES[0])
    del pods[PLACES[0]]
    server.answer(500)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [server])


def test_pods_come_and_go_and_none_is_forgotten_or_counted_twice(rollout, exporter, pods):
    servers = []
    for turn, place in enumerate((*PLACES[:3], PLACES[0], PLACES[2])):
        servers.append(serve(pods, place, Server(rollout.uid, f"process-{turn}")))
        servers[-1].answer(20 + turn)
        exporter.scraped(place)
        if turn == 1:
            del pods[PLACES[1]]
            exporter.scraped(PLACES[1], times=2)
        assert_exact(rollout, servers, keep=turn % 2 == 0)


def test_a_rolling_update_in_mid_stage_leaves_the_sum_of_the_old_and_the_new(rollout, exporter, pods):
    old = [serve(pods, place, Server(rollout.uid, f"old-{place}")) for place in PLACES[:3]]
    for server in old:
        server.answer(40)
    exporter.scraped(*PLACES[:3])
    assert_exact(rollout, old, keep=True)
    servers = list(old)
    for place in PLACES[:3]:
        servers.append(serve(pods, PLACES[3], Server(rollout.uid, f"new-{place}")))
        servers[-1].answer(15)
        exporter.scraped(*PLACES[:4])
        pods[place] = pods.pop(PLACES[3])
        exporter.scraped(place)
        assert_exact(rollout, servers)


@pytest.mark.parametrize("missed", [fails, lambda: b"<html>busy</html>"], ids=["answers 500", "answers HTML"])
def test_a_scrape_that_was_missed_costs_nothing(rollout, exporter, pods, missed):
    server = serve(pods, PLACES[0], Server(rollout.uid, "steady"))
    server.answer(30)
    exporter.scraped(PLACES[0])
    pods[PLACES[0]] = missed
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [server], keep=True)
    server.answer(5)
    serve(pods, PLACES[0], server)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [server])


METRICS = {
    names.FAILURES: {"errors", "lowConfidence"},
    names.REQUESTS: {"availability", "errors", "lowConfidence"},
    f"{names.LATENCY}_bucket": {"latency"},
    f"{names.LATENCY}_count": {"latency"},
    names.USERS_COMPARE: {"agreement"},
    names.CLASS_COMPARE: {"perClass"},
    names.CONFIDENT: {"acceptedRatio"},
    names.LOW_CONFIDENCE: {"lowConfidence"},
    names.FEEDBACK: {"feedback"},
    names.FALLBACK: {"fallback"},
    names.PREDICTIONS: {"fallback"},
}


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_renamed_in_mid_stage_is_missing_from_the_next_scrape_on(rollout, exporter, pods, metric):
    """Its last value is there for minutes yet; beside others that have moved since it would tell of a better model."""
    server = serve(pods, PLACES[0], Server(rollout.uid, "steady"))
    server.answer(30)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [server], keep=True)
    known = rollout.checkpoint.counts
    pods[PLACES[0]] = lambda: server.text().replace(metric.encode(), b"renamed_total")
    server.answer(30)
    exporter.scraped(PLACES[0])
    counts = rollout.counts(rollout.look(keep=True))
    affected = METRICS[metric]
    wanted = rollout.wanted(truth([server], canary=True))
    for key, found in counts.items():
        if key.partition("/")[0] in affected:
            assert found.reason in ("SeriesMissing", "BucketMissing")
        else:
            assert found == wanted[key]
    assert {key.partition("/")[0] for key in counts} == {key.partition("/")[0] for key in wanted}
    for key, kept in rollout.checkpoint.counts.items():
        if key.partition("/")[0] in affected:
            assert kept == known[key]


def test_one_process_seen_through_two_external_labels_is_one(rollout, exporter, pods):
    server = serve(pods, TWIN, Server(rollout.uid, "twin"))
    server.answer(80)
    exporter.scraped(TWIN, times=6)
    assert_exact(rollout, [server])
    assert rollout.look().of("availability").total > 0


@pytest.mark.parametrize("minutes", [-20, -3, 3, 20])
def test_the_operators_clock_may_be_askew(rollout, exporter, pods, minutes):
    rollout.skew = timedelta(minutes=minutes)
    server = serve(pods, PLACES[0], Server(rollout.uid, "steady"))
    server.answer(30)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [server], keep=True)
    server.answer(30)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [server])


@pytest.fixture
def taken_over(rollout, exporter, pods):
    """A stage and a checkpoint dated by one operator, and a process that has ended and one that has begun since."""
    ended = serve(pods, PLACES[0], Server(rollout.uid, "ended"))
    ended.answer(30)
    exporter.scraped(PLACES[0])
    assert_exact(rollout, [ended], keep=True)
    ended.answer(30)
    exporter.scraped(PLACES[0])
    server = serve(pods, PLACES[0], Server(rollout.uid, "next"))
    server.answer(30)
    exporter.scraped(PLACES[0])
    return [ended, server]


def test_an_operator_that_takes_over_with_a_clock_ahead_counts_the_same(rollout, taken_over):
    assert_exact(rollout, taken_over, now=datetime.now(UTC) + timedelta(minutes=20))


def test_an_operator_that_takes_over_with_a_clock_behind_does_not_know_how_far_to_reach_back(rollout, taken_over):
    reading = rollout.look(now=datetime.now(UTC) - timedelta(minutes=20))
    assert isinstance(reading, Unreadable)
    assert reading.reason == "ClockBehind"


def test_users_that_each_process_counts_for_itself_are_shared_out(rollout, exporter, pods):
    rollout.is_shared = False
    servers = [serve(pods, place, Server(rollout.uid, place)) for place in PLACES[:2]]
    for server in servers:
        server.answer(60)
    exporter.scraped(*PLACES[:2])
    whole = truth(servers, canary=True)["agreement"]
    found = rollout.look().of("agreement")
    assert (found.good, found.total) == (whole.good / 2, whole.total / 2)
