"""One training, from labelled rows to a run that could be published. Never reads or writes a file, never asks the time.

Oldest to newest: rows to fit the linear model and the trees, rows to fit the calibrators, rows to judge. Once the
calibrators are fitted, the linear model is fitted again with their rows too, so that a run knows last month's shops:
that is the run which is judged. The acceptance gate sees only what the judging rows say.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from serin_core.model.acceptance import Accepted, Limits, Rejected, judge_acceptance
from serin_core.model.calibration import IDENTITY
from serin_core.model.encoder import Encoder
from serin_core.model.features import NUMBERS, Transaction, merchant_key
from serin_core.model.manifest import run_name
from serin_core.model.parity import ParityRow
from serin_core.model.report import Report
from serin_training import calibration, linear
from serin_training.calibration import FittedCalibration
from serin_training.data.rows import LabelledTransaction
from serin_training.data_profile import profile
from serin_training.engines.engine import Engine
from serin_training.engines.local import LocalEngine
from serin_training.evaluation import Predictions, answer
from serin_training.features.words import Corpus, Ints, find_channels, merge
from serin_training.linear import Linear, TrainingSet
from serin_training.metrics import macro_f1
from serin_training.parity import parity_rows
from serin_training.pipeline import Pipeline
from serin_training.progress import Finished, Progress, ProgressCallback, counting, silent
from serin_training.scoring import MIN_ROWS, Scores
from serin_training.splits import Split, at_random, by_merchant, split_by_time, warnings_of

COMPARED: Final = 60_000
"""The newest rows by which splits by time, by merchant and at random are compared: more would only take longer."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
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
    judged_from: datetime | None = None
    """Rows from here on judge; without it the newest fifth."""


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A run that is nowhere yet."""

    pipeline: Pipeline
    calibrators: FittedCalibration
    report: Report
    parity: tuple[ParityRow, ...]
    judged: Predictions
    """The newest rows, with the run's answers."""
    merchants: frozenset[str]
    """The keys of the merchants that it learned from."""

    @property
    def name(self) -> str:
        """Answer its directory name."""
        return self.report.run_directory

    def held_back(self, reason: str) -> "TrainedRun":
        """Answer the same run, to which `latest` does not move."""
        return replace(self, report=self.report.model_copy(update={"deployed": False, "deploy_reason": reason}))


def train(
    rows: Sequence[LabelledTransaction],
    wish: TrainingConfig,
    tell: ProgressCallback = silent,
    *,
    engine: Engine | None = None,
    corpus: Corpus | None = None,
) -> TrainedRun:
    """Train on rows, oldest first, and judge by the newest of them. Raises DataError, EngineError.

    `corpus` is what is known of these very rows' words; without it they are looked up.
    """
    split = split_by_time(rows, judged_from=wish.judged_from)
    used = LocalEngine() if engine is None else engine
    if corpus is None:
        transactions = _transactions(rows)
        parts = used.look_up(transactions, counting(tell, "words", "rows"))
        corpus = merge(parts, [one.user_id for one in transactions])
    tell(Finished("words", f"{len(corpus.words)} in {len(rows)} rows"))
    return _Training(rows, split, corpus, wish, used, tell).run()


