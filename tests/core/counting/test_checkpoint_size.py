"""A checkpoint that would be too large is summed up, and what is counted stays the same."""

import json
import random
import re
import zlib
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from serin_core.api.custom_gates import CustomGate
from serin_core.api.gate_status import Checkpoint, OwnCounts, OwnSeries, ProcessCounts
from serin_core.counting.checkpoint_size import MAX_BYTES, fitted, smallest
from serin_core.counting.custom_counters import Samples, counters_of, custom_key
from serin_core.counting.custom_gates import InstantQuery, count_custom_gate
from serin_core.counting.server_counters import ENDED, StageCounts
from serin_core.counting.stage_query import Series, StageQuery

GATE = CustomGate(name="orders", good="good_total", total="all_total", at_least=0.9)
BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCRAPE = 15
RANDOM = random.Random(1)


class Prometheus:
    """Series of one instance each, with the samples of every scrape; answers the queries of a custom gate."""

    def __init__(self):
        self.series = {}

    def scrape(self, at, metric, instance, value):
        self.series.setdefault((metric, instance), []).append((at, value))

    def answer(self, query):
        if isinstance(query, InstantQuery):
            metric, seconds, at = re.fullmatch(r"last_over_time\((\w+)\[(\d+)s\] @ ([\d.]+)\)", query.text).groups()
            until, back = float(at), float(seconds)
        else:
            metric, seconds = re.fullmatch(r"(\w+)\[(\d+)s\]", query.text).groups()
            until, back = query.at, float(seconds)
        found = []
        for (name, instance), samples in self.series.items():
            values = tuple((at, value) for at, value in samples if until - back < at <= until)
            labels = {"__name__": name, "instance": instance}
            if name == metric and values:
                is_instant = isinstance(query, InstantQuery)
                found.append(Series(labels, values[-1][1]) if is_instant else Samples(labels, values))
        return found

    def count(self, checkpoint, at):
        stage = StageQuery(
            uid="u", run_id="r", stage=1, percent=10, gates=(), started_at=BEGAN, checkpoint=checkpoint,
            interval=timedelta(seconds=30),
        )  # fmt: skip
        now = datetime.fromtimestamp(at, UTC)
        counting = count_custom_gate(counters_of(GATE)[0], stage, at=at, now=now)
        queries = next(counting)
        while True:
            try:
                queries = counting.send(tuple(map(self.answer, queries)))
            except StopIteration as end:
                return end.value


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), min_size=3, max_size=3),
        min_size=20,
        max_size=60,
    ),
    st.lists(st.integers(5, 15), min_size=1, max_size=6),
)
def test_sums_count_the_same_as_series_that_are_followed_one_by_one(scrapes, pauses):
    """Three instances sell and restart; every few scrapes the counts are read and kept in one of two ways."""
    prometheus, values = Prometheus(), [[100, 120] for _ in range(3)]
    pauses, read_at = list(pauses), pauses[0]
    kept, summed = None, None
    start = BEGAN.timestamp() - 60
    for number, scrape in enumerate(scrapes):
        at = start + SCRAPE * number
        for instance, (good, bad, restarts) in enumerate(scrape):
            if restarts and number % 7 == instance:
                values[instance] = [0, 0]
            values[instance][0] += good
            values[instance][1] += good + bad
            prometheus.scrape(at, "good_total", f"i{instance}", values[instance][0])
            prometheus.scrape(at, "all_total", f"i{instance}", values[instance][1])
        if number < read_at or at <= BEGAN.timestamp():
            continue
        read_at = number + pauses[number % len(pauses)]
        now = datetime.fromtimestamp(at + 11, UTC)
        followed, other = prometheus.count(kept, at + 11), prometheus.count(summed, at + 11)
        assert followed.sums == other.sums
        kept = Checkpoint(at=now, own={custom_key(GATE): followed})
        summed = Checkpoint(at=now, own={custom_key(GATE): other.summed_up()})
        assert summed.own[custom_key(GATE)].total == {}


