import asyncio
from collections.abc import Mapping

import pytest
from server.fakes import CANDIDATE, STABLE, FakeRegistry, FakeRun

from serin_core.contract.documents import LoadedRun
from serin_core.contract.pod_report import LoadState
from serin_server.runs.loaded_runs import Runs
from serin_server.runs.predictor import Loaded

pytestmark = pytest.mark.anyio


class Told:
    """What the rest of the process is told of loaded runs."""

    def __init__(self) -> None:
        self.last: Mapping[str, Loaded] = {}

    def __call__(self, loaded: Mapping[str, Loaded]) -> None:
        self.last = loaded


def named(registry: FakeRegistry, *runs: str) -> tuple[Runs, Told]:
    told = Told()
    all_runs = Runs(registry, changed=told)
    all_runs.set_wanted([LoadedRun(run=run) for run in runs])
    return all_runs, told


async def test_a_run_is_loading_until_it_was_looked_at() -> None:
    runs, told = named(FakeRegistry(FakeRun()), CANDIDATE)
    assert runs.is_loading
    assert runs.reports()[0].state is LoadState.LOADING
    await runs.load()
    assert not runs.is_loading
    assert list(told.last) == [CANDIDATE]


async def test_what_was_found_is_reported_with_digest_and_quality() -> None:
    runs, _ = named(FakeRegistry(FakeRun()), CANDIDATE)
    await runs.load()
    report = runs.reports()[0]
    assert (report.state, report.digest) == (LoadState.LOADED, FakeRun().digest)
    assert report.quality == FakeRun().quality


async def test_a_refused_run_keeps_its_reason_and_leaves_the_others_alone() -> None:
    registry = FakeRegistry(FakeRun(), refused={STABLE: "model.txt: its sha256 is another one"})
    runs, told = named(registry, STABLE, CANDIDATE)
    await runs.load()
    assert [(report.state, report.reason) for report in runs.reports()] == [
        (LoadState.REFUSED, "model.txt: its sha256 is another one"),
        (LoadState.LOADED, ""),
    ]
    assert list(told.last) == [CANDIDATE]


async def test_a_reload_puts_the_new_one_in_the_place_of_the_old_one() -> None:
    registry = FakeRegistry(FakeRun())
    runs, told = named(registry, CANDIDATE)
    await runs.load()
    registry.runs[CANDIDATE] = FakeRun(label="Dining")
    await runs.reload()
    assert told.last[CANDIDATE].predictor is registry.runs[CANDIDATE]


async def test_a_reload_that_fails_leaves_the_one_in_use_and_says_why() -> None:
    registry = FakeRegistry(FakeRun())
    runs, told = named(registry, CANDIDATE)
    await runs.load()
    before = told.last[CANDIDATE]
    registry.refused[CANDIDATE] = "parity row 3 differs"
    await runs.reload()
    assert told.last[CANDIDATE] is before
    assert (runs.reports()[0].state, runs.reports()[0].reason) == (LoadState.LOADED, "parity row 3 differs")


async def test_a_reload_pins_the_digest_in_use_and_never_reads_other_runs() -> None:
    wanted: list[LoadedRun] = []

    def read(run: LoadedRun) -> FakeRun:
        wanted.append(run)
        return FakeRun()

    runs = Runs(read, changed=Told())
    runs.set_wanted([LoadedRun(run=CANDIDATE)])
    await runs.load()
    await runs.reload()
    assert [run.digest for run in wanted] == [None, FakeRun().digest]


async def test_loading_again_reads_nothing_twice() -> None:
    registry = FakeRegistry(FakeRun())
    runs, _ = named(registry, CANDIDATE)
    await runs.load()
    await runs.load()
    assert registry.read == [CANDIDATE]


async def test_a_reader_with_a_fault_refuses_the_run() -> None:
    def read(run: LoadedRun) -> FakeRun:
        raise RuntimeError(f"a fault\nin two lines with {run.run}")

    runs = Runs(read, changed=Told())
    runs.set_wanted([LoadedRun(run=CANDIDATE)])
    await runs.load()
    assert runs.reports()[0].state is LoadState.REFUSED
    assert runs.reports()[0].reason == f"RuntimeError: a fault in two lines with {CANDIDATE}"


async def test_a_registry_that_is_away_leaves_its_runs_loading_and_says_why() -> None:
    registry = FakeRegistry(FakeRun())
    registry.away = "the registry /registry is not there"
    runs, told = named(registry, CANDIDATE)
    await runs.load()
    report = runs.reports()[0]
    assert (report.state, report.reason) == (LoadState.LOADING, "the registry /registry is not there")
    assert told.last == {}


async def test_a_registry_that_was_away_is_asked_again_by_itself_and_ever_less_often() -> None:
    registry = FakeRegistry(FakeRun())
    registry.away = "Stale file handle"
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 6:
            registry.away = ""
        if len(pauses) == 8:
            raise asyncio.CancelledError

    runs = Runs(registry, changed=Told(), sleep=sleep)
    runs.set_wanted([LoadedRun(run=CANDIDATE)])
    with pytest.raises(asyncio.CancelledError):
        await runs.run()
    assert pauses == [3, 6, 12, 24, 30, 30, 3, 3]
    assert registry.read == [CANDIDATE] * 7
    assert (runs.reports()[0].state, runs.reports()[0].reason) == (LoadState.LOADED, "")


@pytest.mark.parametrize("state", [LoadState.LOADED, LoadState.REFUSED])
async def test_a_reload_from_a_registry_that_is_away_forgets_nothing(state: LoadState) -> None:
    registry = FakeRegistry(FakeRun(), refused={CANDIDATE: "no"} if state is LoadState.REFUSED else {})
    runs, _ = named(registry, CANDIDATE)
    await runs.load()
    registry.away = "Input/output error"
    await runs.reload()
    assert runs.reports()[0].state is state
    assert runs.reports()[0].reason == ("no" if state is LoadState.REFUSED else "Input/output error")


async def test_an_absent_run_is_read_again_until_it_is_there_and_stays_in_use_after_it_is_gone() -> None:
    registry = FakeRegistry()
    runs, told = named(registry, CANDIDATE)
    await runs.load()
    report = runs.reports()[0]
    assert (report.state, report.absent, report.reason) == (
        LoadState.LOADING,
        True,
        f"{CANDIDATE} is not in the registry",
    )
    assert runs.refused() == {CANDIDATE: False}
    registry.runs[CANDIDATE] = FakeRun()
    await runs.load()
    assert list(told.last) == [CANDIDATE]
    del registry.runs[CANDIDATE]
    await runs.reload()
    assert list(told.last) == [CANDIDATE]
    assert runs.reports()[0].reason == f"{CANDIDATE} is not in the registry"
    assert runs.refused() == {CANDIDATE: False}
