"""Publish a trained run to a registry: its files, and `latest` if its acceptance gate passed."""

import io
import json
import pickle

import joblib

from serin_core.model import manifest
from serin_core.model.parity import parity_text
from serin_registry.errors import RunRefusedError
from serin_registry.verification import StoredRun, read_run_files
from serin_training.lexicon.outside import licences
from serin_training.recalibration import RecalibratedRun
from serin_training.registry.keys import Sign
from serin_training.registry.writer import Registry
from serin_training.sklearn_pipeline import to_sklearn
from serin_training.training import TrainedRun


def publish(run: TrainedRun, registry: Registry, *, page: str | None = None, sign: Sign | None = None) -> str:
    """Store a run and return where it is; `latest` moves to it if its report says `deployed`.

    `page` is the report as HTML, stored beside the JSON report. `sign` signs the manifest; without it the run is not
    signed. Raises RegistryError.
    """
    files = run_files(run) | ({} if page is None else {manifest.PAGE: page.encode()})
    place = registry.publish(run.name, files, sign=sign)
    if run.report.deployed:
        registry.point_latest(run.name)
    return place


def publish_recalibrated(run: RecalibratedRun, of: StoredRun, registry: Registry, *, sign: Sign | None = None) -> str:
    """Store a run that was recalibrated from a stored one, and return where it is; see `publish`. Raises RegistryError.

    The HTML report is left out: it shows the confidence before.
    """
    same = set(of.manifest.files) - set(run.files) - {manifest.PAGE}
    found, files = read_run_files(registry, of.name, {manifest.REPORT, *same})
    if found.digest != of.digest:
        raise RunRefusedError(f"{of.name}: it was replaced while it was read")
    place = registry.publish(run.name, {**files, **run.files}, sign=sign)
    if run.report.deployed:
        registry.point_latest(run.name)
    return place


def run_files(run: TrainedRun) -> dict[str, bytes]:
    """Return every file of a run but the manifest, by name."""
    encoder, weights = run.pipeline.encoder.to_files()
    files = {
        manifest.REPORT: run.report.model_dump_json(indent=2).encode() + b"\n",
        manifest.CLASSES: _json(run.pipeline.classes),
        manifest.MODEL: run.pipeline.trees.text.encode(),
        manifest.ENCODER: _json(encoder),
        manifest.WEIGHTS: weights,
        manifest.CALIBRATION: _json(run.pipeline.calibration.to_json()),
        manifest.PARITY: parity_text(run.parity),
        manifest.PIPELINE: _joblib(to_sklearn(run.pipeline)),
    }
    if run.report.outside_words:
        files[manifest.NOTICE] = licences().encode()
    if run.report.calibration_enabled:
        files[manifest.CALIBRATOR] = pickle.dumps(dict(run.calibrators.regressions))
    return files


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _joblib(value: object) -> bytes:
    target = io.BytesIO()
    joblib.dump(value, target)
    return target.getvalue()
