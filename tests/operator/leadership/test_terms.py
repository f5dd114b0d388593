"""When the leader's work begins and ends."""

import asyncio

import pytest

from serin_operator.leadership.elector import AlwaysLeading
from serin_operator.leadership.terms import Terms


def test_work_is_done_in_terms_and_ends_before_the_next_one_begins():
    async def play():
        one, log = AlwaysLeading(), []

        async def lead():
            log.append("begins")
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                log.append("ends")

        running = asyncio.create_task(Terms(one, lead).run())
        await asyncio.sleep(0.01)
        one.acquired.clear()
        one.lost.set()
        # Acquired again, before anybody has noticed.
        one.lost.clear()
        one.acquired.set()
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})
        return log

    assert asyncio.run(play()) == ["begins", "ends", "begins", "ends"]


def test_a_term_that_fails_ends_the_process():
    async def play():
        async def lead():
            raise ValueError("a bug")

        await Terms(AlwaysLeading(), lead).run()

    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(play())


def test_work_that_does_not_end_makes_the_process_unhealthy():
    async def play():
        one, freed, now = AlwaysLeading(), asyncio.Event(), [0.0]

        async def lead():
            try:
                await asyncio.Event().wait()
            finally:
                await freed.wait()

        terms = Terms(one, lead, clock=lambda: now[0])
        running = asyncio.create_task(terms.run())
        await asyncio.sleep(0.01)
        now[0] = 500.0
        found = [terms.hang()]
        one.acquired.clear()
        one.lost.set()
        await asyncio.sleep(0.01)
        for now[0] in (560.0, 561.0):
            found.append(terms.hang())
        freed.set()
        await asyncio.sleep(0.01)
        found.append(terms.hang())
        running.cancel()
        await asyncio.wait({running})
        return found

    found = asyncio.run(play())
    assert found == ["", "", "the work of a leader that lost the Lease 61 s ago does not end", ""]
