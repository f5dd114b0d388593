"""Nothing is kept for longer than it may be, and a user who wants to be forgotten is."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from server.fakes import CANDIDATE, FakeClock, routing, transaction
from server.stores.conftest import feedback

from serin_core.contract.routing import salt as protocol_salt
from serin_server import retention
from serin_server.event_ids import Event
from serin_server.metrics.counters import Agree, Arm, Counters, Outcome, StageKey, user_mark
from serin_server.retention import Retention
from serin_server.routing.serving_state import serve
from serin_server.stores.memory import Memory
from serin_server.stores.postgres import Postgres
from serin_server.stores.rows import LOCAL_UID
from serin_server.stores.sqlite import Sqlite
from serin_server.stores.store import Erased, Feedback, Store, StoreAbsentError, StoreUnavailableError

pytestmark = pytest.mark.anyio

KEY = StageKey(CANDIDATE, 5)

USER = "u1"
OLD = timedelta(days=400)
NOW = int(datetime.now(tz=UTC).timestamp() * 1000)
YEAR = 365 * 86_400_000


def said_of(txn_id: str, *, user: str = USER, uid: str, run: str = CANDIDATE, on_trial: bool = True) -> Feedback:
    """Feedback as an answer to this user brings it: the hash is the routing's own."""
    document = routing(uid=uid, candidate=run, percent=10 if on_trial else None)
    document = document.model_copy(update={"salt": protocol_salt(uid, run if on_trial else "")})
    hashed = serve(document, announced=1, loaded={}, counters=Counters()).user_hash(user)
    event = Event(at=1, user=hashed, txn_id=txn_id, run_id=run, stage=5, arm=Arm.CANARY, label="Dining")
    return Feedback(event, at=NOW, outcome=Outcome.ACCEPTED, label="Dining")


def uid_of(store: Store) -> str:
    return LOCAL_UID if isinstance(store, Sqlite) else "u"


async def test_a_user_is_erased_with_all_feedback_and_nobody_else(keeping: Store) -> None:
    uid = uid_of(keeping)
    await keeping.save([transaction("1"), transaction("2"), transaction("3", user_id="u2")])
    kept = said_of("3", user="u2", uid=uid)
    # The last two are of transactions that came with a request, while the run was on trial and after it.
    for one in (feedback("1"), said_of("4", uid=uid), said_of("5", uid=uid, on_trial=False), kept):
        assert await keeping.record(one)
    for dry_run in (True, False):
        erased = await keeping.erase(USER, dry_run=dry_run)
        assert (erased.transactions, erased.feedback) == (2, 3)
    assert list(await keeping.fetch(["1", "2", "3"])) == ["3"]
    assert not await keeping.record(kept)
    assert await keeping.erase(USER, dry_run=False) == Erased(0, 0, 0)


async def test_without_a_store_there_is_nobody_to_erase() -> None:
    with pytest.raises(StoreAbsentError):
        await Memory().erase(USER, dry_run=True)
    assert await Memory().expire(OLD, now=NOW, limit=1) == 0


@pytest.mark.postgres
async def test_that_a_user_was_counted_is_erased_as_well(postgres: Postgres) -> None:
    hashed = said_of("1", uid="u").event.user
    marks = [user_mark(hashed, agree) for agree in (Agree.TRUE, Agree.NONE)]
    await postgres.first_compared(KEY, [*marks, 7])
    assert (await postgres.erase(USER, dry_run=False)).counted == 2
    assert set(await postgres.first_compared(KEY, [*marks, 7])) == set(marks)


async def test_what_is_old_is_erased_in_steps_and_what_is_young_stays(keeping: Store) -> None:
    await keeping.save([transaction(str(number)) for number in range(5)])
    assert await keeping.expire(OLD, now=NOW, limit=2) == 0
    for number in range(3):
        await keeping.record(feedback(str(number)))  # said in 1970
    assert [await keeping.expire(OLD, now=NOW, limit=2) for _ in range(3)] == [2, 1, 0]
    assert len(await keeping.fetch([str(number) for number in range(5)])) == 5


async def test_a_file_goes_by_the_clock_that_it_is_given(sqlite: Store) -> None:
    await sqlite.save([transaction("1")])
    assert await sqlite.expire(OLD, now=NOW + YEAR, limit=10) == 0
    assert await sqlite.expire(OLD, now=NOW + 2 * YEAR, limit=10) == 1
    assert await sqlite.fetch(["1"]) == {}


@pytest.mark.postgres
async def test_a_pod_whose_clock_is_years_ahead_erases_nothing_of_today(postgres: Postgres) -> None:
    await postgres.save([transaction("1")])
    assert await postgres.expire(OLD, now=NOW + 10 * YEAR, limit=10) == 0
    await age(postgres, timedelta(days=401))
    # Nor does one whose clock is behind.
    assert await postgres.expire(OLD, now=NOW - YEAR, limit=10) == 0
    assert await postgres.expire(OLD, now=NOW, limit=10) == 1


