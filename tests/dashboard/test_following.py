"""One watch keeps the store; pages are told what changed."""

import asyncio

from dashboard import examples
from dashboard.examples import NOW, model

from serin_cli.request_errors import ClusterError
from serin_dashboard.following import Follower
from serin_dashboard.store import Store
from serin_dashboard.web import changes

KEY = ("shop", "categories")


class FakeSource:
    """Plays lists and watches in turn; the last one stops the follower. An exception is raised."""

    def __init__(self, *turns):
        self.turns, self.versions, self.follower = list(turns), [], None

    def models(self, *, all_namespaces):
        return self._next()

    def watch(self, version, *, all_namespaces, seconds):
        self.versions.append(version)
        yield from self._next()

    def _next(self):
        if not self.turns:
            self.follower.stop()
            raise ClusterError("over")
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn


def followed(*turns, pauses=None):
    source, store = FakeSource(*turns), Store()
    follower = Follower(source, store, namespace=None, clock=lambda: NOW)
    source.follower = follower
    follower._stopped.wait = ([] if pauses is None else pauses).append
    follower.run()
    return source, store


def found(*models, version="7"):
    return {"metadata": {"resourceVersion": version}, "items": list(models)}


def names(store):
    return sorted(entry.live["metadata"]["name"] for entry in store.entries())


def test_changes_are_taken_over_and_a_watch_goes_on_from_the_last():
    source, store = followed(
        found(model("a")),
        [("ADDED", model("b", version="8")), ("MODIFIED", model("a", version="9", trial=4))],
        [("DELETED", model("b", version="10"))],
    )
    assert names(store) == ["a"]
    assert store.get(("shop", "a")).live["status"]["trial"] == 4
    assert source.versions[:3] == ["7", "9", "10"]


def test_after_a_watch_that_failed_the_list_removes_what_was_deleted_meanwhile():
    _, store = followed(found(model("a"), model("b")), ClusterError("410 Gone"), found(model("b"), version="20"))
    assert names(store) == ["b"]


def test_an_api_server_that_is_away_is_shown_and_what_was_known_stays():
    _, store = followed(found(model("a")), ClusterError("broken"), ClusterError("connection refused"))
    assert names(store) == ["a"]
    assert store.connection.problem
    store.replace([model("a")], at=NOW)
    assert store.connection.problem == ""


def test_pauses_grow_while_lists_work_and_watches_do_not_and_begin_anew_after_a_change():
    refused, pauses = ClusterError("forbidden"), []
    followed(
        *[found(model("a")), refused] * 6, found(model("a")), [("MODIFIED", model("a", version="8"))], pauses=pauses
    )
    assert pauses[:7] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 1.0]


def test_a_list_without_objects_may_have_null():
    _, store = followed({"metadata": {"resourceVersion": "1"}, "items": None})
    assert names(store) == []


def test_versions_tell_what_changed():
    store = Store()
    store.replace([model(), model("other")], at=NOW)
    mine, all_of_them = store.version(KEY), store.version()
    store.put(model("other", version="2"), at=NOW)
    assert store.version(KEY) == mine
    assert store.version() > all_of_them
    store.replace([model(), model("other", version="2")], at=NOW)
    assert store.version(KEY) == mine, "an unchanged list changes nothing"
    store.lose("away", at=NOW)
    assert store.version(KEY) > mine


def test_counts_of_another_attempt_or_object_are_not_mixed():
    store = Store()
    store.put(model(), at=NOW)
    assert store.get(KEY).seen.gates
    later = examples.candidate(attempt=2, attempt_started_at=NOW)
    store.put(model(candidate=later, gates=(), version="2"), at=NOW)
    assert store.get(KEY).seen.gates == ()
    store.put(model(version="3"), at=NOW)
    store.put(model(uid="u-2", gates=(), version="4"), at=NOW)
    assert store.get(KEY).seen.gates == ()


def test_many_points_are_thinned_and_the_newest_stays():
    store = Store()
    for number in range(1, 400):
        at = NOW + examples.timedelta(seconds=number)
        counts = (examples.gate(good=number, total=number),)
        store.put(model(gates=counts, checkpoint=examples.Checkpoint(at=at), version=str(number)), at=at)
    points = dict(store.get(KEY).seen.gates)["agreement"]
    assert len(points) <= 121
    assert (points[0][3], points[-1][3]) == (1.0, 399.0)


def test_a_page_is_told_once_of_several_changes():
    store = Store()
    store.replace([model()], at=NOW)

    async def events():
        stream = changes(store, None, store.version(), poll=0)
        assert await anext(stream) == ": connected\n\n"
        store.put(model(version="2"), at=NOW)
        store.put(model(version="3"), at=NOW)
        told = await anext(stream)
        assert f"id: {store.version()}\n" in told
        store.put(model(version="4"), at=NOW)
        return await anext(stream)

    assert "event: changed" in asyncio.run(events())


def test_a_page_that_is_out_of_date_is_told_at_once():
    store = Store()
    store.replace([model()], at=NOW)

    async def first():
        stream = changes(store, KEY, -1, poll=0)
        await anext(stream)
        return await anext(stream)

    assert "event: changed" in asyncio.run(first())


def test_a_stream_ends_with_the_dashboard():
    store = Store()
    store.replace([model()], at=NOW)

    async def rest():
        stream = changes(store, KEY, store.version(KEY), poll=0)
        assert await anext(stream) == ": connected\n\n"
        store.close()
        return [event async for event in stream]

    assert asyncio.run(rest()) == []


def test_points_go_on_between_two_checkpoints():
    store = Store()
    for number in range(1, 4):
        at = NOW + examples.timedelta(seconds=number)
        counts = (examples.gate(good=number - 1, total=number - 1),)
        store.put(model(gates=counts, checkpoint=examples.Checkpoint(at=NOW), version=str(number)), at=at)
    assert [point[3] for point in dict(store.get(KEY).seen.gates)["agreement"]] == [1.0, 2.0]
