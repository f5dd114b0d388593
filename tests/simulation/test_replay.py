"""Recorded counts as a source: a stage counts from its beginning, a share is a share, and a gap is no data."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from serin_core.counting.reading import Unreadable
from serin_simulation.replay import Entry, Record, RecordError, ReplaySource

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GAP = timedelta(minutes=2)


def record(*counts, every=60, keys=("errors", "agreement")):
    return Record(tuple(Entry(1000 + every * k, dict.fromkeys(keys, pair)) for k, pair in enumerate(counts)), GAP)


def after(minutes):
    return NOW + timedelta(minutes=minutes)


def test_a_stage_counts_what_was_made_since_it_began():
    tap = ReplaySource(record((100, 100), (150, 160), (190, 210)), Random(1), first=NOW)
    tap.begin(0, after(1))
    assert tap.read(after(2)) == {"errors": (40, 50), "agreement": (40, 50)}


def test_a_canary_sees_its_share_and_both_arms_are_seen_whole():
    tap = ReplaySource(record((0, 0), (90_000, 100_000)), Random(1), first=NOW)
    tap.begin(10, NOW)
    found = tap.read(after(1))
    assert found["agreement"] == (90_000, 100_000)
    assert found["errors"][1] == pytest.approx(10_000, rel=0.05)
    assert found["errors"][0] / found["errors"][1] == pytest.approx(0.9, abs=0.02)


def test_a_gap_and_the_end_are_no_data():
    tap = ReplaySource(record((1, 1), (2, 2), every=600), Random(1), first=NOW)
    tap.begin(0, NOW)
    assert not isinstance(tap.read(after(1)), Unreadable)
    assert isinstance(tap.read(after(5)), Unreadable)
    assert not isinstance(tap.read(after(11)), Unreadable)
    assert isinstance(tap.read(after(15)), Unreadable)


@pytest.mark.parametrize("counts", [[(5, 10), (4, 12)], [(5, 10), (6, 10)], [(11, 10)], []])
def test_what_is_no_count_is_refused(counts):
    with pytest.raises(RecordError):
        record(*counts)
