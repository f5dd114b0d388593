"""The shell of the election: what it asks the API server, when it leads, and what it reports."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from fake_leases import FakeLeases

from serin_core.contract import names
from serin_operator.leadership.election import Election, Timing
from serin_operator.leadership.elector import Elector


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def elector(leases, clock, identity="a", selector="", **timing):
    annotations = {names.ANNOTATION_SELECTOR: selector}
    election = Election("serin-system", "serin-operator", identity, Timing(**timing), annotations)
    return Elector(leases, election, clock=clock, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))


async def at(clock, seconds, one):
    clock.now = 100.0 + seconds
    return await one.look()


def test_it_leads_with_its_first_look_and_renews_by_one_request():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        assert 1.8 <= await one.look() <= 2.2
        assert (one.is_leader(), one.acquired.is_set(), one.lost.is_set()) == (True, True, False)
        await at(clock, 2, one)
        assert leases.requests == ["read", "write", "write"]

    asyncio.run(play())


def test_a_standby_only_reads_and_is_ready():
    async def play():
        leases, clock = FakeLeases(), Clock()
        await elector(leases, clock).look()
        leases.requests.clear()
        other = elector(leases, clock, "b")
        assert await other.look() < 0.7
        assert (other.is_leader(), other.problem(), leases.requests) == (False, "", ["read"])

    asyncio.run(play())


def test_after_a_conflict_what_is_there_now_decides_at_once():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        await one.look()
        leases.edit(renewTime="2026-01-01T00:00:09.000000Z")
        leases.requests.clear()
        await at(clock, 2, one)
        assert (one.is_leader(), leases.requests) == (True, ["write", "exact", "write"])
        leases.edit(holderIdentity="b")
        await at(clock, 4, one)
        assert (one.is_leader(), one.lost.is_set()) == (False, True)

    asyncio.run(play())


def test_a_term_ends_also_where_the_lease_is_acquired_again_by_the_same_look():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        await one.look()
        lost = asyncio.create_task(one.lost.wait())
        await asyncio.sleep(0)
        # Another operator has led meanwhile, and has given the Lease back.
        leases.edit(holderIdentity="", leaseTransitions=7)
        await at(clock, 2, one)
        await asyncio.wait({lost}, timeout=0)
        assert (one.is_leader(), one.acquired.is_set(), lost.done()) == (True, True, True)

    asyncio.run(play())


def test_a_leader_creates_a_lease_again_that_somebody_deleted():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        await one.look()
        leases.live = None
        await at(clock, 2, one)
        assert one.is_leader()
        assert leases.live["spec"]["holderIdentity"] == "a"

    asyncio.run(play())


def test_a_leader_that_cannot_renew_gives_up_at_the_deadline_and_leads_again_after_the_outage():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        await one.look()
        leases.fail = "503"
        assert await at(clock, 2, one) == 2
        assert await at(clock, 9, one) == 1
        assert one.is_leader()
        assert await at(clock, 10, one) == 2
        assert (one.is_leader(), one.lost.is_set()) == (False, True)
        leases.fail = None
        await at(clock, 90, one)
        assert (one.is_leader(), one.acquired.is_set()) == (True, True)

    asyncio.run(play())


def test_a_request_that_hangs_is_given_up_in_time():
    async def play():
        leases = FakeLeases()
        one = elector(leases, asyncio.get_running_loop().time, lease_duration=3, renew_deadline=0.2, retry_period=0.1)
        await one.look()
        leases.hangs = True
        started = asyncio.get_running_loop().time()
        running = asyncio.create_task(one.run())
        await one.lost.wait()
        assert asyncio.get_running_loop().time() - started < 2.5
        running.cancel()

    asyncio.run(play())


def test_after_a_write_with_an_unknown_result_the_lease_is_read_first():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        await one.look()
        leases.fail = "the connection is closed"
        await at(clock, 2, one)
        leases.fail = None
        # It had reached the API server.
        leases.edit(renewTime="2026-01-01T00:00:02.000000Z")
        leases.requests.clear()
        await at(clock, 4, one)
        assert (one.is_leader(), leases.requests) == (True, ["exact", "write"])

    asyncio.run(play())


def test_releasing_lets_another_lead_at_once():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one, other = elector(leases, clock), elector(leases, clock, "b")
        await one.look()
        await other.look()
        await one.release()
        assert not one.is_leader()
        assert leases.live["spec"]["holderIdentity"] == ""
        await other.look()
        assert other.is_leader()
        await one.release()
        assert leases.live["spec"]["holderIdentity"] == "b"

    asyncio.run(play())


def test_releasing_survives_a_renewal_whose_answer_was_lost():
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        await one.look()
        leases.edit(renewTime="2026-01-01T00:00:02.000000Z")
        await one.release()
        assert leases.live["spec"]["holderIdentity"] == ""

    asyncio.run(play())


def test_releasing_without_an_api_server_is_only_logged(caplog):
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        await one.look()
        leases.fail = "503"
        await one.release()

    asyncio.run(play())
    assert "the Lease serin-system/serin-operator is not given back, and expires: 503" in caplog.text


def test_an_operator_that_may_not_read_the_lease_is_not_ready_and_logs_it_once(caplog):
    async def play():
        leases, clock = FakeLeases(), Clock()
        one = elector(leases, clock)
        assert one.problem().endswith("has not been read yet: the API server has not responded")
        leases.fail = "leases is forbidden"
        for seconds in range(0, 50, 2):
            await at(clock, seconds, one)
        assert one.problem() == "the Lease serin-system/serin-operator has not been read yet: leases is forbidden"
        leases.fail = None
        await at(clock, 60, one)
        assert one.problem() == ""
        leases.fail = "503"
        await at(clock, 62, one)
        clock.now = 100 + 60 + 180
        assert one.problem() == ""
        clock.now += 1
        assert one.problem() == "the Lease serin-system/serin-operator has no answer for 181 s: 503"

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert caplog.text.count("cannot be read or renewed: leases is forbidden") == 1


def test_operators_with_different_selectors_and_one_lease_are_named_once(caplog):
    async def play():
        leases, clock = FakeLeases(), Clock()
        await elector(leases, clock, "a", selector="team=a").look()
        for identity, selector in (("b", "team=a"), ("c", "")):
            one = elector(leases, clock, identity, selector=selector)
            await one.look()
            await one.look()

    asyncio.run(play())
    assert caplog.text.count("is held by an operator with another selector") == 1
    assert "(team=a; all): the SuggestionModels of one of them are not worked on" in caplog.text


def test_a_clock_of_the_wall_that_jumps_an_hour_changes_no_leadership():
    async def play():
        leases, clock, jump = FakeLeases(), Clock(), [0]

        def now():
            return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(seconds=clock.now, hours=jump[0])

        one, other = (
            Elector(leases, Election("serin-system", "serin-operator", name, Timing()), clock=clock, now=now)
            for name in "ab"
        )
        for seconds, jump[0] in enumerate((0, 1, -1, 0, 5, -5)):
            await at(clock, seconds, one)
            await at(clock, seconds, other)
            assert (one.is_leader(), other.is_leader()) == (True, False)
        # The leader is gone: its last time is an hour ahead.
        leases.edit(renewTime="2026-01-01T23:00:00.000000Z")
        for seconds, jump[0] in ((6, 0), (12, 2), (20.9, -3)):
            await at(clock, seconds, other)
            assert not other.is_leader()
        await at(clock, 21, other)
        assert other.is_leader()

    asyncio.run(play())
