"""Lists and watches: what is known afterwards, and which changes are reported."""

import asyncio
from types import SimpleNamespace

import pytest

from serin_operator import informer
from serin_operator.informer import Informer
from serin_operator.interfaces import ClusterError, GoneError, Page, Selection, WatchEvent
from serin_operator.object_store import ObjectStore, UnknownError


def made(name, version):
    return {"kind": "Pod", "metadata": {"namespace": "default", "name": name, "resourceVersion": str(version)}}


class Api:
    """Implements interfaces.Watchable: plays lists and watches, then stays silent."""

    def __init__(self, lists, watches=()):
        self.lists, self.watches = list(lists), list(watches)
        self.asked, self.silent = [], asyncio.Event()

    async def list_page(self, what, rest=""):
        self.asked.append(f"list {rest}".strip())
        found = self.lists.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def watch(self, what, version):
        self.asked.append(f"watch {version}")
        if not self.watches:
            self.silent.set()
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(informer, "_PAUSE", 0.0)
    monkeypatch.setattr(informer, "MAX_RETRY", 0.0)


def play(lists, watches=()):
    """Return what the informer has reported, the store, what was asked, and the errors that the heartbeat got."""
    store, changed, errors = ObjectStore(), [], []

    async def run():
        api = Api(lists, watches)
        connected = asyncio.Event()
        connected.set()
        heartbeat = SimpleNamespace(connected=connected, record_watch_end=errors.append)
        one = Informer(api, Selection("Pod"), store, lambda live: changed.append(live["metadata"]["name"]))
        running = asyncio.create_task(one.run(heartbeat))
        await api.silent.wait()
        known = {place[1]: live["metadata"]["resourceVersion"] for place, live in store._objects.items()}
        assert store.get("default", "absent") is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return known, api.asked

    known, asked = asyncio.run(run())
    with pytest.raises(UnknownError):
        store.get("default", "absent")
    return SimpleNamespace(changed=changed, known=known, asked=asked, errors=errors)


def page(*objects, version=10, rest=""):
    return Page(objects, str(version), rest)


def test_all_pages_are_read_before_the_watch_begins_at_the_version_of_the_list():
    played = play([page(made("a", 1), rest="more"), page(made("b", 2))])
    assert played.asked == ["list", "list more", "watch 10"]
    assert played.known == {"a": "1", "b": "2"}
    assert played.changed == ["a", "b"]


def test_a_watch_that_ends_is_continued_at_the_last_version_also_that_of_a_bookmark():
    events = [
        WatchEvent("MODIFIED", made("a", 11)),
        WatchEvent("ADDED", made("c", 12)),
        WatchEvent("DELETED", made("b", 13)),
        WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "20"}}),
    ]
    played = play([page(made("a", 1), made("b", 2))], [events])
    assert played.asked == ["list", "watch 10", "watch 20"]
    assert played.known == {"a": "11", "c": "12"}
    assert played.changed == ["a", "b", "a", "c", "b"]


@pytest.mark.parametrize("error", [GoneError("too old"), ClusterError("reset")], ids=["gone", "broken"])
def test_after_an_error_everything_is_listed_and_deletions_in_between_are_reported(error):
    played = play([page(made("a", 1), made("b", 2), made("c", 3)), page(made("a", 1), made("b", 5))], [[error]])
    assert played.known == {"a": "1", "b": "5"}
    assert played.changed == ["a", "b", "c", "b", "c"]
    assert played.errors == ([] if isinstance(error, GoneError) else ["reset"])


def test_a_list_that_breaks_off_reports_each_change_once_it_has_succeeded():
    first = [page(made("a", 1), made("b", 2))]
    second = [page(made("a", 1), rest="more"), ClusterError("reset")]
    played = play([*first, *second, page(made("a", 1))], [[ClusterError("reset")]])
    assert played.known == {"a": "1"}
    assert played.changed == ["a", "b", "b"]


def test_pauses_grow_while_lists_work_and_watches_do_not_and_begin_anew_after_an_event(monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(informer, "MAX_RETRY", 5.0)
    monkeypatch.setattr(informer.asyncio, "sleep", sleep)
    broken = ClusterError("reset")
    event = WatchEvent("MODIFIED", made("a", 11))
    play([page(made("a", 1))] * 6, [[broken], [broken], [broken], [broken], [event, broken]])
    assert pauses == [1.0, 2.0, 4.0, 5.0, 1.0]
