"""A connection pooler such as PgBouncer, which gives each transaction another connection to the database."""

from datetime import timedelta

import pytest
from server.fakes import CANDIDATE, transaction
from server.stores.conftest import feedback

from serin_server.metrics.counters import StageKey
from serin_server.stores.postgres import Postgres

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


async def test_no_statement_is_prepared_on_a_connection_for_later(postgres: Postgres) -> None:
    """The next transaction may run on a connection that does not have it."""
    await postgres.save([transaction("1"), transaction("2")])
    await postgres.fetch(["1"])
    await postgres.record(feedback("1"))
    await postgres.recorded(feedback("1").event)
    await postgres.first_compared(StageKey(CANDIDATE, 5), [1, 2])
    await postgres.erase("u1", dry_run=True)
    await postgres.expire(timedelta(days=1), now=0, limit=10)
    async with postgres._connection() as connection:
        held = await connection.fetch("SELECT statement FROM pg_prepared_statements WHERE name <> ''")
    assert [row["statement"] for row in held] == []
