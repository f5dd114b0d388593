"""Parts that always run, in virtual time: an exception ends none of them."""

import asyncio

import pytest
import virtual_time

from serin_operator.background import PAUSE, keep_running


def test_a_part_that_a_bug_ends_is_logged_and_started_again_after_a_pause(caplog):
    starts = []

    async def part():
        starts.append(asyncio.get_running_loop().time())
        if len(starts) < 3:
            raise KeyError("no such thing")
        await asyncio.sleep(3600)

    async def scenario():
        task = asyncio.create_task(keep_running("records", part))
        await asyncio.sleep(1000)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(scenario())
    assert starts == pytest.approx([0, PAUSE, 2 * PAUSE])
    assert [one.getMessage() for one in caplog.records] == ["records ended by a bug; starting again in 5 s"] * 2
    assert "no such thing" in caplog.text


def test_a_part_without_work_ends():
    async def part():
        return None

    virtual_time.run(keep_running("delivery", part))


def test_a_part_is_cancelled_during_the_pause_too():
    async def part():
        raise KeyError("no such thing")

    async def scenario():
        task = asyncio.create_task(keep_running("records", part))
        await asyncio.sleep(PAUSE / 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(scenario())
