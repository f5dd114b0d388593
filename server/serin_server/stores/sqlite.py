"""A store in one file, for the single process of `serin serve`.

All work is done in one thread, so that the event loop never waits for a disk. Migrations only go forward; a file of a
newer version is rejected.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from serin_core.model.features import Transaction
from serin_server.event_ids import Event
from serin_server.metrics.counters import Outcome
from serin_server.stores.rows import (
    COLUMNS,
    LOCAL_UID,
    as_signed,
    feedback_row,
    transaction_of,
    transaction_row,
    user_hashes,
)
from serin_server.stores.store import Erased, Feedback, Recorded, StoreUnavailableError

_T = TypeVar("_T")

_MIGRATIONS: Final = (
    """
    CREATE TABLE transactions (
        txn_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, at TEXT, merchant TEXT NOT NULL, description TEXT NOT NULL,
        amount REAL NOT NULL, channel TEXT NOT NULL
    ) STRICT;
    CREATE TABLE feedback (
        identity BLOB PRIMARY KEY, txn_id TEXT NOT NULL, at INTEGER NOT NULL, answered_at INTEGER NOT NULL,
        run_id TEXT NOT NULL, stage INTEGER NOT NULL, arm TEXT NOT NULL, suggested TEXT NOT NULL,
        outcome TEXT, label TEXT NOT NULL
    ) STRICT;
    CREATE INDEX feedback_by_transaction ON feedback (txn_id);
    """,
    """
    ALTER TABLE transactions ADD COLUMN saved_at INTEGER NOT NULL DEFAULT 0;
    UPDATE transactions SET saved_at = strftime('%s', 'now') * 1000;
    ALTER TABLE feedback ADD COLUMN user_hash INTEGER;
    CREATE INDEX transactions_by_user ON transactions (user_id);
    CREATE INDEX transactions_by_age ON transactions (saved_at);
    CREATE INDEX feedback_by_age ON feedback (at);
    CREATE INDEX feedback_by_user ON feedback (run_id, user_hash);
    """,
)
_FEEDBACK: Final = "identity, txn_id, at, answered_at, run_id, stage, arm, suggested, outcome, label, user_hash"
_MILLISECOND: Final = timedelta(milliseconds=1)


class Sqlite:
    """Transactions and feedback in one file."""

    def __init__(self, path: Path, *, seconds: float = 2.0) -> None:
        """Open or create the file; wait at most `seconds` for a lock. Raises StoreUnavailableError."""
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        try:
            self._connection = self._thread.submit(_open, path, seconds).result()
        except sqlite3.Error as error:
            self._thread.shutdown()
            raise StoreUnavailableError(f"{path}: {error}") from None

    async def save(self, transactions: Sequence[Transaction]) -> None:
        """Store transactions; one with a known txn_id replaces the older one."""
        rows = [transaction_row(transaction) for transaction in transactions]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                f"INSERT OR REPLACE INTO transactions ({COLUMNS}, saved_at) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, strftime('%s', 'now') * 1000)",
                rows,
            )

        await self._do(work)

    async def fetch(self, txn_ids: Collection[str]) -> Mapping[str, Transaction]:
        """Return the stored transactions by txn_id."""
        marks = ", ".join("?" * len(txn_ids))

        def work(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            query = f"SELECT {COLUMNS} FROM transactions WHERE txn_id IN ({marks})"  # noqa: S608 - marks are "?"
            return connection.execute(query, tuple(txn_ids)).fetchall()

        return {transaction.txn_id: transaction for transaction in map(transaction_of, await self._do(work))}

    async def record(self, feedback: Feedback) -> bool:
        """Store feedback if it is the first on its suggestion, and return whether it was."""
        row = feedback_row(feedback)

        def work(connection: sqlite3.Connection) -> bool:
            marks = ", ".join("?" * len(row))
            query = f"INSERT OR IGNORE INTO feedback ({_FEEDBACK}) VALUES ({marks})"  # noqa: S608 - marks are "?"
            return connection.execute(query, row).rowcount == 1

        return await self._do(work)

    async def recorded(self, event: Event) -> Recorded | None:
        """Return the feedback on a suggestion, None if there is none."""

        def work(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            query = "SELECT outcome, label FROM feedback WHERE identity = ?"
            return connection.execute(query, (event.identity,)).fetchall()

        return next((Recorded(Outcome(outcome), label) for outcome, label in await self._do(work)), None)

    async def erase(self, user_id: str, *, dry_run: bool) -> Erased:
        """Delete all transactions and feedback of a user."""

        def work(connection: sqlite3.Connection) -> Erased:
            runs = [run for (run,) in connection.execute("SELECT DISTINCT run_id FROM feedback")]
            feedback = connection.execute(
                "DELETE FROM feedback WHERE txn_id IN (SELECT txn_id FROM transactions WHERE user_id = ?)", (user_id,)
            ).rowcount
            for run in runs:
                for user in user_hashes(user_id, uid=LOCAL_UID, run=run):
                    feedback += connection.execute(
                        "DELETE FROM feedback WHERE run_id = ? AND user_hash = ?", (run, as_signed(user))
                    ).rowcount
            transactions = connection.execute("DELETE FROM transactions WHERE user_id = ?", (user_id,)).rowcount
            if dry_run:
                connection.rollback()
            return Erased(transactions, feedback, counted=0)

        erased = await self._do(work)
        if not dry_run:
            # Until then the deleted rows could still be read in the write-ahead log.
            await self._do(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        return erased

    async def expire(self, age: timedelta, *, now: int, limit: int) -> int:
        """Delete rows older than `age`, at most `limit` of each kind, and return their number."""
        before = now - age // _MILLISECOND

        def work(connection: sqlite3.Connection) -> int:
            return sum(
                connection.execute(
                    f"DELETE FROM {table} WHERE rowid IN "  # noqa: S608 - constant names
                    f"(SELECT rowid FROM {table} WHERE {column} < ? LIMIT ?)",
                    (before, limit),
                ).rowcount
                for table, column in (("transactions", "saved_at"), ("feedback", "at"))
            )

        return await self._do(work)

    async def close(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        def in_transaction() -> _T:
            with self._connection:
                return work(self._connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, in_transaction)
        except (sqlite3.Error, RuntimeError) as error:
            raise StoreUnavailableError(f"the store {self._path.name} is not available: {error}") from None


def _open(path: Path, seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=seconds)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # Deleted rows are overwritten.
    connection.execute("PRAGMA secure_delete = ON")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_MIGRATIONS):
        raise sqlite3.DatabaseError(f"written by a newer version (schema {version}, known {len(_MIGRATIONS)})")
    for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN; {statements} PRAGMA user_version = {number}; COMMIT;")
    return connection
