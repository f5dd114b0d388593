"""What every store promises, asked of each of them."""

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import asyncpg
import pytest
from server.fakes import CANDIDATE, transaction
from server.stores.conftest import feedback

from serin_server.metrics.counters import Outcome, StageKey
from serin_server.stores.memory import Memory
from serin_server.stores.postgres import Postgres
from serin_server.stores.sqlite import Sqlite
from serin_server.stores.store import Recorded, SharedUsers, Store, StoreAbsentError, StoreUnavailableError

pytestmark = pytest.mark.anyio

KEY = StageKey(CANDIDATE, 5)


@pytest.mark.parametrize(
    "at",
    [
        None,
        datetime(2026, 1, 31, 23, 59, 59, 123456),  # noqa: DTZ001 - what has no zone stays so
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=-5))),
    ],
    ids=["none", "local", "UTC", "with an offset"],
)
async def test_a_transaction_comes_back_as_it_was(keeping: Store, at: datetime | None) -> None:
    saved = transaction("1", timestamp=at, merchant='CAFÉ "X"; --', amount=-0.1 + 1e-9)
    await keeping.save([saved])
    found = await keeping.fetch(["1", "2"])
    assert found == {"1": saved}
    assert found["1"].timestamp is None or at is None or found["1"].timestamp.hour == at.hour


async def test_a_transaction_that_is_sent_again_replaces_the_old_one(keeping: Store) -> None:
    await keeping.save([transaction("1", amount=1.0), transaction("2")])
    await keeping.save([transaction("1", amount=2.0), transaction("1", amount=3.0)])
    assert (await keeping.fetch(["1"]))["1"].amount == 3.0


async def test_only_the_first_feedback_on_an_answer_is_kept(any_store: Store) -> None:
    assert await any_store.record(feedback())
    assert not await any_store.record(feedback(outcome=Outcome.REJECTED))
    assert await any_store.record(feedback("another", outcome=Outcome.REJECTED))
    assert await any_store.recorded(feedback().event) == Recorded(Outcome.ACCEPTED, feedback().label)
    assert await any_store.recorded(feedback("without").event) is None


async def test_of_two_at_once_exactly_one_is_the_first(any_store: Store) -> None:
    answers = await asyncio.gather(*(any_store.record(feedback()) for _ in range(20)))
    assert sum(answers) == 1


async def test_without_a_store_nothing_is_kept_and_that_is_said() -> None:
    with pytest.raises(StoreAbsentError, match="has no store"):
        await Memory().save([transaction()])
    with pytest.raises(StoreAbsentError, match="has no store"):
        await Memory().fetch(["1"])


async def test_without_a_store_memory_is_bounded_and_the_oldest_goes_first() -> None:
    memory = Memory(most_events=2)
    for txn_id in ("1", "2", "3"):
        await memory.record(feedback(txn_id))
    assert not await memory.record(feedback("3"))
    assert await memory.record(feedback("1"))


async def test_a_file_keeps_what_it_has_over_a_restart(tmp_path: Path) -> None:
    for first in (True, False):
        store = Sqlite(tmp_path / "data.db")
        assert await store.record(feedback()) is first
        await store.close()


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "data.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreUnavailableError, match="newer version"):
        Sqlite(tmp_path / "data.db")


async def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"^/[^\n]*data\.db: unable to open database file$"):
        Sqlite(tmp_path / "nowhere" / "data.db")


async def test_a_file_that_is_locked_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    store = Sqlite(tmp_path / "data.db", seconds=0.01)
    other = sqlite3.connect(tmp_path / "data.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        await store.record(feedback())
    other.execute("ROLLBACK")
    assert await store.record(feedback())
    other.close()
    await store.close()


@pytest.mark.postgres
async def test_pods_that_start_at_once_make_one_schema(empty: str) -> None:
    pods = [Postgres(empty, uid="u") for _ in range(10)]
    await asyncio.gather(*(pod.save([transaction("1")]) for pod in pods))
    connection = await asyncpg.connect(empty)
    assert [row["version"] for row in await connection.fetch("SELECT version FROM serin_schema")] == [1, 2]
    await connection.close()
    for pod in pods:
        await pod.close()


@pytest.mark.postgres
async def test_a_user_is_counted_by_one_pod_only_in_a_stage(empty: str) -> None:
    one, other = Postgres(empty, uid="u"), Postgres(empty, uid="u")
    users = [1, 2, 2**64 - 1]
    first, second = await asyncio.gather(one.first_compared(KEY, users), other.first_compared(KEY, users))
    assert sorted([*first, *second]) == users
    assert set(await one.first_compared(StageKey(CANDIDATE, 6), users)) == set(users)
    for pod in (one, other):
        await pod.close()


@pytest.mark.postgres
async def test_models_that_share_a_database_do_not_share_their_users(empty: str) -> None:
    one, other = Postgres(empty, uid="u"), Postgres(empty, uid="v")
    assert set(await one.first_compared(KEY, [1])) == {1}
    assert set(await other.first_compared(KEY, [1])) == {1}
    assert await one.record(feedback())
    assert await other.record(feedback())
    for pod in (one, other):
        await pod.close()


@pytest.mark.postgres
async def test_a_database_that_was_away_is_used_again_when_it_is_back(postgres: Postgres, database: str) -> None:
    await postgres.save([transaction("1")])
    connection = await asyncpg.connect(database)
    # When the driver notices decides what it raises, so it is lost more than once.
    for _ in range(10):
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        with contextlib.suppress(StoreUnavailableError):
            await postgres.fetch(["1"])
        assert list(await postgres.fetch(["1"])) == ["1"]
    await connection.close()


async def test_a_database_that_is_nowhere_is_unavailable_without_its_password() -> None:
    store = Postgres("postgresql://me:secret@127.0.0.1:1/db", uid="u")
    with pytest.raises(StoreUnavailableError) as caught:
        await store.record(feedback())
    assert str(caught.value) == "the store is not available: ConnectionRefusedError"
    await store.close()


async def test_a_shared_store_is_known_by_what_it_can_do(tmp_path: Path) -> None:
    sqlite = Sqlite(tmp_path / "data.db")
    assert isinstance(Postgres("postgresql://h/d", uid="u"), SharedUsers)
    assert not isinstance(Memory(), SharedUsers)
    assert not isinstance(sqlite, SharedUsers)
    await sqlite.close()
