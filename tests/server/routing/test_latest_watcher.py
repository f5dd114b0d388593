import logging
from pathlib import Path

import pytest
from server.fakes import CANDIDATE, STABLE, FakeRegistry, FakeRun

from serin_core.contract.documents import Thresholds
from serin_registry.directory import DirectoryReader
from serin_registry.errors import RegistryUnavailableError
from serin_server.metrics.counters import Counters
from serin_server.routing.latest_watcher import LatestWatcher
from serin_server.routing.serving_state import Switch
from serin_server.runs.loaded_runs import Runs
from serin_server.settings import StandaloneMode

pytestmark = pytest.mark.anyio


class Local:
    """A server without operator, and a registry whose `latest` can be pointed elsewhere."""

    def __init__(self, root: Path, registry: FakeRegistry) -> None:
        self.root = root
        (root / "ledger_suggestions").mkdir()
        self.switch = Switch(Counters())
        self.runs = Runs(registry, changed=self.switch.set_runs)
        source = StandaloneMode(
            str(root), shadow=True, percent=50.0, thresholds=Thresholds(default=0.6), calibration=False
        )
        self.watcher = LatestWatcher(
            source, registry=DirectoryReader(root, uri=str(root)), uid="local", runs=self.runs, switch=self.switch
        )

    async def point(self, run: str) -> None:
        beside = self.root / "ledger_suggestions" / ".latest"
        beside.symlink_to(run)
        beside.replace(self.root / "ledger_suggestions" / "latest")
        await self.watcher.check()

    def candidate(self) -> str | None:
        candidate = self.switch.current.candidate
        return None if candidate is None or candidate.loaded is None else candidate.served.run


async def test_without_a_latest_run_rules_answer(tmp_path: Path) -> None:
    local = Local(tmp_path, FakeRegistry())
    assert not local.watcher.has_checked
    await local.watcher.check()
    assert local.watcher.has_checked
    assert local.candidate() is None


async def test_the_latest_run_is_the_candidate_as_the_environment_says(tmp_path: Path) -> None:
    local = Local(tmp_path, FakeRegistry(FakeRun()))
    await local.point(CANDIDATE)
    serving = local.switch.current
    assert serving.candidate is not None
    assert serving.stable is None
    assert (serving.percent, serving.shadow) == (50.0, True)
    served = serving.candidate.served
    assert (served.run, served.thresholds, served.calibration) == (CANDIDATE, Thresholds(default=0.6), False)


async def test_it_is_followed_into_a_stage_of_its_own(tmp_path: Path) -> None:
    local = Local(tmp_path, FakeRegistry(FakeRun(), FakeRun(STABLE)))
    await local.point(STABLE)
    before = local.switch.current
    await local.point(CANDIDATE)
    assert local.candidate() == CANDIDATE
    assert local.switch.current.revision > before.revision
    assert local.switch.current.counts.key != before.counts.key
    assert list(local.runs.loaded()) == [CANDIDATE]


async def test_a_latest_run_that_is_refused_leaves_the_one_before_it(tmp_path: Path) -> None:
    local = Local(tmp_path, FakeRegistry(FakeRun(STABLE), refused={CANDIDATE: "model.txt is missing"}))
    await local.point(STABLE)
    await local.point(CANDIDATE)
    assert local.candidate() == STABLE
    assert [(report.run, report.state.value) for report in local.runs.reports()] == [
        (STABLE, "loaded"),
        (CANDIDATE, "refused"),
    ]


async def test_looking_again_reads_nothing_again(tmp_path: Path) -> None:
    registry = FakeRegistry(FakeRun())
    local = Local(tmp_path, registry)
    await local.point(CANDIDATE)
    await local.watcher.check()
    assert registry.read == [CANDIDATE]


async def test_a_refused_run_that_was_mended_is_served_after_a_reload(tmp_path: Path) -> None:
    registry = FakeRegistry(FakeRun(), refused={CANDIDATE: "model.txt is missing"})
    local = Local(tmp_path, registry)
    await local.point(CANDIDATE)
    registry.refused.clear()
    await local.runs.reload()
    local.watcher.serve_loaded()
    assert local.candidate() == CANDIDATE


async def test_a_latest_run_of_a_registry_that_is_away_is_served_once_it_was_loaded(tmp_path: Path) -> None:
    registry = FakeRegistry(FakeRun())
    registry.away = "Stale file handle"
    local = Local(tmp_path, registry)
    await local.point(CANDIDATE)
    assert local.candidate() is None
    registry.away = ""
    await local.runs.load()
    await local.watcher.check()
    assert local.candidate() == CANDIDATE


class FarAway:
    """A registry whose `latest` can be read, or not."""

    uri = "s3://bucket"
    is_remote = True

    def __init__(self) -> None:
        self.named: str | None = None
        self.away = ""

    def read(self, run: str, file: str, *, max_bytes: int) -> bytes:
        raise NotImplementedError

    def latest(self) -> str | None:
        if self.away:
            raise RegistryUnavailableError(self.away)
        return self.named


async def test_a_registry_that_is_away_changes_nothing_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    local, far = Local(tmp_path, FakeRegistry(FakeRun(), FakeRun(STABLE))), FarAway()
    source = StandaloneMode(far.uri, shadow=True, percent=50.0, thresholds=Thresholds(), calibration=True)
    watcher = LatestWatcher(source, registry=far, uid="local", runs=local.runs, switch=local.switch)
    far.named = CANDIDATE
    await watcher.check()
    far.away, far.named = "the registry s3://bucket: access was denied", STABLE
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await watcher.check()
    assert local.candidate() == CANDIDATE
    assert len(caplog.records) == 1
    far.away = ""
    await watcher.check()
    assert local.candidate() == STABLE


async def test_a_latest_that_names_no_run_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    local = Local(tmp_path, FakeRegistry(FakeRun()))
    await local.point(CANDIDATE)
    with caplog.at_level(logging.WARNING):
        await local.point("/etc")
    assert local.candidate() == CANDIDATE
    assert "it names 'etc', which is no run" in caplog.text
