"""Waiting for the changes that a watch reports."""

import threading
import time

import pytest
from cli.fakes import CANDIDATE, FakeCluster, condition, model

from serin_cli.following import Changes
from serin_cli.request_errors import ClusterError
from serin_cli.watch_polls import polls

WITHIN = 10.0


def test_a_change_is_reported_once():
    release, reported = threading.Event(), threading.Event()

    def changes():
        yield "MODIFIED"
        reported.set()
        release.wait(WITHIN)

    found = Changes(changes())
    assert reported.wait(WITHIN)
    assert found.wait(WITHIN)
    assert not found.wait(0)
    release.set()


@pytest.mark.parametrize("error", [ClusterError("the API server answered 403"), None], ids=["refused", "ended"])
def test_after_the_end_of_the_watch_every_wait_asks_to_read_again(monkeypatch, error):
    def changes():
        yield from ()
        if error:
            raise error

    found = Changes(changes())
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.current_thread():
            thread.join(WITHIN)
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    assert found.wait(1.0)
    assert found.wait(1.0)
    assert waited == [1.0, 1.0]


class Quiet(FakeCluster):
    """Counts reads; a change is reported in the third second."""

    reads = 0

    def get(self, name):
        self.reads += 1
        return super().get(name)

    def follow(self, live):
        waits = iter([False, False, True])

        class Reported:
            def wait(self, seconds):
                return next(waits)

        return Reported()


def test_between_changes_the_resource_is_shown_every_second_and_not_read(virtual_time):
    first, second = model(candidate=CANDIDATE), model(conditions=[condition("Promoted")])
    cluster = Quiet(first, second)
    found = polls(cluster, "c", timeout=0)
    assert [next(found)["status"].get("candidate") for _ in range(4)] == [CANDIDATE, CANDIDATE, CANDIDATE, None]
    assert cluster.reads == 2
