"""A store in Postgres, for any number of pods.

Connects when first needed, and again after a lost connection, so that a pod starts and serves without the database.
All waits have a timeout: a slow database raises StoreUnavailableError. Migrations only go forward, one pod at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import asyncpg

from serin_core.contract.addresses import ENCODE_PASSWORD, display_address
from serin_core.model.features import Transaction
from serin_server.event_ids import Event
from serin_server.metrics.counters import Agree, Outcome, StageKey, user_mark
from serin_server.stores.rows import (
    COLUMNS,
    as_signed,
    as_unsigned,
    feedback_row,
    transaction_of,
    transaction_row,
    user_hashes,
)
from serin_server.stores.store import Erased, Feedback, Recorded, StoreUnavailableError

_MAX_CONNECTIONS: Final = 8
_SECONDS: Final = 2.0
_MIGRATION_LOCK: Final = 0x5E121
_MILLISECOND: Final = timedelta(milliseconds=1)
_AGES: Final = (
    ("serin_transactions", "saved_at"),
    ("serin_feedback", "at"),
    ("serin_users_compared", "counted_at"),
)
"""Tables that retention applies to, and the column with the age."""
# The driver raises an internal error, outside its error tree, for a connection that is lost during a command.
_LOST: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

_MIGRATIONS: Final = (
    """
    CREATE TABLE serin_transactions (
        txn_id text PRIMARY KEY, user_id text NOT NULL, at text, merchant text NOT NULL, description text NOT NULL,
        amount double precision NOT NULL, channel text NOT NULL
    );
    CREATE TABLE serin_feedback (
        uid text NOT NULL, identity bytea NOT NULL, txn_id text NOT NULL, at bigint NOT NULL,
        answered_at bigint NOT NULL, run_id text NOT NULL, stage bigint NOT NULL, arm text NOT NULL,
        suggested text NOT NULL, outcome text, label text NOT NULL, PRIMARY KEY (uid, identity)
    );
    CREATE INDEX serin_feedback_by_transaction ON serin_feedback (txn_id);
    CREATE TABLE serin_users_compared (
        uid text NOT NULL, run_id text NOT NULL, stage bigint NOT NULL, user_hash bigint NOT NULL,
        PRIMARY KEY (uid, run_id, stage, user_hash)
    );
    """,
    """
    ALTER TABLE serin_transactions
        ADD COLUMN saved_at bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000)::bigint;
    ALTER TABLE serin_users_compared
        ADD COLUMN counted_at bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000)::bigint;
    ALTER TABLE serin_feedback ADD COLUMN user_hash bigint;
    CREATE INDEX serin_transactions_by_user ON serin_transactions (user_id);
    CREATE INDEX serin_transactions_by_age ON serin_transactions (saved_at);
    CREATE INDEX serin_users_compared_by_age ON serin_users_compared (counted_at);
    CREATE INDEX serin_feedback_by_age ON serin_feedback (at);
    CREATE INDEX serin_feedback_by_user ON serin_feedback (uid, run_id, user_hash);
    """,
)


class Postgres:
    """Transactions, feedback and counted users in a database that all pods of a model share."""

    def __init__(self, url: str, *, uid: str, seconds: float = _SECONDS) -> None:
        """Store the URL and the timeout of a command in seconds; nothing is connected yet."""
        self._url, self._uid, self._seconds = url, uid, seconds
        self._pool: Any = None
        self._connecting = asyncio.Lock()

    async def save(self, transactions: Sequence[Transaction]) -> None:
        """Store transactions; one with a known txn_id replaces the older one."""
        # The last one of a txn_id wins; a common order of rows avoids deadlocks between writers.
        rows = [transaction_row(one) for _, one in sorted({one.txn_id: one for one in transactions}.items())]
        async with self._connection() as connection:
            await connection.executemany(
                """
                INSERT INTO serin_transactions VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (txn_id) DO UPDATE SET
                    (user_id, at, merchant, description, amount, channel, saved_at) =
                    (excluded.user_id, excluded.at, excluded.merchant, excluded.description, excluded.amount,
                     excluded.channel, excluded.saved_at)
                """,
                rows,
            )

    async def fetch(self, txn_ids: Collection[str]) -> Mapping[str, Transaction]:
        """Return the stored transactions by txn_id."""
        async with self._connection() as connection:
            query = f"SELECT {COLUMNS} FROM serin_transactions WHERE txn_id = ANY($1)"  # noqa: S608 - constant names
            rows = await connection.fetch(query, list(txn_ids))
        return {row["txn_id"]: transaction_of(row) for row in rows}

    async def record(self, feedback: Feedback) -> bool:
        """Store feedback if it is the first on its suggestion, and return whether it was."""
        async with self._connection() as connection:
            status = await connection.execute(
                """
                INSERT INTO serin_feedback VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                ON CONFLICT DO NOTHING
                """,
                self._uid,
                *feedback_row(feedback),
            )
        return bool(status == "INSERT 0 1")

    async def recorded(self, event: Event) -> Recorded | None:
        """Return the feedback on a suggestion, None if there is none."""
        async with self._connection() as connection:
            row = await connection.fetchrow(
                "SELECT outcome, label FROM serin_feedback WHERE uid = $1 AND identity = $2", self._uid, event.identity
            )
        return None if row is None else Recorded(Outcome(row["outcome"]), row["label"])

    async def first_compared(self, key: StageKey, users: Collection[int]) -> Collection[int]:
        """Return the users that no pod has counted in this stage yet, and store them; delete earlier stages."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(
                "DELETE FROM serin_users_compared WHERE uid = $1 AND stage < $2", self._uid, key.stage
            )
            rows = await connection.fetch(
                """
                INSERT INTO serin_users_compared (uid, run_id, stage, user_hash)
                SELECT $1, $2, $3, user_hash FROM unnest($4::bigint[]) AS user_hash
                ON CONFLICT DO NOTHING RETURNING user_hash
                """,
                self._uid,
                key.run_id,
                key.stage,
                sorted(as_signed(user) for user in set(users)),
            )
        return {as_unsigned(row["user_hash"]) for row in rows}

    async def erase(self, user_id: str, *, dry_run: bool) -> Erased:
        """Delete all transactions, feedback and counting marks of a user, for all models in this database."""
        async with self._connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                erased = await _erase(connection, user_id)
            except BaseException:
                await transaction.rollback()
                raise
            await (transaction.rollback() if dry_run else transaction.commit())
        return erased

    async def expire(self, age: timedelta, *, now: int, limit: int) -> int:
        """Delete rows older than `age` by this clock and by the database's, whichever is behind."""
        erased = 0
        async with self._connection() as connection:
            for table, column in _AGES:
                # Rows that another pod deletes at this moment are skipped.
                query = f"""
                    DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                        SELECT ctid FROM {table}
                        WHERE {column} < least($1, (extract(epoch FROM now()) * 1000)::bigint) - $2
                        LIMIT $3 FOR UPDATE SKIP LOCKED))
                """  # noqa: S608 - constant names
                erased += _rows(await connection.execute(query, now, age // _MILLISECOND, limit))
        return erased

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            pool = await self._ready_pool()
            async with pool.acquire(timeout=_SECONDS) as connection:
                try:
                    yield connection
                except asyncpg.InternalClientError:
                    # Its state is unknown, so the pool replaces it.
                    connection.terminate()
                    raise
        except _LOST as error:
            # The text of the driver may contain the URL with the password.
            raise StoreUnavailableError(f"the store is not available: {type(error).__name__}") from error

    async def _ready_pool(self) -> Any:
        if self._pool is not None:
            return self._pool
        # While another request waits for a database that does not respond, this one has the same timeout.
        async with asyncio.timeout(_SECONDS):
            await self._connecting.acquire()
        try:
            if self._pool is None:
                pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=_MAX_CONNECTIONS,
                    timeout=_SECONDS,
                    command_timeout=self._seconds,
                    # Through a pooler, a statement that is prepared for later may be on another connection then.
                    statement_cache_size=0,
                )
                try:
                    async with pool.acquire(timeout=_SECONDS) as connection:
                        await _migrate(connection)
                except ValueError:
                    pool.terminate()
                    where = display_address(self._url)
                    raise StoreUnavailableError(f"{where}: the address is not valid; {ENCODE_PASSWORD}") from None
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
            return self._pool
        finally:
            self._connecting.release()


async def _migrate(connection: Any) -> None:
    """Update the schema while every other pod waits."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute("CREATE TABLE IF NOT EXISTS serin_schema (version integer NOT NULL)")
        version = await connection.fetchval("SELECT coalesce(max(version), 0) FROM serin_schema")
        # A newer schema only adds, so that pods of both versions work during an update.
        for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
            await connection.execute(statements)
            await connection.execute("INSERT INTO serin_schema VALUES ($1)", number)


async def _erase(connection: Any, user_id: str) -> Erased:
    feedback = _rows(
        await connection.execute(
            "DELETE FROM serin_feedback WHERE txn_id IN (SELECT txn_id FROM serin_transactions WHERE user_id = $1)",
            user_id,
        )
    )
    counted = 0
    models = await connection.fetch(
        "SELECT uid, run_id FROM serin_feedback UNION SELECT uid, run_id FROM serin_users_compared"
    )
    for uid, run in models:
        users = user_hashes(user_id, uid=uid, run=run)
        marks = [user_mark(user, agree) for user in users for agree in (Agree.TRUE, Agree.NONE)]
        found, marked = list(map(as_signed, users)), list(map(as_signed, marks))
        feedback += _rows(
            await connection.execute(
                "DELETE FROM serin_feedback WHERE uid = $1 AND run_id = $2 AND user_hash = ANY($3)", uid, run, found
            )
        )
        counted += _rows(
            await connection.execute(
                "DELETE FROM serin_users_compared WHERE uid = $1 AND run_id = $2 AND user_hash = ANY($3)",
                uid,
                run,
                marked,
            )
        )
    transactions = _rows(await connection.execute("DELETE FROM serin_transactions WHERE user_id = $1", user_id))
    return Erased(transactions, feedback, counted)


def _rows(status: str) -> int:
    """Return the number of rows in the status of a command, like "DELETE 3"."""
    return int(status.rpartition(" ")[2])
