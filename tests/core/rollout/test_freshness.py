"""Which decisions from caches are carried out, and which are made again from direct reads."""

from datetime import UTC, datetime, timedelta

import pytest

from serin_core.api.status import Condition, Propagation, Status
from serin_core.rollout.announcements import Announcement
from serin_core.rollout.decide import Decision
from serin_core.rollout.freshness import MEASURED, needs_direct_reads
from serin_core.rollout.writes import CreateChild, PutStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE = Status(replicas=2)
READY = Condition(type="Ready", status="True", reason="Promoted", last_transition_time=NOW)


def needs(*writes, before=BEFORE, announcements=()):
    status = next((one.status for one in writes if isinstance(one, PutStatus)), BEFORE)
    return needs_direct_reads(before, Decision(status, writes, announcements, timedelta()), writes)


def put(**changes):
    return PutStatus(BEFORE.changed(**changes), "1")


def test_a_decision_without_writes_needs_none():
    assert not needs()


def test_measurements_are_written_as_they_are():
    assert not needs(put(conditions=(READY,), no_data_since=NOW, observed_generation=7))


@pytest.mark.parametrize(
    "changes",
    [{"propagation": Propagation(confirmed=True)}, {"replicas": 3}, {"conditions": (READY,), "pod_attempt": 1}],
    ids=["a confirmation", "pods", "one more field than measurements"],
)
def test_any_other_status_is_decided_again(changes):
    assert needs(put(**changes))


def test_a_first_status_a_child_and_an_event_are_decided_again():
    assert needs(put(conditions=(READY,)), before=None)
    assert needs(put(conditions=(READY,)), CreateChild({}))
    assert needs(put(conditions=(READY,)), announcements=(Announcement("PodsUnavailable", "none"),))


def test_fields_that_count_as_measurements_exist():
    assert set(Status.model_fields) >= MEASURED
