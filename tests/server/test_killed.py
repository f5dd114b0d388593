"""Killed at any instant while feedback comes in: whatever was acknowledged is there afterwards."""

import asyncio
import os
import random
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from server.stores.conftest import database
from server.test_process import RULES, started

__all__ = ["database"]

KILLS = 5
CRASHES = 3
SERVE = "from serin_server.commands.serve import app; app()"


def kept_in_file(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {txn_id for (txn_id,) in connection.execute("SELECT txn_id FROM feedback")}
    finally:
        connection.close()


def kept_in_postgres(url: str) -> set[str]:
    async def ask() -> set[str]:
        connection = await asyncpg.connect(url)
        try:
            return {row["txn_id"] for row in await connection.fetch("SELECT txn_id FROM serin_feedback")}
        finally:
            await connection.close()

    return asyncio.run(ask())


class Users:
    """Ask and say what they think of the answer, until nobody answers any more; remember what was acknowledged."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.number = url, number
        self.acknowledged: set[str] = set()
        self.faults: set[int] = set()

    def work(self, worker: int) -> None:
        with httpx.Client(base_url=self.url, timeout=5) as client:
            turn = 0
            while True:
                turn += 1
                txn_id = f"{self.number}-{worker}-{turn}"
                body = {"transactions": [{"txn_id": txn_id, "user_id": "u", "merchant": "LOBLAWS"}]}
                try:
                    event_id = client.post("/agent/suggestions", json=body).json()["items"][0]["event_id"]
                    said = client.post(f"/agent/suggestions/{event_id}/feedback", json={"accepted": True})
                except httpx.TransportError:
                    return
                if said.is_success:
                    self.acknowledged.add(txn_id)
                else:
                    self.faults.add(said.status_code)


@contextmanager
def working(users: Users) -> Iterator[None]:
    """Let four users work until the server ends, and wait for them at the end of the block."""
    workers = [threading.Thread(target=users.work, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    yield
    for worker in workers:
        worker.join()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)


def options(tmp_path: Path, store: str) -> tuple[str, ...]:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "registry").mkdir()
    return ("--registry", str(tmp_path / "registry"), "--rules", str(tmp_path / "rules.yaml"), "--store", store)


def killed_again_and_again(tmp_path: Path, store: str, kept: Callable[[], set[str]]) -> None:
    arguments = options(tmp_path, store)
    acknowledged: set[str] = set()
    chance = random.Random(7)
    for number in range(KILLS):
        with started("-c", SERVE, "--port", "0", *arguments, environment={}) as process:
            users, wanted = Users(process.url, number), chance.randint(1, 60)
            with working(users):
                wait_until(lambda users=users, wanted=wanted: len(users.acknowledged) >= wanted)
                time.sleep(chance.uniform(0, 0.05))
                process.popen.kill()
        assert not users.faults
        acknowledged |= users.acknowledged
    lost = acknowledged - kept()
    assert not lost, f"{len(lost)} of {len(acknowledged)} were lost"
    assert len(acknowledged) > KILLS


def test_a_file_holds_all_feedback_that_was_acknowledged(tmp_path: Path) -> None:
    killed_again_and_again(tmp_path, f"sqlite:///{tmp_path}/data.db", lambda: kept_in_file(tmp_path / "data.db"))


@pytest.mark.postgres
def test_postgres_holds_all_feedback_that_was_acknowledged(tmp_path: Path, database: str) -> None:
    killed_again_and_again(tmp_path, database, lambda: kept_in_postgres(database))


@pytest.mark.postgres
def test_a_database_that_crashes_holds_all_feedback_that_was_acknowledged(tmp_path: Path) -> None:
    """The server goes on: it refuses with 503 while there is no database, and acknowledges again afterwards."""
    import pgserver  # noqa: PLC0415 - only where a database is wanted

    with tempfile.TemporaryDirectory(prefix="serin-pg-", ignore_cleanup_errors=True) as directory:
        database = pgserver.get_server(directory, cleanup_mode="stop")
        arguments = options(tmp_path, database.get_uri())
        with started("-c", SERVE, "--port", "0", *arguments, environment={}) as process:
            users = Users(process.url, 0)
            with working(users):
                for _ in range(CRASHES):
                    before = len(users.acknowledged)
                    wait_until(lambda before=before: len(users.acknowledged) > before + 20)
                    crashed = database.get_pid()
                    # Ended at once, without a checkpoint: it recovers from its log.
                    os.kill(crashed, signal.SIGQUIT)
                    wait_until(lambda crashed=crashed: not Path(f"/proc/{crashed}").exists())
                    database.ensure_postgres_running()
                before = len(users.acknowledged)
                wait_until(lambda: len(users.acknowledged) > before + 20)
                process.popen.kill()
        kept = kept_in_postgres(database.get_uri())
        database.cleanup()
    lost = users.acknowledged - kept
    assert not lost, f"{len(lost)} of {len(users.acknowledged)} were lost"
    assert len(users.acknowledged) > CRASHES * 20
    assert users.faults <= {503}
