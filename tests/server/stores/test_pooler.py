"""A connection pooler such as PgBouncer, which gives each transaction another connection to the database."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from server.fakes import CANDIDATE, transaction
from server.stores.conftest import feedback

from serin_localcluster.controlplane import free_port
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


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)


@contextlib.contextmanager
def pooled(database: str, folder: Path) -> Iterator[str]:
    """Start PgBouncer in transaction mode in front of a database, with two connections to it, and yield its address."""
    parts = urlsplit(database)
    place = dict(parse_qsl(parts.query))
    port, users = free_port(), folder / "users.txt"
    users.write_text(f'"{parts.username}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"""
        [databases]
        postgres = host={place["host"]} user={parts.username}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = trust
        auth_file = {users}
        pool_mode = transaction
        default_pool_size = 2
        """
    )
    # It refuses to run as root, and then the database is another user's.
    user = ("--user", (Path(place["host"]) / "PG_VERSION").owner()) if os.geteuid() == 0 else ()
    folder.chmod(0o755)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["pgbouncer", *user, folder / "pgbouncer.ini"], stdout=log, stderr=log)
    try:
        wait_until_listening(port)
        yield f"postgresql://{parts.username}@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="needs PgBouncer (Debian: apt-get install pgbouncer)")
async def test_two_connections_to_the_database_serve_many_at_once(empty: str) -> None:
    async def work(worker: int) -> int:
        written = 0
        for number in range(20):
            txn_id = f"{worker}-{number}"
            await store.save([transaction(txn_id)])
            assert list(await store.fetch([txn_id])) == [txn_id]
            written += await store.record(feedback(txn_id))
        return written

    with tempfile.TemporaryDirectory(prefix="serin-pool-") as folder, pooled(empty, Path(folder)) as address:
        store = Postgres(address, uid="u")
        assert sum(await asyncio.gather(*map(work, range(16)))) == 16 * 20
        await store.close()
