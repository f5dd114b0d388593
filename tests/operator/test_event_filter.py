"""Which events wake whom."""

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


def note(news, found, *, is_deleted=False):
    return news.note(KEY, found, is_deleted=is_deleted)


def test_the_echo_of_a_status_write_is_no_news():
    news = EventFilter()
    assert note(news, body())
    assert not note(news, body(status={"phase": "Shadow"}, resourceVersion="2"))


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
def test_what_people_change_is_news(change):
    news = EventFilter()
    note(news, body())
    assert note(news, body(**change))
    assert not note(news, body(**change))


def test_a_deleted_object_is_news_and_forgotten():
    news = EventFilter()
    note(news, body())
    assert note(news, body(), is_deleted=True)
    assert note(news, body())


def test_a_config_map_wakes_the_resources_that_name_it_and_no_others():
    news = EventFilter()
    note(news, body(rules="mine"))
    assert news.readers("default", "mine") == {KEY}
    assert news.readers("default", "other") == news.readers("elsewhere", "mine") == frozenset()
    note(news, body(rules="other", generation=2))
    assert (news.readers("default", "mine"), news.readers("default", "other")) == (frozenset(), {KEY})
    note(news, body(), is_deleted=True)
    assert news.readers("default", "other") == frozenset()
