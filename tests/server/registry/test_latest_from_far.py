"""`serin serve` on an object store: follows what training points `latest` at."""

from pathlib import Path

import pytest
from registry.conftest import RUN, Files

from serin_core.contract.documents import Thresholds
from serin_registry.cache import DirectoryCache
from serin_registry.reader import open_reader
from serin_server.metrics.counters import Counters
from serin_server.routing.latest_watcher import LatestWatcher
from serin_server.routing.serving_state import Switch
from serin_server.runs.loaded_runs import Runs
from serin_server.runs.loader import RegistryReader
from serin_server.settings import StandaloneMode
from serin_training.registry.object_store import ObjectRegistry

pytestmark = pytest.mark.anyio


async def test_latest_of_a_bucket_is_followed(bucket: str, files: Files, tmp_path: Path) -> None:
    switch = Switch(Counters())
    runs = Runs(RegistryReader(bucket, cache=DirectoryCache(tmp_path)), changed=switch.set_runs)
    source = StandaloneMode(bucket, shadow=True, percent=50.0, thresholds=Thresholds(), calibration=True)
    watcher = LatestWatcher(source, registry=open_reader(bucket), uid="local", runs=runs, switch=switch)

    await watcher.check()
    assert switch.current.candidate is None
    ObjectRegistry(bucket).publish(RUN, files)
    ObjectRegistry(bucket).point_latest(RUN)
    await watcher.check()
    candidate = switch.current.candidate
    assert candidate is not None
    assert candidate.served.run == RUN
    assert candidate.loaded is not None
