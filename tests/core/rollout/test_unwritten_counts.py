"""Which statuses wait to be written because only counts have grown, for how long, and what is decided meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from models.parts import spec
from models.starting import A, has_percent, has_phase, new_world

from serin_core.api.actual_share import ActualShare
from serin_core.api.gate_status import Checkpoint, CountsAt, GateMemory, GateStatus, LateHarm
from serin_core.api.query_status import QueryStatus
from serin_core.api.resource import Resource, Unwritten
from serin_core.api.status import Condition, HistoryEntry, Phase, Propagation, Status
from serin_core.evidence.counts import Verdict
from serin_core.rollout.unwritten_counts import WRITE_CHECKPOINT_EVERY, WRITE_COUNTS_EVERY, Kept, unwritten

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = timedelta(seconds=30)
GATE = GateStatus(name="errors", at_least=0.99, good=990, total=1000, lower=0.98, upper=0.995, reason="NotProven")
WRITTEN = Status(
    gates=(GATE,),
    memory={"errors": GateMemory(bound="AtLeast(0.99)", good=990, total=1000, checks=3)},
    checkpoint=Checkpoint(at=NOW),
    actual_share=ActualShare(wanted=10.0, users=10.0, requests=9.0),
)


def resource_with(status, since=None):
    held = None if since is None else Unwritten(WRITTEN, since)
    return Resource("default", "categories", "uid-1", 1, "1", spec(A), status, unwritten=held)


def waits(status, *, before=WRITTEN, since=None, now=NOW, next_check=LOOK):
    return unwritten(resource_with(before, since), status, now=now, next_check=next_check)


def with_gate(**changes):
    return WRITTEN.changed(gates=(GATE.model_copy(update=changes),))


def with_memory(**changes):
    return WRITTEN.changed(memory={"errors": WRITTEN.memory["errors"].model_copy(update=changes)})


MORE = with_gate(good=1089, total=1100, estimate=0.99, lower=0.981, upper=0.994, needed=300)


@pytest.mark.parametrize(
    "status",
    [
        MORE,
        with_gate(detail="worst class: Dining"),
        with_gate(late_harm=LateHarm(check=2, good=1, total=2)),
        with_memory(good=1089, total=1100, checks=4, starts=(CountsAt(check=1, good=0, total=0),)),
        with_memory(log_ratios=(0.5,)),
        WRITTEN.changed(checkpoint=Checkpoint(at=NOW + LOOK)),
        WRITTEN.changed(actual_share=ActualShare(wanted=10.0, users=11.0, requests=9.0)),
    ],
)
def test_a_status_with_newer_counts_waits(status):
    assert waits(status) == Unwritten(WRITTEN, NOW)


@pytest.mark.parametrize(
    "status",
    [
        with_gate(verdict=Verdict.PASS),
        with_gate(reason="Proven"),
        with_gate(at_least=0.98),
        with_gate(good=None, total=None),
        with_gate(good=0, total=0),
        with_gate(query=QueryStatus(query="up", held_for=60)),
        WRITTEN.changed(gates=()),
        with_memory(bound="AtLeast(0.98)"),
        with_memory(edits=1),
        with_memory(judged_by="Alphas(0.01)"),
        with_memory(zero=CountsAt(check=1, good=1, total=1)),
        WRITTEN.changed(memory={}),
        WRITTEN.changed(checkpoint=None),
        WRITTEN.changed(actual_share=None),
        WRITTEN.changed(no_data_since=NOW),
        WRITTEN.changed(phase=Phase.CANARY),
        WRITTEN.changed(propagation=Propagation(revision=1)),
        WRITTEN.changed(conditions=(Condition(type="Ready", status="True", reason="R", last_transition_time=NOW),)),
        WRITTEN.changed(history=(HistoryEntry(at=NOW, event="Paused", message="m"),)),
        WRITTEN,
    ],
)
def test_anything_else_is_written_at_once_also_together_with_counts(status):
    assert waits(status) is None
    assert waits(MORE.changed(replicas=7)) is None


def test_every_field_that_may_wait_is_a_count():
    """A field that is added to the status is written at once until somebody decides otherwise."""
    changed = {name for name in Status.model_fields if name not in {"gates", "memory", "checkpoint", "actual_share"}}
    for name in changed:
        other = WRITTEN.model_copy(update={name: object()})
        assert waits(other) is None, name


def test_counts_in_the_cluster_are_never_older_than_two_minutes_and_of_long_intervals_none_waits():
    looks, since = [], None
    for number in range(1, 11):
        found = waits(MORE, before=MORE if since else WRITTEN, since=since, now=NOW + number * LOOK)
        looks.append(found is None)
        since = None if found is None else found.since
    assert [number for number, is_written in enumerate(looks, 1) if is_written] == [5, 10]
    assert waits(MORE, next_check=WRITE_COUNTS_EVERY + timedelta(seconds=1)) is None


def test_without_news_the_time_of_the_checkpoint_is_written_once_an_hour():
    moved = WRITTEN.changed(checkpoint=Checkpoint(at=NOW + WRITE_CHECKPOINT_EVERY))
    assert waits(moved, since=NOW, now=NOW + WRITE_CHECKPOINT_EVERY - LOOK) is not None
    assert waits(moved, since=NOW, now=NOW + WRITE_CHECKPOINT_EVERY) is None
    assert waits(MORE, since=NOW, now=NOW + WRITE_CHECKPOINT_EVERY - LOOK) is None


def test_what_was_kept_is_taken_only_over_the_status_that_it_was_made_from():
    kept = Kept("uid-1", MORE, Unwritten(WRITTEN, NOW))
    read = resource_with(WRITTEN)
    assert kept.over(read).status == MORE
    assert kept.over(read).written == WRITTEN
    assert kept.over(replace(read, status=WRITTEN.model_copy())).status == MORE
    for other in (replace(read, uid="uid-2"), replace(read, status=WRITTEN.changed(replicas=3))):
        assert kept.over(other) == other
        assert kept.over(other).written == other.status


@pytest.fixture
def at():
    """A rollout at 10 % that waits for its soak, with all counts written."""
    world = new_world(canary={"shadowSoak": "1s", "steps": [{"percent": 10, "soak": "1h"}]})
    world.settle(until=has_percent(10))
    world.settle(rounds=10)
    return world


def count(at, *, more=1.0):
    at.more += more
    at.tick(1)
    at.whole_pass(at.operators[0])


def totals(status):
    return {gate.total for gate in status.gates}


def test_a_rollout_decides_on_counts_that_are_not_written(at):
    written = at.status
    count(at)
    assert at.status is written
    kept = at.operators[0].kept.status
    assert totals(kept) != totals(written)
    at.verdict = "fail"
    count(at)
    assert at.status.history[-1].event == "GateFailed"
    assert "availability 0.2 % of 1,002" in at.status.history[-1].evidence
    at.settle(until=has_phase("RolledBack"))


def test_an_operator_that_starts_reads_the_same_counts_again(at):
    count(at)
    kept = at.operators[0].kept.status
    at.crash(at.operators[0])
    at.whole_pass(at.operators[1])
    assert totals(at.operators[1].kept.status) == totals(kept)


def test_another_writer_ends_what_was_kept(at):
    count(at)
    first, second = at.operators
    at.request("pause", f"{A} by=jane")
    at.whole_pass(second)
    assert at.status.rollout.pause is not None
    count(at)
    assert at.status.rollout.pause is not None
    assert first.kept is None or first.kept.unwritten.written == at.status
