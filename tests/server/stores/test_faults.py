"""Stores across versions, and with a database that is slow or a disk that is full."""

import asyncio
import socket
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from server.fakes import transaction
from server.stores.conftest import feedback

from serin_server.stores import postgres as postgres_store
from serin_server.stores import sqlite
from serin_server.stores.postgres import Postgres
from serin_server.stores.sqlite import Sqlite
from serin_server.stores.store import StoreUnavailableError

pytestmark = pytest.mark.anyio

OLD = timedelta(days=400)
NOW = int(datetime.now(tz=UTC).timestamp() * 1000)


async def test_a_file_of_the_first_version_is_brought_up_to_date_with_what_it_holds(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "data.db")
    connection.executescript(f"{sqlite._MIGRATIONS[0]} PRAGMA user_version = 1;")
    connection.execute("INSERT INTO transactions VALUES ('1', 'u1', NULL, 'm', '', 1.0, '')")
    connection.commit()
    connection.close()
    store = Sqlite(tmp_path / "data.db")
    assert list(await store.fetch(["1"])) == ["1"]
    assert await store.expire(OLD, now=NOW, limit=10) == 0
    await store.close()


class OldServer:
    """What the first version of a server says to the database."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def work(self, number: int) -> None:
        await self.connection.execute(
            """
            INSERT INTO serin_transactions VALUES ($1, 'u1', NULL, 'm', '', 1.0, '')
            ON CONFLICT (txn_id) DO UPDATE SET (user_id, at, merchant, description, amount, channel) =
                (excluded.user_id, excluded.at, excluded.merchant, excluded.description, excluded.amount,
                 excluded.channel)
            """,
            str(number),
        )
        await self.connection.execute(
            "INSERT INTO serin_feedback VALUES ('u', $1, $2, 2, 1, 'r', 5, 'canary', 'Dining', 'accepted', 'Dining')"
            " ON CONFLICT DO NOTHING",
            number.to_bytes(16, "big"),
            str(number),
        )
        await self.connection.execute(
            "INSERT INTO serin_users_compared SELECT 'u', 'r', 5, user_hash FROM unnest($1::bigint[]) AS user_hash"
            " ON CONFLICT DO NOTHING RETURNING user_hash",
            [number],
        )


@pytest.mark.postgres
async def test_a_server_of_the_first_version_goes_on_beside_a_newer_schema(empty: str) -> None:
    connection = await asyncpg.connect(empty)
    await connection.execute(
        "CREATE TABLE serin_schema (version integer NOT NULL); INSERT INTO serin_schema VALUES (1)"
    )
    await connection.execute(postgres_store._MIGRATIONS[0])
    old = OldServer(connection)
    await old.work(1)
    new = Postgres(empty, uid="u")
    await new.save([transaction("2")])
    await old.work(1)
    await old.work(3)
    assert sorted(await new.fetch(["1", "2", "3"])) == ["1", "2", "3"]
    assert await new.expire(OLD, now=NOW, limit=10) == 2, "its feedback was said in 1970"
    await connection.close()
    await new.close()


@pytest.mark.postgres
async def test_a_schema_of_a_later_version_is_used_and_left_alone(postgres: Postgres, empty: str) -> None:
    await postgres.save([transaction("1")])
    async with postgres._connection() as connection:
        await connection.execute("INSERT INTO serin_schema VALUES (99)")
        await connection.execute("ALTER TABLE serin_transactions ADD COLUMN of_later text")
    old = Postgres(empty, uid="u")
    assert list(await old.fetch(["1"])) == ["1"]
    await old.save([transaction("2")])
    await old.close()


@pytest.mark.postgres
async def test_a_database_that_is_slow_is_unavailable_in_bounded_time_and_comes_back(empty: str) -> None:
    store = Postgres(empty, uid="u", seconds=0.3)
    await store.save([transaction("1")])
    connection = await asyncpg.connect(empty)
    async with connection.transaction():
        await connection.execute("LOCK TABLE serin_feedback")
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="TimeoutError"):
            await store.record(feedback())
        assert time.monotonic() - began < 2
        assert list(await store.fetch(["1"])) == ["1"]
    assert await store.record(feedback())
    await connection.close()
    await store.close()


async def test_a_disk_that_is_full_is_unavailable_and_loses_nothing(tmp_path: Path) -> None:
    store = Sqlite(tmp_path / "data.db")
    await store.save([transaction("1")])

    async def bound(most: int) -> None:
        # SQLite gives the same error as for a disk that has no more room.
        await store._do(lambda connection: connection.execute(f"PRAGMA max_page_count = {most}").fetchall())

    await bound(1)
    with pytest.raises(StoreUnavailableError, match="full"):
        await store.save([transaction(f"more {number}", description="d" * 1000) for number in range(200)])
    assert list(await store.fetch(["1"])) == ["1"]
    await bound(1_000_000)
    assert await store.record(feedback())
    await store.close()


async def test_who_waits_for_a_database_that_never_answers_waits_no_longer_than_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres_store, "_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Postgres(f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/d", uid="u")
        # One after the other they would take six seconds.
        async with asyncio.timeout(3):
            found = await asyncio.gather(*(store.fetch(["1"]) for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in found} == {StoreUnavailableError}
