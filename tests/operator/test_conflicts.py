"""Conflicts that never end are reported once, and forgotten when a pass succeeds."""

import asyncio
from datetime import timedelta

from memory_cluster import KEY, NOW, MemoryCluster, posted_events, reconciler

from serin_operator.conflicts import REPORTED_AFTER
from serin_operator.interfaces import ConflictError


def run(cluster, minutes_of_conflicts):
    """Reconcile every ten seconds, first with conflicts of the status, then without."""
    clock = [NOW]
    made = reconciler(cluster, clock=lambda: clock[0])
    cluster.fail["status", "any"] = ConflictError("PUT status: the object has been modified")
    events = []
    for _ in range(int(minutes_of_conflicts * 6)):
        asyncio.run(made.reconcile(KEY))
        events.append(posted_events(cluster).get("WritesConflict"))
        clock[0] += timedelta(seconds=10)
    return made, clock, events


def test_conflicts_that_last_are_reported_once_within_a_minute_with_their_cause():
    cluster = MemoryCluster()
    _, _, events = run(cluster, 3)
    first = events.index(next(filter(None, events)))
    assert REPORTED_AFTER <= timedelta(seconds=10 * first) <= timedelta(minutes=1)
    assert "Writes have conflicted since 00:00:00 UTC" in events[-1]
    assert "the object has been modified" in events[-1]
    created = [name for what, name in cluster.writes if what == "create Event"]
    assert len(created) == 1


def test_a_few_conflicts_are_nothing_to_report_and_a_success_starts_the_clock_again():
    cluster = MemoryCluster()
    made, clock, events = run(cluster, 0.4)
    cluster.fail.clear()
    asyncio.run(made.reconcile(KEY))
    cluster.fail["status", "any"] = ConflictError("again")
    for _ in range(2):
        clock[0] += timedelta(seconds=10)
        asyncio.run(made.reconcile(KEY))
    assert not any(events)
    assert "WritesConflict" not in posted_events(cluster)
