"""Training data in a database: a table with the columns of a CSV, or the store of a server.

    sqlite:///FILE            postgresql://HOST/DATABASE            a server's store: labels are its users' feedback
    sqlite:///FILE#TABLE      postgresql://HOST/DATABASE#TABLE      a table or view with the columns of a CSV

Only reads, in chunks and in one transaction, so that a server can write meanwhile. Messages hold neither user nor
password.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, Self

import asyncpg

from serin_core.contract.addresses import ENCODE_PASSWORD, HIDDEN, display_address, is_table_name
from serin_training.data.data_map import NATIVE, DataMap
from serin_training.data.rows import Label, LabelOrigin, Row
from serin_training.data.validation import check_record, check_records
from serin_training.errors import DataError, SourceBrokenError

SQLITE: Final = "sqlite:///"
POSTGRES: Final = ("postgresql://", "postgres://")
DATABASES: Final = (SQLITE, *POSTGRES)
_CHUNK: Final = 10_000
_SECONDS: Final = 20.0
_AGAIN: Final = "nothing was stored; check the database and run the command again"
Record = Mapping[str, Any]


class Reader(Protocol):
    """An open database, in one transaction."""

    def select(self, query: str) -> Iterator[Record]:
        """Yield the rows of a query."""

    def columns(self, table: str) -> list[str]:
        """Return a table's columns, none if there is no such table."""


@dataclass(frozen=True, slots=True)
class Database:
    """Implements rows.DataSource."""

    name: str
    """The address without secrets."""
    url: str = field(repr=False)
    table: str | None
    """None: a server's store."""
    data_map: DataMap = NATIVE
    """Of a table; a store has Serin's format."""

    @classmethod
    def parse(cls, text: str, data_map: DataMap = NATIVE) -> Self:
        """Parse a URL. Raises DataError."""
        name = display_address(text)
        url, _, table = text.partition("#")
        if table and not is_table_name(table):
            raise DataError(f"{name}: what follows the # is not the name of a table{_hint(name)}")
        if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).is_file():
            raise DataError(f"{name}: there is no such file; an absolute path begins with a fourth slash")
        return cls(name=name, url=url, table=table or None, data_map=data_map)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the table, or of the store. Raises DataError."""
        with self._open() as reader:
            if self.table is not None:
                yield from self._table_rows(reader, self.table)
            else:
                yield from self._stored_rows(reader)

    def feedback(self) -> Iterator[tuple[str, Label]]:
        """Yield the users' feedback by transaction, none from a table. Raises DataError."""
        if self.table is not None:
            return
        with self._open() as reader:
            feedback = f"{self._prefix(reader)}feedback"
            for record in reader.select(f"SELECT txn_id, at, suggested, outcome, label FROM {feedback}"):  # noqa: S608
                label = _label(record)
                if label is not None:
                    yield record["txn_id"], label

    def fingerprint(self) -> str:
        """Return "": only reading every row shows whether one has changed."""
        return ""

    def assumptions(self) -> tuple[str, ...]:
        """Return how a table is read, if not in Serin's own format."""
        return () if self.table is None else self.data_map.assumptions(self.table)

    def _open(self) -> AbstractContextManager[Reader]:
        return _open_sqlite(self.name, self.url) if self.url.startswith(SQLITE) else _open_postgres(self.name, self.url)

    def _table_rows(self, reader: Reader, table: str) -> Iterator[Row]:
        columns = reader.columns(table)
        if not columns:
            raise DataError(f"{self.name}: there is no such table")
        self.data_map.check_columns(self.name, columns)
        records = reader.select(f"SELECT * FROM {_quoted(table)}")  # noqa: S608
        yield from check_records(self.name, enumerate(records, start=1), data_map=self.data_map)

    def _stored_rows(self, reader: Reader) -> Iterator[Row]:
        table = f"{self._prefix(reader)}transactions"
        query = f"SELECT txn_id, user_id, at, merchant, description, amount, channel FROM {table}"  # noqa: S608
        for record in reader.select(query):
            if record["at"] is not None:
                yield check_record(
                    {**record, "timestamp": record["at"], "category": ""},
                    f"{self.name}, transaction {record['txn_id']!r}",
                    self.data_map.zone_info(),
                )

    def _prefix(self, reader: Reader) -> str:
        """Return what the names of the store's tables begin with."""
        for prefix in ("serin_", ""):
            if reader.columns(f"{prefix}transactions") and reader.columns(f"{prefix}feedback"):
                return prefix
        raise DataError(f"{self.name}: it is not the store of a server; add #TABLE to read a table")


