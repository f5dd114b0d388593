"""Which events need a reconcile."""

import pytest

from serin_operator.event_filter import EventFilter
from serin_operator.reconcile import Key

KEY = Key("default", "categories")


def body(rules="", status=None, **metadata):
    server = {"rules": {"configMapName": rules}} if rules else {}
    return {
        "metadata": {"uid": "u", "generation": 1, "resourceVersion": "1"} | metadata,
        "spec": {"server": server},
        "status": status or {},
    }


def record(events, found, *, is_deleted=False):
    return events.record(KEY, found, is_deleted=is_deleted)


def test_the_operators_own_status_write_needs_no_reconcile():
    events = EventFilter()
    assert record(events, body())
    assert not record(events, body(status={"phase": "Shadow"}, resourceVersion="2"))


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"uid": "v"},
        {"deletionTimestamp": "now"},
        {"annotations": {"request.serin.dev/abort": "run"}},
    ],
    ids=["spec", "another object", "deletion", "a request"],
)
def test_a_change_by_a_user_needs_a_reconcile(change):
    events = EventFilter()
    record(events, body())
    assert record(events, body(**change))
    assert not record(events, body(**change))


def test_a_deleted_object_needs_a_reconcile_and_is_forgotten():
    events = EventFilter()
    record(events, body())
    assert record(events, body(), is_deleted=True)
    assert record(events, body())


def test_a_config_map_concerns_the_resources_that_use_it_and_no_others():
    events = EventFilter()
    record(events, body(rules="mine"))
    assert events.resources_with_rules_in("default", "mine") == {KEY}
    assert (
        events.resources_with_rules_in("default", "other")
        == events.resources_with_rules_in("elsewhere", "mine")
        == frozenset()
    )
    record(events, body(rules="other", generation=2))
    assert (events.resources_with_rules_in("default", "mine"), events.resources_with_rules_in("default", "other")) == (
        frozenset(),
        {KEY},
    )
    record(events, body(), is_deleted=True)
    assert events.resources_with_rules_in("default", "other") == frozenset()
