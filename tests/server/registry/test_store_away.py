"""A store that limits requests, or is away: the pod serves what it has, reports why, and loads by itself later."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry.conftest import RUN, Files
from registry.s3 import between, serving
from server.fakes import UID, Mounted
from server.http.running_service import bought, running

from serin_core.contract.documents import CandidateRun, LoadedRun, RoutingDocument, Thresholds
from serin_core.contract.pod_report import LoadState
from serin_core.model.manifest import Manifest, digest
from serin_registry.cache import DirectoryCache
from serin_server.metrics.counters import Counters
from serin_server.routing.serving_state import Switch
from serin_server.runs.loaded_runs import FIRST_PAUSE, Runs
from serin_server.runs.loader import RegistryReader
from serin_training.registry.object_store import ObjectRegistry

pytestmark = pytest.mark.anyio

LIMITED = "the store limits the rate of requests; wait, or raise its limits"


@pytest.fixture
def is_limited(bucket: str, files: Files, s3: str, endpoint: Any) -> Iterator[threading.Event]:
    """A bucket with RUN, which limits all requests while the event is set."""
    ObjectRegistry(bucket).publish(RUN, files)
    event = threading.Event()
    event.set()

    class Limited(between(s3, lambda _: True, lambda _: True)):  # type: ignore[misc] - a class made by a function
        def respond(self, status: int, headers: Any, content: bytes) -> None:
            if event.is_set():
                return super().respond(503, [], b"<Error><Code>SlowDown</Code></Error>")
            return super().respond(status, headers, content)

    with serving(Limited) as address:
        endpoint(address)
        yield event


@pytest.fixture
def read(bucket: str, tmp_path: Path) -> RegistryReader:
    return RegistryReader(bucket, cache=DirectoryCache(tmp_path / "cache"))


def routed(files: Files) -> RoutingDocument:
    candidate = CandidateRun(
        run=RUN, digest=digest(Manifest.of(RUN, files).text()), percent=100, thresholds=Thresholds(default=0.0)
    )
    return RoutingDocument(uid=UID, revision=1, stage=1, salt="salt", shadow=True, candidate=candidate)


async def test_rules_and_then_the_run_go_on_while_the_store_limits_requests(
    mounted: Mounted, bucket: str, files: Files, is_limited: threading.Event, read: Any
) -> None:
    mounted.model(RUN, registry=bucket)
    mounted.route(routed(files))
    async with running(mounted, read) as pod:

        async def source_and_report() -> tuple[str, LoadState, str]:
            (item,) = await pod.suggest(bought())
            (report,) = pod.service.report().runs
            return item["source"], report.state, report.reason

        reason = f"the registry {bucket}: {LIMITED}"
        assert await source_and_report() == ("rule", LoadState.LOADING, reason)
        is_limited.clear()
        await pod.service.runs.load()
        assert await source_and_report() == ("model", LoadState.LOADED, "")
        is_limited.set()
        await pod.service.runs.reload()
        # A run whose digest is known is read again from the pod's cache.
        assert await source_and_report() == ("model", LoadState.LOADED, "")


async def test_a_run_is_loaded_by_itself_once_the_store_can_be_read(is_limited: threading.Event, read: Any) -> None:
    pauses: list[float] = []
    is_loaded = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if runs.loaded():
            is_loaded.set()
            await asyncio.Event().wait()
        is_limited.clear()

    runs = Runs(read, changed=Switch(Counters()).set_runs, sleep=sleep)
    runs.set_wanted([LoadedRun(run=RUN)])
    loading = asyncio.create_task(runs.run())
    await asyncio.wait_for(is_loaded.wait(), 60)
    loading.cancel()
    assert pauses == [FIRST_PAUSE, FIRST_PAUSE]