@dataclass(frozen=True, slots=True)
class _Training:
    rows: Sequence[LabelledTransaction]
    split: Split
    corpus: Corpus
    wish: TrainingConfig
    engine: Engine
    tell: ProgressCallback

    def run(self) -> TrainedRun:
        first = self._fit()
        fitted = self._calibrate(first) if self.wish.calibrate else calibration.UNCALIBRATED
        pipeline = self._fit_again(first, fitted)
        judged = answer(pipeline, self.split.judge)
        scores = judged.scores()
        self.tell(Finished("judging", f"macro F1 {scores.f1_macro:.3f}, least F1 {scores.f1_min:.3f} ({scores.worst})"))
        return TrainedRun(
            pipeline=pipeline,
            calibrators=fitted,
            report=self._report(pipeline, fitted, judged),
            parity=parity_rows(pipeline, seed=self.wish.seed),
            judged=judged,
            merchants=frozenset(
                merchant_key(row.transaction.merchant) for row in (*self.split.fit, *self.split.calibrate)
            ),
        )

    def _fit(self) -> Pipeline:
        split, seed = self.split, self.wish.seed
        encoder, lesson, places = self._encode(np.arange(len(split.fit)), "linear model")
        scored = linear.score_by_older_rows(lesson, self._fit_all, counting(self.tell, "older models", "parts"))
        self.tell(Finished("older models", f"{len(scored.places)} rows scored, each by a model of rows before it"))
        # Trees learn from the newest of these rows only; no numbers are made for others.
        numbers = np.array([encoder.numbers(split.fit[at].transaction) for at in places[scored.places].tolist()])
        grown = self.engine.grow(
            numbers, scored.scores, lesson.labels[scored.places], seed=seed, tell=counting(self.tell, "trees", "rounds")
        )
        self.tell(Finished("trees", f"{grown.count} in {grown.count // len(split.classes)} rounds"))
        return Pipeline(encoder, grown, IDENTITY)

    def _fit_all(self, lessons: Iterable[TrainingSet]) -> Iterator[Linear]:
        return iter(self.engine.fit(lessons, seed=self.wish.seed))

    def _calibrate(self, pipeline: Pipeline) -> FittedCalibration:
        rows = self.split.calibrate
        return calibration.fit_calibration(
            pipeline.predict_proba(_transactions(rows)), self._labels(rows), pipeline.classes
        )

    def _fit_again(self, first: Pipeline, fitted: FittedCalibration) -> Pipeline:
        everything = np.arange(len(self.split.fit) + len(self.split.calibrate))
        encoder, _, _ = self._encode(everything, "linear model, again")
        # The trees know a channel by its place.
        return Pipeline(replace(encoder, channels=first.encoder.channels), first.trees, fitted.calibration)

    def _encode(self, places: Ints, phase: str) -> tuple[Encoder, TrainingSet, Ints]:
        """Answer an encoder fitted on these rows, the lesson it was fitted on, and the places of the lesson's rows."""
        self.tell(Progress(phase, 0, 1, "models"))
        lesson, known, chosen = self._lesson(places)
        (fitted,) = self._fit_all([lesson])
        self.tell(Finished(phase, f"{len(known)} words known, fitted on {len(chosen)} rows"))
        encoder = Encoder(
            classes=self.split.classes,
            channels=find_channels([self.rows[at].transaction for at in chosen.tolist()]),
            places={self.corpus.words[column]: row for row, column in enumerate(known.tolist())},
            # As the run's file keeps them, so that what is judged is what will be served.
            weights=fitted.weights.astype(np.float32).astype(np.float64),
            bias=fitted.bias,
        )
        return encoder, lesson, chosen

    def _lesson(self, places: Ints) -> tuple[TrainingSet, Ints, Ints]:
        """Answer these rows, but those of a class that is not learned, over the words that they make known."""
        labels = self._labels([self.rows[at] for at in places.tolist()])
        chosen, labels = places[labels >= 0], labels[labels >= 0]
        known = self.corpus.known(chosen)
        rows = [self.rows[at] for at in chosen.tolist()]
        matrix = self.corpus.matrix[chosen][:, known]
        return linear.lesson_of(rows, matrix, labels, classes=len(self.split.classes)), known, chosen

    def _labels(self, rows: Sequence[LabelledTransaction]) -> Ints:
        place = {label: number for number, label in enumerate(self.split.classes)}
        return np.array([place.get(row.category, -1) for row in rows], dtype=np.int64)

    def _f1_by_split(self, pipeline: Pipeline, judged: Predictions) -> dict[str, float]:
        """Answer the macro F1 of linear models alone: on the newest rows, on whole merchants, and on any rows."""
        classes, seed = self.split.classes, self.wish.seed
        by_words = [classes[int(pipeline.encoder.scores(row.transaction).argmax())] for row in judged.rows]
        found = {"time": macro_f1(by_words, judged.categories)}
        recent = self.rows[-COMPARED:]
        oldest = len(self.rows) - len(recent)
        for how, held_out in (("merchant", by_merchant(recent, seed=seed)), ("random", at_random(recent, seed=seed))):
            lesson, known, _ = self._lesson(oldest + np.flatnonzero(~held_out))
            asked = oldest + np.flatnonzero(held_out)
            (fitted,) = self._fit_all([lesson])
            scores = fitted.scores(self.corpus.matrix[asked][:, known])
            answers = [classes[at] for at in scores.argmax(axis=1).tolist()]
            found[how] = macro_f1(answers, [self.rows[at].category for at in asked.tolist()])
        told = ", ".join(f"macro F1 {f1:.3f} split by {how}" for how, f1 in found.items())
        self.tell(Finished("by words alone", told))
        return found

    def _report(self, pipeline: Pipeline, fitted: FittedCalibration, judged: Predictions) -> Report:
        split, wish, scores = self.split, self.wish, judged.scores()
        verdict = judge_acceptance(f1_macro=scores.f1_macro, f1_min=scores.f1_min, limits=wish.limits)
        return Report(
            run_id=wish.run_id,
            run_directory=run_name(wish.run_id, unix_time=int(wish.now.timestamp())),
            created_at=wish.now.astimezone(UTC).isoformat(timespec="seconds"),
            val_f1_macro=scores.f1_macro,
            val_f1_min=scores.f1_min,
            val_f1_per_class=dict(scores.f1),
            val_accuracy=scores.accuracy,
            gate_f1_macro=wish.limits.f1_macro,
            gate_f1_min=wish.limits.f1_min,
            val_calibration_error=judged.calibration_error(calibrated=True),
            val_calibration_error_uncalibrated=judged.calibration_error(calibrated=False),
            val_f1_by_split=self._f1_by_split(pipeline, judged),
            **_verdict(verdict, wish=wish),
            calibration_enabled=wish.calibrate,
            classes_without_own_calibration=tuple(fitted.few),
            coverage_by_threshold=dict(scores.coverage),
            coverage_by_class=dict(scores.coverage_by_class),
            rows=split.sizes,
            features=len(pipeline.encoder.places) + len(NUMBERS),
            trees=pipeline.trees.count,
            data_from=split.fit[0].at.isoformat(),
            data_to=split.judge[-1].at.isoformat(),
            seed=wish.seed,
            profile=profile(pipeline.encoder, judged),
            warnings=(*warnings_of(split), *_warnings(scores, fitted, verdict)),
        )


def _transactions(rows: Sequence[LabelledTransaction]) -> list[Transaction]:
    return [row.transaction for row in rows]


def _verdict(verdict: Accepted | Rejected, *, wish: TrainingConfig) -> dict[str, Any]:
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


def _warnings(scores: Scores, fitted: FittedCalibration, verdict: Accepted | Rejected) -> list[str]:
    fallback = "it takes the table of all classes" if fitted.is_shared else "it keeps its raw probability"
    found = [
        f"{label}: {answers} answers to calibrate by, under {calibration.MIN_ROWS}; {fallback}"
        for label, answers in fitted.few.items()
    ]
    found += [
        f"{label}: F1 {scores.f1[label]:.3f} by {rows} rows only, under {MIN_ROWS}; it is not held against the run"
        for label, rows in scores.rows.items()
        if rows < MIN_ROWS and scores.f1[label] < scores.f1_min
    ]
    if isinstance(verdict, Rejected):
        found.append(f"{scores.worst}: the least F1, {scores.f1_min:.3f}")
    return found
