"""One training, from labelled rows to a run that could be published. Never reads or writes a file, never asks the time.

Oldest to newest: rows to fit the linear model and the trees, rows to fit the calibrators, rows to judge. Once the
calibrators are fitted, the linear model is fitted again with their rows too, so that a run knows last month's shops:
that is the run which is judged. The acceptance gate sees only what the judging rows say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from serin_core.acceptance import Accepted, Limits, Rejected, judge_acceptance
from serin_core.calibration import IDENTITY
from serin_core.encoder import Encoder
from serin_core.features import NUMBERS, Transaction
from serin_core.runs import ParityRow, Report, run_name
from serin_training import calibrating, linear, trees
from serin_training.calibrating import Fitted
from serin_training.judging import MIN_ROWS, Scores, judge
from serin_training.linear import Lesson
from serin_training.parity import parity_rows
from serin_training.pipeline import Pipeline
from serin_training.reading import Labelled
from serin_training.splitting import Split, split_by_time, warnings_of
from serin_training.words import find_channels, find_vocabulary

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
    pipeline = _refit(uncalibrated, split, fitted, seed=wish.seed, tell=tell)
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
    encoder, lesson = _encode(split.fit, split.classes, seed=seed, tell=tell)
    scored = linear.score_by_older_rows(lesson, seed=seed, tell=tell)
    numbers = np.array([encoder.numbers(split.fit[at].transaction) for at in scored.places.tolist()])
    grown = trees.grow(numbers, scored.scores, lesson.labels[scored.places], seed=seed, tell=tell)
    return Pipeline(encoder, grown, IDENTITY)


def _refit(first: Pipeline, split: Split, fitted: Fitted, *, seed: int, tell: Tell) -> Pipeline:
    known = [row for row in (*split.fit, *split.calibrate) if row.category in first.classes]
    encoder, _ = _encode(known, first.classes, seed=seed, tell=tell)
    # The trees know a channel by its place.
    return Pipeline(replace(encoder, channels=first.encoder.channels), first.trees, fitted.calibration)


def _encode(rows: Sequence[Labelled], classes: tuple[str, ...], *, seed: int, tell: Tell) -> tuple[Encoder, Lesson]:
    transactions = _transactions(rows)
    vocabulary = find_vocabulary(transactions)
    lesson = Lesson(
        rows=rows,
        matrix=vocabulary.matrix(transactions),
        labels=np.array([classes.index(row.category) for row in rows], dtype=np.int64),
        classes=len(classes),
    )
    fitted = linear.fit_linear(lesson, seed=seed)
    tell(f"linear: {len(vocabulary.places)} words, fitted on {len(rows)} rows")
    encoder = Encoder(
        classes=classes,
        channels=find_channels(transactions),
        places=vocabulary.places,
        # As the run's file keeps them, so that what is judged is what will be served.
        weights=fitted.weights.astype(np.float32).astype(np.float64),
        bias=fitted.bias,
    )
    return encoder, lesson


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
        features=len(pipeline.encoder.places) + len(NUMBERS),
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
