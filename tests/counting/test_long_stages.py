"""Stages of hours and weeks, written at once: checkpoints, retention, an operator that was away, replicas that lag."""

import itertools
import json
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from counting.looking import Rollout, every
from counting.processes import Server, truth

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint, ProcessCounts
from serin_core.contract import names
from serin_core.counting.joined_query import stage_query
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import ENDED, StageCounts
from serin_core.counting.stage_query import StageQuery

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
READ_BY_GATES = (
    names.REQUESTS,
    names.FAILURES,
    f"{names.LATENCY}_bucket",
    f"{names.LATENCY}_count",
    names.USERS_COMPARE,
    names.CLASS_COMPARE,
    names.CONFIDENT,
    names.LOW_CONFIDENCE,
    names.FALLBACK,
    names.PREDICTIONS,
    names.FEEDBACK,
)


@pytest.fixture
def now():
    return time.time()


def begin(prometheus, uid, *, ago, now, **changes):
    return Rollout(prometheus.url, uid, began=datetime.fromtimestamp(now - ago, UTC), **changes)


def live(servers, times, *, answers=3):
    """What the processes say at each of these times, having counted some more before each."""
    found = defaultdict(list)
    for at in times:
        for server in servers:
            server.answer(answers)
            for labels, value in server.series(lambda name: name in READ_BY_GATES).items():
                found[labels].append((at, value))
    return found


def assert_exact(rollout, servers, **look):
    reading = rollout.look(**look)
    assert rollout.counts(reading) == rollout.wanted(truth(servers, canary=True))
    return reading


@pytest.mark.prometheus
def test_a_stage_longer_than_the_retention_is_carried_by_its_checkpoint(prometheus, uid, now):
    rollout = begin(prometheus, uid, ago=4 * HOUR, now=now)
    early, late = Server(uid, "early"), Server(uid, "late")
    prometheus.write(live([early], every(5 * MINUTE, since=now - 4 * HOUR, until=now - 3 * MINUTE)))
    prometheus.write(live([late], every(15, since=now - 10 * MINUTE, until=now)))
    assert_exact(rollout, [early, late], keep=True)
    prometheus.forget(f'{{serin_uid="{uid}"}}', until=now - 1)
    assert_exact(rollout, [early, late], keep=True)
    late.answer(9)
    prometheus.write(live([late], [time.time()]))
    assert_exact(rollout, [early, late])


def test_an_operator_that_was_down_for_an_hour_finds_all_that_was_counted_meanwhile(prometheus, uid, now):
    rollout = begin(prometheus, uid, ago=2 * HOUR, now=now)
    before, meanwhile, still = (Server(uid, process) for process in ("before", "meanwhile", "still"))
    down_since = now - HOUR
    prometheus.write(live([before], every(30, since=now - 2 * HOUR, until=down_since)))
    kept = {
        key: {"before": ProcessCounts(good=counts.good, total=counts.total)}
        for key, counts in rollout.wanted(truth([before], canary=True)).items()
    }
    rollout.checkpoint = Checkpoint(at=datetime.fromtimestamp(down_since, UTC), counts=kept)
    prometheus.write(live([before], every(30, since=down_since + 30, until=now - 50 * MINUTE)))
    prometheus.write(live([meanwhile], every(30, since=now - 50 * MINUTE, until=now - 20 * MINUTE)))
    prometheus.write(live([still], every(30, since=now - 20 * MINUTE, until=now)))
    assert_exact(rollout, [before, meanwhile, still])


def test_counts_of_two_replicas_that_answer_in_turn_never_fall_once_kept_and_end_equal(
    prometheus, second, in_turn, uid, now
):
    rollout = begin(prometheus, uid, ago=HOUR, now=now)
    rollout.url = in_turn
    servers = [Server(uid, "ended"), Server(uid, "still")]
    times = list(every(15, since=now - 10 * MINUTE, until=now - 80))
    first, rest = live(servers[:1], times), live(servers[1:], times)
    for replica in (prometheus, second):
        replica.write(first)
        replica.write(rest)
    seen = []
    waiting = []
    for step in range(8):
        # The ended one counts a last time; only the first replica hears of it before it is gone.
        found = live(servers if step == 0 else servers[1:], [now - 80 + 10 * (step + 1)])
        prometheus.write(found)
        waiting.append(found)
        if step >= 3:
            second.write(waiting[step - 3])
        seen.append(rollout.counts(rollout.look(keep=True)))
    for earlier, later in itertools.pairwise(seen):
        assert earlier.keys() <= later.keys()
        for key, counts in earlier.items():
            assert counts.total <= later[key].total
            assert counts.good <= later[key].good
    for found in waiting[-3:]:
        second.write(found)
    for _ in range(2):
        assert_exact(rollout, servers, keep=True)


