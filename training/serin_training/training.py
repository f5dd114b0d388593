"""One training, from labelled rows to a run that could be published. Never reads or writes a file, never asks the time.

Oldest to newest: rows to fit dictionaries and trees, rows to fit the calibrators, rows to judge. The acceptance gate
sees only what the judging rows say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from serin_core.acceptance import Accepted, Limits, Rejected, judge_acceptance
from serin_core.calibration import IDENTITY
from serin_core.features import Transaction
from serin_core.runs import ParityRow, Report, run_name
from serin_training import calibrating, dictionaries, trees
from serin_training.calibrating import Fitted
from serin_training.judging import MIN_ROWS, Scores, judge
from serin_training.parity import parity_rows
from serin_training.pipeline import Pipeline
from serin_training.reading import Labelled
from serin_training.splitting import Split, split_by_time, warnings_of

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a training is asked for. The same rows, seed and versions give the same trees and tables."""

    run_id: str
    """`run_<8 hex>`, new for every training."""
    now: datetime
    """With an offset."""
    seed: int = 0
    calibrate: bool = True
    deploy: bool = True
    """Whether `latest` is to move to the run once the gate allows it."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A run that is nowhere yet."""

    pipeline: Pipeline
    calibrators: Fitted
    report: Report
    parity: tuple[ParityRow, ...]

    @property
    def name(self) -> str:
        """Answer its directory name."""
        return self.report.run_directory


def train(rows: Sequence[Labelled], wish: Wish, tell: Tell = lambda _: None) -> TrainedRun:
    """Train on rows, oldest first, and judge by the newest of them. Raises DataError; `tell` gets lines of progress."""
    split = split_by_time(rows)
    tell(f"rows: {len(split.fit)} to learn from, {len(split.calibrate)} to calibrate, {len(split.judge)} to judge")
    uncalibrated = _fit(split, seed=wish.seed, tell=tell)
    fitted = _calibrate(uncalibrated, split) if wish.calibrate else Fitted({}, {})
    pipeline = Pipeline(uncalibrated.encoder, uncalibrated.trees, fitted.calibration)
    scores = judge(
        pipeline.predict(_transactions(split.judge)),
        [row.category for row in split.judge],
    )
    tell(f"judged: macro F1 {scores.f1_macro:.3f}, least F1 {scores.f1_min:.3f} ({scores.worst})")
    return TrainedRun(
        pipeline=pipeline,
        calibrators=fitted,
        report=_report(split, scores, pipeline, fitted, wish=wish),
        parity=parity_rows(pipeline, seed=wish.seed),
    )


def _fit(split: Split, *, seed: int, tell: Tell) -> Pipeline:
    classes = split.classes
    counted = dictionaries.count(split.fit, classes)
    numbers = dictionaries.out_of_fold_vectors(counted, seed=seed)
    encoder = counted.encoder(np.ones(len(split.fit), dtype=np.bool_))
    tell(f"dictionaries: {len(encoder.by_token)} tokens, {len(encoder.by_key)} merchants, {numbers.shape[1]} numbers")
    grown = trees.grow(numbers, counted.labels, classes=len(classes), seed=seed, tell=tell)
    return Pipeline(encoder, grown, IDENTITY)


def _calibrate(pipeline: Pipeline, split: Split) -> Fitted:
    place = {label: number for number, label in enumerate(pipeline.classes)}
    labels = np.array([place.get(row.category, -1) for row in split.calibrate], dtype=np.int64)
    return calibrating.fit_calibration(pipeline.predict_proba(_transactions(split.calibrate)), labels, pipeline.classes)


def _transactions(rows: Sequence[Labelled]) -> list[Transaction]:
    return [row.transaction for row in rows]


def _report(split: Split, scores: Scores, pipeline: Pipeline, fitted: Fitted, *, wish: Wish) -> Report:
    verdict = judge_acceptance(f1_macro=scores.f1_macro, f1_min=scores.f1_min, limits=wish.limits)
    return Report(
        run_id=wish.run_id,
        run_directory=run_name(wish.run_id, unix_time=int(wish.now.timestamp())),
        created_at=wish.now.astimezone(UTC).isoformat(timespec="seconds"),
        val_f1_macro=scores.f1_macro,
        val_f1_min=scores.f1_min,
        val_f1_per_class=dict(scores.f1),
        val_accuracy=scores.accuracy,
        **_verdict(verdict, wish=wish),
        calibration_enabled=wish.calibrate,
        uncalibrated_classes=tuple(fitted.uncalibrated),
        coverage_by_threshold=dict(scores.coverage),
        coverage_by_class=dict(scores.coverage_by_class),
        rows=split.sizes,
        features=len(pipeline.encoder.names),
        trees=pipeline.trees.count,
        data_from=split.fit[0].at.isoformat(),
        data_to=split.judge[-1].at.isoformat(),
        seed=wish.seed,
        warnings=(*warnings_of(split), *_warnings(scores, fitted, verdict)),
    )


def _verdict(verdict: Accepted | Rejected, *, wish: Wish) -> dict[str, Any]:
    match verdict:
        case Rejected(reason=reason):
            return {"passed_acceptance_gate": False, "deployed": False, "deploy_reason": reason}
        case Accepted(reason=reason) if wish.deploy:
            return {"passed_acceptance_gate": True, "deployed": True, "deploy_reason": reason}
        case Accepted(reason=reason):
            return {
                "passed_acceptance_gate": True,
                "deployed": False,
                "deploy_reason": f"{reason}; not asked to deploy",
            }


def _warnings(scores: Scores, fitted: Fitted, verdict: Accepted | Rejected) -> list[str]:
    found = [
        f"{label}: {answers} answers to calibrate by, under {calibrating.MIN_ROWS}; it keeps its raw probability"
        for label, answers in fitted.uncalibrated.items()
    ]
    found += [
        f"{label}: F1 {scores.f1[label]:.3f} by {rows} rows only, under {MIN_ROWS}; it is not held against the run"
        for label, rows in scores.rows.items()
        if rows < MIN_ROWS and scores.f1[label] < scores.f1_min
    ]
    if isinstance(verdict, Rejected):
        found.append(f"{scores.worst}: the least F1, {scores.f1_min:.3f}")
    return found
