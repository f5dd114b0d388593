"""Putting a run into a registry: written beside, made durable, renamed into place; then, if it may, `latest` moves.

A reader sees a whole run or none, and a crash leaves at most a hidden `.partial-` directory. Never overwrites a run,
never changes one, and never moves `latest` to a run that the acceptance gate refused.
"""

import io
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import joblib

from serin_core import runs
from serin_training.errors import PublishingError
from serin_training.training import TrainedRun

_DIRECTORY_MODE = 0o755


def publish(run: TrainedRun, registry: Path) -> Path:
    """Store a run and answer its directory; `latest` moves where the report says deployed. Raises PublishingError."""
    root = registry / runs.RUNS_DIRECTORY
    try:
        root.mkdir(parents=True, exist_ok=True)
        directory = _store(root, run.name, run_files(run))
        if run.report.deployed:
            point_latest(root, run.name)
    except OSError as error:
        where = error.filename or root
        raise PublishingError(f"{where}: {error.strerror or error}; the run {run.name} was not deployed") from None
    return directory


def run_files(run: TrainedRun) -> dict[str, bytes]:
    """Answer every file of a run but the manifest, by name."""
    encoder, weights = run.pipeline.encoder.to_files()
    files = {
        runs.REPORT: run.report.model_dump_json(indent=2).encode() + b"\n",
        runs.CLASSES: _json(run.pipeline.classes),
        runs.MODEL: run.pipeline.trees.text.encode(),
        runs.ENCODER: _json(encoder),
        runs.WEIGHTS: weights,
        runs.CALIBRATION: _json(run.pipeline.calibration.to_json()),
        runs.PARITY: runs.parity_text(run.parity),
        runs.PIPELINE: _joblib(run.pipeline),
    }
    if run.report.calibration_enabled:
        files[runs.CALIBRATOR] = pickle.dumps(dict(run.calibrators.regressions))
    return files


def point_latest(root: Path, name: str) -> None:
    """Let `latest` point at a run of this directory, in one step. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix=".latest-", dir=root) as beside:
        link = Path(beside) / runs.LATEST
        link.symlink_to(name)
        link.replace(root / runs.LATEST)
    _sync_directory(root)


def _store(root: Path, name: str, files: Mapping[str, bytes]) -> Path:
    directory = root / name
    if os.path.lexists(directory):
        raise PublishingError(f"{directory}: there is already a run of this name; it is never overwritten, train again")
    partial = Path(tempfile.mkdtemp(prefix=f".partial-{name}-", dir=root))
    try:
        for file, content in files.items():
            _write(partial / file, content)
        _write(partial / runs.MANIFEST, runs.Manifest.of(name, files).text())
        # mkdtemp's own mode would shut out the servers, which run as another user.
        partial.chmod(_DIRECTORY_MODE)
        _sync_directory(partial)
        partial.rename(directory)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync_directory(root)
    return directory


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _joblib(value: object) -> bytes:
    target = io.BytesIO()
    joblib.dump(value, target)
    return target.getvalue()
