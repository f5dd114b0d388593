"""A real run, in a directory and in an S3 on loopback."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from registry.s3 import bucket, endpoint, s3
from training.conftest import write_csv

from serin_core.contract.documents import LoadedRun
from serin_core.model.manifest import MANIFEST, RUNS_DIRECTORY, Manifest, digest
from serin_training.data.reading import read_transactions
from serin_training.registry.publish import run_files
from serin_training.synthetic.generator import generate
from serin_training.training import TrainingConfig, train

__all__ = ["bucket", "endpoint", "s3"]

Files = Mapping[str, bytes]
Write = Callable[[Files], LoadedRun]
RUN = "run_0123abcd_1767225600"


def trained(folder: Path, run_id: str, seed: int) -> dict[str, bytes]:
    rows = read_transactions(write_csv(folder / f"{seed}.csv", generate(rows=2000, seed=seed)))
    return run_files(train(rows, TrainingConfig(run_id=run_id, now=datetime(2026, 1, 1, tzinfo=UTC))))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Every file of RUN but its manifest."""
    return trained(tmp_path_factory.mktemp("run"), "run_0123abcd", 11)


@pytest.fixture(scope="session")
def other_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Every file of another run."""
    return trained(tmp_path_factory.mktemp("other"), "run_4567cdef", 6)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def write(registry: Path) -> Write:
    """Put files of RUN into the directory, with a manifest of them unless they have one, and answer what to ask for."""

    def write(content: Files) -> LoadedRun:
        folder = registry / RUNS_DIRECTORY / RUN
        folder.mkdir(parents=True, exist_ok=True)
        manifest = content.get(MANIFEST, Manifest.of(RUN, content).text())
        for name, one in {**content, MANIFEST: manifest}.items():
            (folder / name).write_bytes(one)
        return LoadedRun(run=RUN, digest=digest(manifest))

    return write
