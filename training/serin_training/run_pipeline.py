"""A run as one object, from transactions to predictions. Evaluation and parity rows are made with it.

Servers do not use this class: they read the run's plain files and must compute the same. Nothing here fits a model. A
stored run is hashed first, then opened; no pickle is among its files.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from serin_core.model import manifest as runs
from serin_core.model.calibration import Calibration, CalibrationError
from serin_core.model.encoder import Encoder, EncoderError, probabilities
from serin_core.model.features import NUMBERS, Transaction
from serin_core.model.lightgbm_text import checked_trees
from serin_core.model.manifest import RunError
from serin_core.model.values import unix_time
from serin_registry.errors import RunRefusedError
from serin_registry.reader import Reader
from serin_registry.verification import StoredRun, read_run_files
from serin_training.arrays import Floats
from serin_training.trees import Trees


@dataclass(frozen=True, slots=True)
class RunPipeline:
    """Encoder, trees and calibration of one run."""

    encoder: Encoder
    trees: Trees
    calibration: Calibration

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes, in the order of the columns of predict_proba."""
        return self.encoder.classes

    def predict_proba(self, transactions: Sequence[Transaction]) -> Floats:
        """Return raw (uncalibrated) probabilities of shape (transactions, classes)."""
        scores = np.array([self.encoder.scores(one) for one in transactions])
        numbers = np.array([self.encoder.numbers(one) for one in transactions])
        corrections = self.trees.corrections(numbers.reshape(-1, len(NUMBERS)))
        return probabilities(scores.reshape(-1, len(self.classes)), corrections)

    def predictions(self, raw: Floats, times: Sequence[datetime | None]) -> list[tuple[str, float]]:
        """Return the label and its calibrated confidence for each row of raw probabilities, and its time."""
        seconds = (None if time is None else unix_time(time) for time in times)
        return [
            self.calibration.rank(self.classes, row, at=at, limit=1)[0]
            for row, at in zip(raw.tolist(), seconds, strict=True)
        ]


def open_run(registry: Reader, name: str) -> tuple[StoredRun, RunPipeline]:
    """Read a run by any of its names, and the pipeline that predicts as it does. Raises RegistryError."""
    run, files = read_run_files(registry, name, runs.SERVING)
    try:
        encoder = Encoder.from_files(json.loads(files[runs.ENCODER]), files[runs.WEIGHTS])
        calibration = Calibration.from_json(
            json.loads(files[runs.CALIBRATION]), run.report.aging, run.report.correction
        )
        # LightGBM trusts its input; whoever may write to the registry must not reach this machine through it.
        trees = checked_trees(files[runs.MODEL].decode(), classes=len(encoder.classes), numbers=len(NUMBERS))
        pipeline = RunPipeline(encoder, Trees(trees), calibration)
    except (RunError, EncoderError, CalibrationError, ValueError, RecursionError) as error:
        raise RunRefusedError(f"{run.name}: {error}") from None
    return run, pipeline
