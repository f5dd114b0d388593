"""Which resources a leader begins with, and what a standby does with events."""

import pytest

from serin_core.kubernetes.label_selector import LabelSelector
from serin_operator.known_resources import KnownResources
from serin_operator.object_ref import Key
from serin_operator.work_queue import WorkQueue

A, B = Key("default", "a"), Key("default", "b")


@pytest.fixture
def known():
    found = KnownResources()
    for key in (A, B, Key("default", "deleted")):
        found.record(key, {}, is_deleted=False)
    found.record(Key("default", "deleted"), {}, is_deleted=True)
    return found


def take_all(queue):
    return list(iter(queue.take, None))


def test_a_new_leader_begins_with_every_known_resource(known):
    queue = WorkQueue(clock=lambda: 0.0)
    with known.queued_in(queue):
        assert known.depth() == 2
        assert take_all(queue) == [A, B]


def test_events_queue_a_resource_while_this_operator_leads(known):
    queue = WorkQueue(clock=lambda: 0.0)
    known.enqueue(A)
    with known.queued_in(queue):
        take_all(queue)
        queue.done(A)
        known.enqueue(A)
        assert take_all(queue) == [A]
    known.enqueue(B)
    assert (known.depth(), take_all(queue)) == (0, [])


def test_a_new_watch_lists_them_again(known):
    known.clear()
    queue = WorkQueue(clock=lambda: 0.0)
    with known.queued_in(queue):
        assert take_all(queue) == []


def test_a_check_that_cannot_be_cancelled_hangs(known):
    now = [0.0]
    queue = WorkQueue(clock=lambda: now[0])
    assert known.hang() == ""
    with known.queued_in(queue):
        assert queue.take() == A
        now[0] = 100.0
        assert queue.take() == B
        now[0] = 120.0
        assert known.hang() == ""
        now[0] = 121.0
        assert known.hang() == "a check of default/a has taken 121 s, and cannot be cancelled"
        queue.done(A)
        assert known.hang() == ""
    assert known.hang() == ""


@pytest.fixture
def sharded():
    return KnownResources(LabelSelector.parse("team=a"))


def test_resources_of_other_operators_are_neither_known_nor_queued(sharded):
    queue = WorkQueue(clock=lambda: 0.0)
    with sharded.queued_in(queue):
        sharded.record(A, {"team": "a"}, is_deleted=False)
        sharded.record(B, {"team": "b"}, is_deleted=False)
        assert (take_all(queue), sharded.count()) == ([A], 1)
        queue.done(A)
        sharded.enqueue(B)
        assert take_all(queue) == []


def test_a_resource_whose_labels_change_is_queued_where_it_leaves_and_where_it_arrives(sharded):
    queue = WorkQueue(clock=lambda: 0.0)
    with sharded.queued_in(queue):
        for labels, expected in (({}, []), ({"team": "a"}, [A]), ({"team": "a", "x": "y"}, []), ({"team": "b"}, [A])):
            sharded.record(A, labels, is_deleted=False)
            assert take_all(queue) == expected
            queue.done(A)
        assert sharded.count() == 0


def test_a_deleted_resource_is_queued_once(sharded):
    queue = WorkQueue(clock=lambda: 0.0)
    with sharded.queued_in(queue):
        sharded.record(A, {"team": "a"}, is_deleted=False)
        take_all(queue)
        queue.done(A)
        sharded.record(A, {"team": "a"}, is_deleted=True)
        assert take_all(queue) == [A]
        queue.done(A)
        sharded.record(A, {"team": "a"}, is_deleted=True)
        assert take_all(queue) == []