async def age(postgres: Postgres, by: timedelta) -> None:
    async with postgres._connection() as connection:
        await connection.execute(
            "UPDATE serin_transactions SET saved_at = saved_at - $1", by // timedelta(milliseconds=1)
        )


@pytest.mark.postgres
async def test_pods_that_erase_at_once_share_the_work(empty: str) -> None:
    pods = [Postgres(empty, uid="u") for _ in range(4)]
    await pods[0].save([transaction(str(number)) for number in range(1000)])
    await age(pods[0], timedelta(days=401))
    erased = 0
    while steps := sum(await asyncio.gather(*(pod.expire(OLD, now=NOW, limit=100) for pod in pods))):
        erased += steps
    assert erased == 1000
    for pod in pods:
        await pod.close()


class FakeStore(Memory):
    """A number of old rows; each step deletes at most `limit` of them. May be unavailable."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.is_away, self.asked = rows, False, [0]

    async def expire(self, age: timedelta, *, now: int, limit: int) -> int:
        if self.is_away:
            raise StoreUnavailableError("the store does not answer")
        erased = min(self.rows, limit)
        self.rows -= erased
        self.asked.append(now)
        return erased


async def nobody_waits(_: float) -> None:
    pass


def keeper(store: Store, clock: FakeClock) -> Retention:
    return Retention(store, age=OLD, clock=clock, sleep=nobody_waits)


async def test_old_rows_go_in_small_steps() -> None:
    store, clock = FakeStore(3 * retention.BATCH + 1), FakeClock()
    await keeper(store, clock).check(OLD)
    assert store.rows == 0
    assert len(store.asked) == 1 + 5


@pytest.mark.parametrize(
    "jump", [3600.0, -3600.0, 10 * 365 * 86_400.0], ids=["an hour on", "an hour back", "ten years"]
)
async def test_a_clock_that_has_just_jumped_erases_nothing_until_it_goes_evenly(jump: float) -> None:
    store, clock = FakeStore(1), FakeClock()
    keeping = keeper(store, clock)
    clock.advance(3600)
    clock.time += jump
    await keeping.check(OLD)
    assert store.rows == 1
    clock.advance(3600)
    await keeping.check(OLD)
    assert store.rows == 0


async def test_a_store_that_is_away_is_asked_again_later() -> None:
    store, clock = FakeStore(1), FakeClock()
    keeping = keeper(store, clock)
    store.is_away = True
    await keeping.check(OLD)
    store.is_away = False
    await keeping.check(OLD)
    assert store.rows == 0


async def test_where_nothing_is_said_everything_is_kept() -> None:
    await Retention(Memory(), age=None, clock=FakeClock(), sleep=nobody_waits).run()


def serin_data_erase(*arguments: str, **environment: str) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from serin_server.commands.erase import app; app()", *arguments]
    ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def is_found_in(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in folder.iterdir())


async def test_the_command_erases_says_how_much_and_can_rehearse(tmp_path: Path) -> None:
    store = Sqlite(tmp_path / "data.db")
    await store.save([transaction("1", merchant="ONLY HERE"), transaction("2", user_id="u2")])
    await store.record(feedback("1"))
    await store.close()
    at = f"sqlite:///{tmp_path}/data.db"
    said = "1 transactions, 1 feedback, 0 counting marks\n"
    assert serin_data_erase("--user", USER, "--store", at, "--dry-run") == (0, f"would be erased: {said}", "")
    assert serin_data_erase("--user", USER, SERIN_STORE=at) == (0, f"erased: {said}", "")
    code, out, _ = serin_data_erase("--user", USER, "--store", at, "-o", "json")
    assert (code, json.loads(out)) == (0, {"transactions": 0, "feedback": 0, "counted": 0})
    assert not is_found_in(tmp_path, b"ONLY HERE"), "it can still be read"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--user", " "), 2, "--user: it is empty; give the user_id of a user"),
        (("--user", "u", "--store", "none"), 2, "--store: none has no data; give the store with the data"),
        (("--user", "u", "--store", "sqlite:////nowhere/x"), 2, "--store: /nowhere/x: no such file"),
        (
            ("--user", "u", "--store", "postgresql://me:secret@127.0.0.1:1/db"),
            1,
            "the store is not available: ConnectionRefusedError; nothing was erased",
        ),
    ],
    ids=["nobody", "no store", "no file", "no database"],
)
def test_what_cannot_be_done_is_one_line(arguments: tuple[str, ...], code: int, message: str) -> None:
    assert serin_data_erase(*arguments) == (code, "", f"serin data erase: {message}\n")
