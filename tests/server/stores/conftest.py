"""A file, a real Postgres, and what is kept in them."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from server.fakes import CANDIDATE

from serin_server.event_ids import Event
from serin_server.metrics.counters import Arm, Outcome
from serin_server.stores.memory import Memory
from serin_server.stores.postgres import Postgres
from serin_server.stores.sqlite import Sqlite
from serin_server.stores.store import Feedback, Store


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    # Its socket needs a short path, which it is not given below pytest's own directories.
    with tempfile.TemporaryDirectory(prefix="serin-pg-", ignore_cleanup_errors=True) as directory:
        import pgserver  # noqa: PLC0415 - only where a database is wanted

        server = pgserver.get_server(directory, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
async def empty(database: str) -> str:
    connection = await asyncpg.connect(database)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return database


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    store = Sqlite(tmp_path / "data.db")
    yield store
    await store.close()


@pytest.fixture
async def postgres(empty: str) -> AsyncIterator[Postgres]:
    store = Postgres(empty, uid="u")
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def keeping(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_store(request: pytest.FixtureRequest) -> Store:
    return Memory() if request.param == "memory" else request.getfixturevalue(request.param)


def feedback(txn_id: str = "t", outcome: Outcome | None = Outcome.ACCEPTED) -> Feedback:
    event = Event(at=1, user=2**64 - 1, txn_id=txn_id, run_id=CANDIDATE, stage=5, arm=Arm.CANARY, label="Dining")
    return Feedback(event, at=2, outcome=outcome, label="Dining")