@pytest.mark.parametrize("lag", [3, 15], ids=["minutes", "a quarter of an hour"])
def test_a_process_that_ended_while_the_replica_asked_was_behind_is_found_at_the_next_look(
    prometheus, second, uid, now, lag
):
    """A look every five minutes may rest on samples twenty minutes old; so far must the next one reach back."""
    rollout = begin(second, uid, ago=HOUR, now=now, interval="5m")
    ended, still = Server(uid, "ended"), Server(uid, "still")
    known = every(MINUTE, since=now - 30 * MINUTE, until=now - lag * MINUTE - 30)
    for found in (live([ended, still], known),):
        prometheus.write(found)
        second.write(found)
    assert_exact(rollout, [ended, still], keep=True)
    prometheus.write(live([ended, still], [now - lag * MINUTE]))
    prometheus.write(live([still], every(MINUTE, since=now - (lag - 1) * MINUTE, until=now)))
    rollout.url = prometheus.url
    assert_exact(rollout, [ended, still])


def test_a_hundred_processes_that_have_ended_are_added_up_in_a_checkpoint_that_does_not_grow(prometheus, uid, now):
    rollout = begin(prometheus, uid, ago=DAY, now=now, gates={"perClass": {}})
    ended = [Server(uid, f"{number:016x}") for number in range(100)]
    for server in ended:
        server.answer(5)
        server.text()
    counts = defaultdict(dict)
    for server in ended:
        for key, one in rollout.wanted(truth([server], canary=True)).items():
            counts[key][server.process] = ProcessCounts(good=one.good, total=one.total)
    rollout.checkpoint = Checkpoint(at=datetime.fromtimestamp(now - 5 * MINUTE, UTC), counts=counts)
    just_ended, still = Server(uid, "just-ended"), Server(uid, "still")
    prometheus.write(live([just_ended], every(15, since=now - 6 * MINUTE, until=now - 5 * MINUTE)))
    prometheus.write(live([still], every(15, since=now - 6 * MINUTE, until=now)))
    servers = [*ended, just_ended, still]
    before = len(rollout.checkpoint.model_dump_json())
    assert_exact(rollout, servers, keep=True, alive=["still"])
    assert {*rollout.checkpoint.counts["availability"]} == {ENDED, "just-ended", "still"}
    assert len(rollout.checkpoint.model_dump_json()) < before / 20
    still.answer(9)
    prometheus.write(live([still], [time.time()]))
    assert_exact(rollout, servers, keep=True, alive=["still"])
    rollout.interval = "5m"
    assert_exact(rollout, servers, keep=True, alive=["still"])


def samples_read(prometheus, query):
    asked = urllib.parse.urlencode({"query": query, "stats": "all"}).encode()
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/query", asked) as answer:  # noqa: S310
        return json.load(answer)["data"]["stats"]["samples"]["totalQueryableSamples"]


@pytest.mark.prometheus
def test_a_look_at_a_stage_of_fourteen_days_and_ten_pods_reads_minutes_of_it(prometheus, uid, now, record_property):
    rollout = begin(prometheus, uid, ago=14 * DAY, now=now, gates={"perClass": {}})
    servers = [Server(uid, f"process-{number}") for number in range(10)]
    prometheus.write(live(servers, every(12 * HOUR, since=now - 14 * DAY, until=now - 5 * HOUR), answers=1))
    prometheus.write(live(servers, every(30, since=now - 12 * MINUTE, until=now), answers=1))
    assert_exact(rollout, servers, keep=True)
    # The operator keeps a checkpoint every five minutes.
    rollout.checkpoint = rollout.checkpoint.model_copy(update={"at": datetime.fromtimestamp(now - 5 * MINUTE, UTC)})
    began = time.perf_counter()
    assert_exact(rollout, servers)
    seconds = time.perf_counter() - began
    asked = StageQuery(
        uid=uid,
        run_id=rollout.run_id,
        stage=rollout.stage,
        percent=rollout.percent,
        gates=tuple(GateName),
        started_at=rollout.began,
        checkpoint=rollout.checkpoint,
        interval=timedelta(seconds=30),
    )
    present = datetime.fromtimestamp(time.time(), UTC)
    of_one_look = samples_read(prometheus, stage_query(asked, present))
    scrapes = 2 * (5 + 2 + 1) + 2 * 2 + 6
    series = sum(len(server.series(lambda name: name in READ_BY_GATES)) for server in servers)
    whole = replace(asked, checkpoint=None)
    of_the_whole = samples_read(prometheus, stage_query(whole, present))
    told = f"{seconds:.3f} s and {of_one_look} samples for one look; {of_the_whole} samples without a checkpoint"
    record_property("cost", told)
    print(told)  # noqa: T201
    # Half of the series are read; at 60 steps it is seen, twice, whether each metric is there.
    assert 0 < of_one_look <= (scrapes + 2 * 61) * series // 2