def _label(record: Record) -> Label | None:
    at = datetime.fromtimestamp(record["at"] / 1000, tz=UTC)
    # A server also writes the label of an accepted suggestion, which is no choice of the user's own.
    if record["outcome"] == "accepted":
        category, origin = record["label"] or record["suggested"], LabelOrigin.ACCEPTED
    elif record["label"]:
        category, origin = record["label"], LabelOrigin.WRITTEN
    else:
        category, origin = record["suggested"], LabelOrigin.REJECTED
    return Label(category, at, origin) if category else None


def _quoted(table: str) -> str:
    return ".".join(f'"{part}"' for part in table.split("."))


@dataclass(frozen=True, slots=True)
class _Sqlite:
    connection: sqlite3.Connection

    def select(self, query: str) -> Iterator[Record]:
        cursor = self.connection.execute(query)
        while chunk := cursor.fetchmany(_CHUNK):
            yield from map(dict, chunk)

    def columns(self, table: str) -> list[str]:
        schema, _, name = table.rpartition(".")
        where = f'"{schema}".' if schema else ""
        return [row["name"] for row in self.connection.execute(f'PRAGMA {where}table_info("{name}")')]


@contextmanager
def _open_sqlite(name: str, url: str) -> Iterator[Reader]:
    path, is_open = Path(url.removeprefix(SQLITE)).absolute(), False
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_SECONDS)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            # Fails unless the file is a database at all.
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
            is_open = True
            yield _Sqlite(connection)
    except sqlite3.Error as error:
        if is_open:
            raise SourceBrokenError(f"{name}: reading broke off: {error}; {_AGAIN}") from None
        raise DataError(f"{name}: {error}; expected a readable SQLite database") from None


@dataclass(frozen=True, slots=True)
class _Postgres:
    connection: Any
    loop: asyncio.AbstractEventLoop

    def select(self, query: str) -> Iterator[Record]:
        cursor = self.loop.run_until_complete(self._cursor(query))
        while chunk := self.loop.run_until_complete(cursor.fetch(_CHUNK)):
            yield from map(dict, chunk)

    async def _cursor(self, query: str) -> Any:
        return await self.connection.cursor(query)

    def columns(self, table: str) -> list[str]:
        query = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped"
        found = self.loop.run_until_complete(self.connection.fetch(query, _quoted(table)))
        return [row["attname"] for row in found]


@contextmanager
def _open_postgres(name: str, url: str) -> Iterator[Reader]:
    loop = asyncio.new_event_loop()
    try:
        connection = loop.run_until_complete(_connect(name, url))
        try:
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            loop.run_until_complete(transaction.start())
            yield _Postgres(connection, loop)
            loop.run_until_complete(transaction.rollback())
        finally:
            connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise SourceBrokenError(f"{name}: reading broke off: {type(error).__name__}; {_AGAIN}") from None
    finally:
        loop.close()


async def _connect(name: str, url: str) -> Any:
    try:
        # Through a pooler, a statement that is prepared for later may be on another connection then.
        return await asyncpg.connect(url, timeout=_SECONDS, statement_cache_size=0)
    except Exception as error:  # noqa: BLE001 - whatever the address provokes; the message may repeat it
        raise DataError(f"{name}: cannot connect to the database: {type(error).__name__}{_hint(name)}") from None


def _hint(name: str) -> str:
    return f"; {ENCODE_PASSWORD}" if HIDDEN in name else ""
