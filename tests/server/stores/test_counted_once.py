"""Two processes with one database: every user is counted once, and nobody's request waits for it."""

import asyncio
import multiprocessing
from multiprocessing.synchronize import Barrier

import pytest
from server.fakes import CANDIDATE

from serin_server.metrics.counters import Agree, Arm, StageCounts, StageKey
from serin_server.metrics.user_agreement import UserCounts
from serin_server.stores.postgres import Postgres

USERS = 3000


def count(url: str, start: Barrier, answers: "multiprocessing.SimpleQueue[int]") -> None:
    """One pod: all users come by, in small groups, as `UserCounts.run` takes them."""

    async def work() -> int:
        store = Postgres(url, uid="u")
        users, counts = UserCounts(store), StageCounts(StageKey(CANDIDATE, 1))
        for first in range(1, USERS, 100):
            for user in range(first, first + 100):
                # Synchronous: what a request does cannot wait for a database.
                users.add(counts, arm=Arm.CANARY, user=user, agree=Agree.TRUE)
            await users.flush()
        await store.close()
        return counts.arms[Arm.CANARY].users[Agree.TRUE]

    start.wait()
    answers.put(asyncio.run(work()))


@pytest.mark.postgres
def test_two_processes_count_every_user_once(database: str) -> None:
    asyncio.run(emptied(database))
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(2), spawn.SimpleQueue()
    pods = [spawn.Process(target=count, args=(database, start, answers)) for _ in range(2)]
    for pod in pods:
        pod.start()
    for pod in pods:
        pod.join(60)
    assert [pod.exitcode for pod in pods] == [0, 0]
    assert answers.get() + answers.get() == USERS


async def emptied(database: str) -> None:
    store = Postgres(database, uid="u")
    async with store._connection() as connection:
        await connection.execute("TRUNCATE serin_users_compared")
    await store.close()
