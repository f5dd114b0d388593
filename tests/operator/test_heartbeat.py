"""What the heartbeat reports and renews, in virtual time."""

import asyncio

import pytest

from serin_operator.heartbeat import INTERVAL, LOG_INTERVAL, MAX_RETRY, OUTAGE, SILENCE, Heartbeat
from serin_operator.interfaces import ClusterError


class Cluster:
    """Fails with `error`, and records what it is asked."""

    def __init__(self):
        self.error, self.is_rotated, self.asked = "", False, []

    async def _ask(self, what):
        self.asked.append(what)
        if self.error:
            raise ClusterError(self.error)

    async def check_version(self):
        await self._ask("version")

    async def check_access(self, namespaces):
        await self._ask(f"list {list(namespaces)}")

    async def check_served(self):
        await self._ask("served")

    async def reconnect(self):
        self.is_rotated = False
        self.asked.append("reconnect")

    def has_new_authorities(self):
        return self.is_rotated


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def played():
    """A heartbeat with its cluster, and a function that lets time pass beat by beat."""
    cluster, clock = Cluster(), Clock()
    heartbeat = Heartbeat(cluster, ("a",), clock=clock)

    def pass_time(seconds):
        end, delays = clock.now + seconds, []
        while clock.now < end:
            delays.append(asyncio.run(heartbeat.beat()))
            clock.now += delays[-1]
        return delays

    return heartbeat, cluster, clock, pass_time


def test_it_is_ready_after_the_first_list(played):
    heartbeat, cluster, _, pass_time = played
    assert heartbeat.problem() == "SuggestionModels have not been listed yet: the API server has not responded yet"
    cluster.error = "connection refused"
    pass_time(20)
    assert heartbeat.problem() == "SuggestionModels have not been listed yet: connection refused"
    assert not heartbeat.connected.is_set()
    assert not heartbeat.renewed.is_set()
    cluster.error, cluster.asked = "", []
    assert pass_time(1) == [INTERVAL]
    assert heartbeat.problem() == ""
    assert heartbeat.connected.is_set()
    assert heartbeat.renewed.is_set()
    assert cluster.asked[-3:] == ["version", "served", "list ['a']"]


def test_silence_makes_it_not_ready_and_names_the_reason(played):
    heartbeat, cluster, _, pass_time = played
    pass_time(1)
    cluster.error = "connection refused"
    pass_time(SILENCE - INTERVAL - MAX_RETRY)
    assert heartbeat.problem() == ""
    pass_time(30)
    assert heartbeat.problem().startswith("SuggestionModels could not be listed for ")
    assert heartbeat.problem().endswith(" s: connection refused")
    cluster.error = ""
    pass_time(1)
    assert heartbeat.problem() == ""


def test_it_asks_more_often_in_an_outage_but_not_without_a_pause(played):
    _, cluster, _, pass_time = played
    pass_time(1)
    cluster.error = "connection refused"
    assert pass_time(30)[:5] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_after_an_outage_everything_is_renewed_and_after_a_hiccup_nothing(played):
    heartbeat, cluster, _, pass_time = played
    pass_time(1)
    for seconds, is_outage in ((1, False), (OUTAGE + 1, True)):
        heartbeat.renewed.clear()
        cluster.error, cluster.asked = "429", []
        pass_time(seconds)
        assert not heartbeat.connected.is_set()
        cluster.error, cluster.asked = "", []
        pass_time(1)
        assert cluster.asked == (["reconnect", "version", "served"] if is_outage else []) + ["list ['a']"]
        assert heartbeat.renewed.is_set() == is_outage
        assert heartbeat.connected.is_set()


def test_new_authorities_are_used_at_the_next_check(played):
    heartbeat, cluster, _, pass_time = played
    pass_time(1)
    heartbeat.renewed.clear()
    cluster.is_rotated, cluster.asked = True, []
    pass_time(1)
    assert cluster.asked == ["reconnect", "list ['a']"]
    assert heartbeat.renewed.is_set()


def test_an_outage_is_logged_once_a_minute_and_at_its_end(played, caplog):
    _, cluster, _, pass_time = played
    pass_time(1)
    cluster.error = "connection refused"
    pass_time(3 * LOG_INTERVAL)
    assert len(caplog.records) == 3
    cluster.error = ""
    pass_time(1)
    assert "again, after 18" in caplog.records[-1].message


def test_a_watch_that_ends_again_and_again_makes_it_not_ready_and_one_that_ended_once_does_not(played, caplog):
    heartbeat, _, clock, pass_time = played
    pass_time(1)
    heartbeat.record_watch_end("APIForbiddenError: pods is forbidden")
    pass_time(SILENCE + 60)
    assert heartbeat.problem() == ""
    for _ in range(20):
        heartbeat.record_watch_end("APIForbiddenError: pods is forbidden")
        clock.now += 15
    pass_time(1)
    assert heartbeat.problem() == "the watch ends again and again: APIForbiddenError: pods is forbidden"
    assert len([one for one in caplog.records if "watch has ended" in one.message]) == 2
    clock.now += LOG_INTERVAL
    pass_time(1)
    assert heartbeat.problem() == ""
