"""Opens the store of the settings. Drivers are imported only if they are used."""

from serin_server.settings import NoStoreSettings, PostgresSettings, SqliteSettings, StoreSettings
from serin_server.stores.memory import Memory
from serin_server.stores.store import Store


def open_store(settings: StoreSettings, *, uid: str) -> Store:
    """Return the store. Raises StoreUnavailableError if a file cannot be opened; a database is connected later."""
    match settings:
        case NoStoreSettings():
            return Memory()
        case SqliteSettings(path=path):
            from serin_server.stores.sqlite import Sqlite  # noqa: PLC0415

            return Sqlite(path)
        case PostgresSettings(url=url):
            from serin_server.stores.postgres import Postgres  # noqa: PLC0415

            return Postgres(url, uid=uid)
