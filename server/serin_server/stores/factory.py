"""Which store the settings name. Drivers of databases are loaded where one is used: each pod pays for its own alone."""

from serin_server.settings import NoStoreAt, PostgresAt, SqliteAt, StoreAt
from serin_server.stores.memory import Memory
from serin_server.stores.store import Store


def open_store(at: StoreAt, *, uid: str) -> Store:
    """Answer the store that is set. Raises StoreUnavailableError for a bad file; a database may come later."""
    match at:
        case NoStoreAt():
            return Memory()
        case SqliteAt(path=path):
            from serin_server.stores.sqlite import Sqlite  # noqa: PLC0415

            return Sqlite(path)
        case PostgresAt(url=url):
            from serin_server.stores.postgres import Postgres  # noqa: PLC0415

            return Postgres(url, uid=uid)