def test_pods_that_nobody_scrapes_any_more_are_stale_and_counted_again_when_they_are_back(prometheus, uid, now):
    rollout = begin(prometheus, uid, ago=HOUR, now=now)
    servers = [Server(uid, "ended"), Server(uid, "lost")]
    prometheus.write(live(servers, every(5 * MINUTE, since=now - HOUR, until=now - 5 * MINUTE)))
    assert rollout.look(keep=True) == Unreadable(
        "Stale",
        "Prometheus has no fresh sample of this stage; it may not scrape the pods any more: it needs a job for their "
        "annotation prometheus.io/scrape, or must select their PodMonitor (docs/prometheus.md)",
    )
    prometheus.write(live(servers[1:], [now]))
    assert isinstance(assert_exact(rollout, servers), StageCounts)


def test_a_metric_of_serins_own_that_is_renamed_is_missing_and_the_other_gates_count_on(prometheus, uid, now):
    rollout = begin(prometheus, uid, ago=HOUR, now=now)
    server = Server(uid, "p")
    prometheus.write(live([server], every(30, since=now - HOUR, until=now - 10 * MINUTE)))
    before = rollout.wanted(truth([server], canary=True))
    kept = {key: {"p": ProcessCounts(good=one.good, total=one.total)} for key, one in before.items()}
    rollout.checkpoint = Checkpoint(at=datetime.fromtimestamp(now - 5 * MINUTE, UTC), counts=kept)
    found = live([server], every(30, since=now - 9 * MINUTE, until=now))
    renamed = {
        tuple((key, value.replace(names.FAILURES, "failures")) for key, value in labels): samples
        for labels, samples in found.items()
    }
    prometheus.write(renamed)
    counts = rollout.counts(rollout.look(keep=True))
    for key, wanted in rollout.wanted(truth([server], canary=True)).items():
        if key in ("errors", "lowConfidence"):
            assert counts[key].reason == "SeriesMissing"
        else:
            assert counts[key] == wanted
    assert rollout.checkpoint.counts["errors"] == kept["errors"]


def test_a_metric_that_was_renamed_stands_still_beside_none_that_moves_though_its_process_has_ended(
    prometheus, uid, now
):
    """All of it within the time that one look reads: the old name, the new one, and the end of the process."""
    rollout = begin(prometheus, uid, ago=HOUR, now=now)
    ended, still = Server(uid, "ended"), Server(uid, "still")
    prometheus.write(live([ended], every(30, since=now - 20 * MINUTE, until=now - 8 * MINUTE)))
    before = {
        key: {"ended": ProcessCounts(good=counts.good, total=counts.total)}
        for key, counts in rollout.wanted(truth([ended], canary=True)).items()
    }
    rollout.checkpoint = Checkpoint(at=datetime.fromtimestamp(now - 5 * MINUTE, UTC), counts=before)
    found = live([ended], every(30, since=now - 7.5 * MINUTE, until=now - 6 * MINUTE))
    prometheus.write({labels: values for labels, values in found.items() if ("__name__", names.FAILURES) not in labels})
    prometheus.write(live([still], every(30, since=now - 5.5 * MINUTE, until=now)))
    reading = rollout.look(keep=True)
    assert rollout.counts(reading)["errors"].reason == "SeriesMissing"
    assert rollout.checkpoint.counts["errors"]["ended"] == before["errors"]["ended"]
    everything = rollout.wanted(truth([ended, still], canary=True))
    assert rollout.counts(reading)["latency"] == everything["latency"]