def test_a_new_series_counts_from_zero_and_an_old_one_from_its_last_sample_also_after_summing_up():
    prometheus, start = Prometheus(), BEGAN.timestamp()
    for step in range(-4, 8):
        prometheus.scrape(start + SCRAPE * step, "good_total", "old", 1000 + step)
        prometheus.scrape(start + SCRAPE * step, "all_total", "old", 2000 + 2 * step)
    first = prometheus.count(None, start + SCRAPE * 7 + 11)
    assert first.sums == (7, 14)
    kept = Checkpoint(at=BEGAN, own={custom_key(GATE): first.summed_up()})
    for step in range(8, 20):
        prometheus.scrape(start + SCRAPE * step, "good_total", "old", 1000 + step)
        prometheus.scrape(start + SCRAPE * step, "all_total", "old", 2000 + 2 * step)
        prometheus.scrape(start + SCRAPE * step, "good_total", "new", 5)
        prometheus.scrape(start + SCRAPE * step, "all_total", "new", 6)
    assert prometheus.count(kept, start + SCRAPE * 19 + 11).sums == (19 + 5, 38 + 6)


def test_what_was_counted_before_does_not_become_empty_where_all_series_end():
    counts = OwnCounts(total={"a": OwnSeries(at=1.0, last=3.0, gained=3.0)}).summed_up()
    assert not counts.is_empty
    assert counts.summed_up() == counts
    assert OwnCounts().is_empty
    reading = StageCounts({}, custom={"orders@1": counts})
    assert reading.of_custom("orders@1").total == 3


def series(many):
    def one():
        return OwnSeries(
            at=RANDOM.uniform(1.7e9, 1.8e9), last=RANDOM.randint(0, 10**9), gained=RANDOM.randint(0, 10**7)
        )

    return {f"{RANDOM.getrandbits(48):012x}": one() for _ in range(many)}


def by_process(processes, most):
    return {one: ProcessCounts(good=RANDOM.randint(0, most), total=most) for one in processes}


def size(checkpoint):
    return len(zlib.compress(json.dumps(checkpoint.model_dump(mode="json")).encode(), 9))


def test_a_small_checkpoint_is_not_changed():
    own = {"a@1": OwnCounts(good=series(300), total=series(300))}
    checkpoint = Checkpoint(at=BEGAN, own=own, counts={"errors": by_process(["p"], 5)})
    assert fitted(checkpoint, running=frozenset("p"), ended=ENDED) is checkpoint


def test_the_gates_with_most_series_are_summed_up_and_the_others_are_kept():
    own = {f"g{many}@1": OwnCounts(good=series(many), total=series(many)) for many in (20, 100, 400, 500)}
    own |= {f"h{number}@1": OwnCounts(good=series(500), total=series(500)) for number in range(12)}
    checkpoint = Checkpoint(at=BEGAN, own=own)
    found = fitted(checkpoint, running=frozenset(), ended=ENDED)
    assert size(checkpoint) > 2 * MAX_BYTES
    assert size(found) <= MAX_BYTES
    assert found.own["g20@1"] == own["g20@1"]
    assert {key: counts.sums for key, counts in found.own.items()} == {key: one.sums for key, one in own.items()}


PROCESSES = [f"{RANDOM.getrandbits(64):016x}" for _ in range(200)]


def test_classes_keep_only_processes_that_the_next_check_does_not_read_again():
    *running, gone = PROCESSES
    by_key = {f"perClass/c{number}": by_process(PROCESSES, 1000) for number in range(300)}
    by_key["errors"] = by_process(PROCESSES, 50)
    reading = StageCounts(by_key, seen=frozenset(PROCESSES))
    found = reading.checkpoint(BEGAN, alive=frozenset(running))
    assert size(found) <= MAX_BYTES
    assert set(found.counts["perClass/c7"]) == {gone}
    assert found.counts["errors"] == by_key["errors"]


@pytest.mark.parametrize("alive", [None, frozenset()], ids=["unknown", "none"])
def test_classes_are_bounded_also_where_it_is_not_known_who_runs(alive):
    by_key = {f"perClass/c{number}": by_process([*PROCESSES, ENDED], 1000) for number in range(300)}
    found = StageCounts(by_key, seen=frozenset(PROCESSES)).checkpoint(BEGAN, alive=alive)
    assert size(found) <= MAX_BYTES
    assert all(ENDED in of for of in found.counts.values())


def test_the_smallest_checkpoint_keeps_sums_and_processes():
    own = {"a@1": OwnCounts(good=series(3), total=series(3))}
    counts = {"errors": by_process(PROCESSES, 5), "perClass/c": by_process(["p", ENDED], 5)}
    found = smallest(Checkpoint(at=BEGAN, own=own, counts=counts), ended=ENDED)
    assert found.own["a@1"].sums == own["a@1"].sums
    assert found.own["a@1"].total == {}
    assert found.counts == {"errors": counts["errors"], "perClass/c": {ENDED: counts["perClass/c"][ENDED]}}
