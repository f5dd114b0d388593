"""Training: from labelled rows to a run that can be published. Reads no file and no clock.

Oldest to newest: rows to fit the linear model and the trees, rows to fit the calibrators, rows to evaluate on. After
the calibrators are fitted, the linear model is fitted again with their rows too, so that a run knows last month's
shops: that run is evaluated. The acceptance gate sees only the evaluation rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from scipy.sparse import csr_matrix, hstack

from serin_core.model.acceptance import Accepted, Limits, Rejected, judge_acceptance
from serin_core.model.aging import Aging
from serin_core.model.calibration import IDENTITY
from serin_core.model.encoder import Encoder
from serin_core.model.features import NUMBERS, Transaction, merchant_key
from serin_core.model.manifest import run_name
from serin_core.model.parity import ParityRow
from serin_core.model.report import LearningCurve, Report
from serin_core.model.values import unix_time
from serin_training import calibration, linear
from serin_training.aging import OlderModel, fit_rate
from serin_training.arrays import Ints
from serin_training.calibration import FittedCalibration
from serin_training.data.described_rows import share_without_offset
from serin_training.data.rows import LabelledTransaction
from serin_training.data_profile import profile
from serin_training.engines.local import LocalEngine
from serin_training.evaluation import Predictions, predict
from serin_training.features.words import Corpus, find_channels, merge
from serin_training.learning_curve import MIN_LABELS, learning_curve
from serin_training.lexicon.outside import outside
from serin_training.linear import SMALL_ROWS, Linear, TrainingSet
from serin_training.metrics import macro_f1
from serin_training.parity import parity_rows
from serin_training.progress import Finished, Progress, ProgressCallback, counting, silent
from serin_training.run_pipeline import RunPipeline
from serin_training.scoring import MIN_ROWS, Scores
from serin_training.splits import Split, at_random, by_merchant, split_by_time, split_warnings

COMPARED_ROWS: Final = 60_000
"""Newest rows on which splits by time, by merchant and at random are compared."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Options of a training. The same rows, seed and versions give the same trees and calibrators."""

    run_id: str
    """`run_<8 hex>`, new for every training."""
    now: datetime
    """With an offset."""
    seed: int = 0
    calibrate: bool = True
    deploy: bool = True
    """Whether `latest` moves to the run if the acceptance gate passes."""
    limits: Limits = field(default_factory=Limits)
    assumptions: tuple[str, ...] = ()
    """How the rows were read, for the report."""
    outside: bool = True
    """Whether the linear model of fewer than SMALL_ROWS rows has outside knowledge."""
    compare_splits: bool = True
    """Whether the report compares splits by time, by merchant and at random, which takes two more linear models."""
    learning_curve: bool = True
    """Whether the report has a learning curve, which takes seven linear models."""
    evaluate_from: datetime | None = None
    """Rows from here on are evaluated on; by default the newest fifth."""


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A run that is not published yet."""

    pipeline: RunPipeline
    calibrators: FittedCalibration
    report: Report
    parity: tuple[ParityRow, ...]
    evaluated: Predictions
    """The run's predictions on the evaluation rows."""
    merchants: frozenset[str]
    """Keys of the merchants in the training and calibration rows."""

    @property
    def name(self) -> str:
        """Full name of the run, which is also its directory's."""
        return self.report.run_directory

    def held_back(self, reason: str) -> "TrainedRun":
        """Return the same run, to which `latest` does not move."""
        return replace(self, report=self.report.model_copy(update={"deployed": False, "deploy_reason": reason}))


def train(
    rows: Sequence[LabelledTransaction],
    config: TrainingConfig,
    progress: ProgressCallback = silent,
    *,
    engine: LocalEngine | None = None,
    corpus: Corpus | None = None,
) -> TrainedRun:
    """Train on rows, oldest first, and evaluate on the newest of them. Raises DataError, EngineError.

    `corpus` holds the words of these rows if they are cached; without it they are extracted.
    """
    split = split_by_time(rows, evaluate_from=config.evaluate_from)
    used = LocalEngine() if engine is None else engine
    words = _words(rows, used, progress) if corpus is None else corpus
    return _Training(rows, split, words, config, used, progress).run()


def expect(
    rows: Sequence[LabelledTransaction],
    config: TrainingConfig,
    progress: ProgressCallback = silent,
    *,
    engine: LocalEngine | None = None,
    corpus: Corpus | None = None,
) -> LearningCurve | None:
    """Return what more labels would give, also for rows that are too few to train on; None if they are far too few.

    The arguments are those of `train`. Raises DataError, EngineError.
    """
    if len(rows) < MIN_LABELS:
        return None
    split = split_by_time(rows, evaluate_from=config.evaluate_from, min_rows=MIN_LABELS)
    used = LocalEngine() if engine is None else engine
    words = _words(rows, used, progress) if corpus is None else corpus
    return _Training(rows, split, words, config, used, progress).learning_curve()


def _words(rows: Sequence[LabelledTransaction], engine: LocalEngine, progress: ProgressCallback) -> Corpus:
    transactions = _transactions(rows)
    parts = engine.extract(transactions, counting(progress, "words", "rows"))
    corpus = merge(parts, [one.user_id for one in transactions])
    progress(Finished("words", f"{len(corpus.words)} in {len(rows)} rows"))
    return corpus


@dataclass(frozen=True, slots=True)
class _Training:
    rows: Sequence[LabelledTransaction]
    split: Split
    corpus: Corpus
    config: TrainingConfig
    engine: LocalEngine
    progress: ProgressCallback

    def run(self) -> TrainedRun:
        first, older = self._fit()
        fitted = self._calibrate(first, older) if self.config.calibrate else calibration.UNCALIBRATED
        pipeline, outside_words = self._refit(first, fitted)
        evaluated = predict(pipeline, self.split.evaluate)
        raw_error, error = (evaluated.calibration_error(calibrated=which) for which in (False, True))
        has_worse = error > raw_error
        if has_worse:
            fitted = calibration.UNCALIBRATED
            pipeline, evaluated = replace(pipeline, calibration=IDENTITY), evaluated.uncalibrated()
        scores = evaluated.scores()
        self.progress(
            Finished("evaluation", f"macro F1 {scores.f1_macro:.3f}, worst class {scores.f1_min:.3f} ({scores.worst})")
        )
        return TrainedRun(
            pipeline=pipeline,
            calibrators=fitted,
            report=self._report(
                pipeline,
                fitted,
                evaluated,
                outside_words=outside_words,
                worse=(raw_error, error) if has_worse else None,
            ),
            parity=parity_rows(pipeline, seed=self.config.seed),
            evaluated=evaluated,
            merchants=frozenset(
                merchant_key(row.transaction.merchant) for row in (*self.split.fit, *self.split.calibrate)
            ),
        )

    def learning_curve(self) -> LearningCurve | None:
        """Return what linear models alone reach with fewer labels, and what that promises of more."""
        evaluated = [row.category for row in self.split.evaluate]
        learned = [row.category for row in self.rows[: len(self.rows) - len(evaluated)]]

        def predict(places: Ints) -> list[str]:
            training_set, known, _ = self._training_set(places)
            (fitted,) = self._fit_all([training_set])
            newest = np.arange(len(learned), len(self.rows))
            scores = fitted.scores(self._matrix(newest, known, outside_columns=training_set.outside))
            return [self.split.classes[at] for at in scores.argmax(axis=1).tolist()]

        return learning_curve(learned, evaluated, predict, seed=self.config.seed)

    def _fit(self) -> tuple[RunPipeline, Sequence[OlderModel]]:
        split, seed = self.split, self.config.seed
        encoder, training_set, places = self._encode(np.arange(len(split.fit)), "linear model")
        scored = linear.score_by_older_rows(training_set, self._fit_all, counting(self.progress, "time folds", "folds"))
        self.progress(Finished("time folds", f"{len(scored.places)} rows scored by models of older rows"))
        # The trees learn only from the newest of these rows; the others need no numbers.
        numbers = np.array([encoder.numbers(split.fit[at].transaction) for at in places[scored.places].tolist()])
        grown = self.engine.grow(
            numbers,
            scored.scores,
            training_set.labels[scored.places],
            seed=seed,
            progress=counting(self.progress, "trees", "rounds"),
        )
        self.progress(Finished("trees", f"{grown.count} in {grown.count // len(split.classes)} rounds"))
        return RunPipeline(encoder, grown, IDENTITY), scored.models

    def _fit_all(self, training_sets: Iterable[TrainingSet]) -> Iterator[Linear]:
        return iter(self.engine.fit(training_sets, seed=self.config.seed))

    def _calibrate(self, pipeline: RunPipeline, older: Sequence[OlderModel]) -> FittedCalibration:
        rows = self.split.calibrate
        fitted = calibration.fit_calibration(
            pipeline.predict_proba(_transactions(rows)), self._labels(rows), pipeline.classes
        )
        rate = fit_rate(older, classes=len(pipeline.classes))
        return replace(fitted, aging=Aging(rate, unix_time(rows[-1].at)))

    def _refit(self, first: RunPipeline, fitted: FittedCalibration) -> tuple[RunPipeline, int]:
        """Return the run's pipeline, and how many of its words no row has taught it."""
        places = np.arange(len(self.split.fit) + len(self.split.calibrate))
        encoder, training_set, _ = self._encode(places, "linear model, final")
        learned = training_set.matrix.shape[1] - training_set.outside
        # The trees know a channel by its position.
        encoder = replace(encoder, channels=first.encoder.channels)
        return RunPipeline(encoder, first.trees, fitted.calibration), len(encoder.places) - learned

    def _encode(self, places: Ints, phase: str) -> tuple[Encoder, TrainingSet, Ints]:
        """Return an encoder fitted on these rows, its training set, and the places of the training set's rows."""
        self.progress(Progress(phase, 0, 1, "models"))
        training_set, known, chosen = self._training_set(places)
        (fitted,) = self._fit_all([training_set])
        words, weights = tuple(self.corpus.words[column] for column in known.tolist()), fitted.weights
        if training_set.outside:
            words, weights = outside().fold(words, weights)
        from_outside = len(words) - len(known)
        self.progress(
            Finished(phase, f"{len(known)} words and {from_outside} from outside, fitted on {len(chosen)} rows")
        )
        encoder = Encoder(
            classes=self.split.classes,
            channels=find_channels([self.rows[at].transaction for at in chosen.tolist()]),
            places={word: row for row, word in enumerate(words)},
            # Rounded as in the run's file, so that the evaluated weights are those that will be served.
            weights=weights.astype(np.float32).astype(np.float64),
            bias=fitted.bias,
        )
        return encoder, training_set, chosen

    def _training_set(self, places: Ints) -> tuple[TrainingSet, Ints, Ints]:
        """Return the rows of learned classes as a training set, the columns of known words, and the rows' places."""
        labels = self._labels([self.rows[at] for at in places.tolist()])
        chosen, labels = places[labels >= 0], labels[labels >= 0]
        known = self.corpus.known(chosen)
        rows = [self.rows[at] for at in chosen.tolist()]
        columns = outside().columns if self.config.outside and len(rows) < SMALL_ROWS else 0
        matrix = self._matrix(chosen, known, outside_columns=columns)
        classes = len(self.split.classes)
        return linear.training_set_of(rows, matrix, labels, classes=classes, outside=columns), known, chosen

    def _matrix(self, rows: Ints, known: Ints, *, outside_columns: int) -> csr_matrix:
        """Return the known words of rows, and outside knowledge about all their words."""
        words = self.corpus.matrix[rows]
        if not outside_columns:
            return words[:, known]
        return hstack([words[:, known], words @ outside().of(self.corpus.words)], format="csr")

    def _labels(self, rows: Sequence[LabelledTransaction]) -> Ints:
        number = {label: at for at, label in enumerate(self.split.classes)}
        return np.array([number.get(row.category, -1) for row in rows], dtype=np.int64)

    def _f1_by_split(self, pipeline: RunPipeline, evaluated: Predictions) -> dict[str, float]:
        """Return the macro F1 of linear models alone on the newest rows, on unseen merchants, and on random rows."""
        classes, seed = self.split.classes, self.config.seed
        linear_labels = [classes[int(pipeline.encoder.scores(row.transaction).argmax())] for row in evaluated.rows]
        found = {"time": macro_f1(linear_labels, evaluated.categories)}
        recent = self.rows[-COMPARED_ROWS:]
        oldest = len(self.rows) - len(recent)
        for how, held_out in (("merchant", by_merchant(recent, seed=seed)), ("random", at_random(recent, seed=seed))):
            training_set, known, _ = self._training_set(oldest + np.flatnonzero(~held_out))
            held_out_rows = oldest + np.flatnonzero(held_out)
            (fitted,) = self._fit_all([training_set])
            scores = fitted.scores(self._matrix(held_out_rows, known, outside_columns=training_set.outside))
            labels = [classes[at] for at in scores.argmax(axis=1).tolist()]
            found[how] = macro_f1(labels, [self.rows[at].category for at in held_out_rows.tolist()])
        text = ", ".join(f"{how} split {f1:.3f}" for how, f1 in found.items())
        self.progress(Finished("without the trees", f"macro F1: {text}"))
        return found

    def _report(
        self,
        pipeline: RunPipeline,
        fitted: FittedCalibration,
        evaluated: Predictions,
        *,
        outside_words: int,
        worse: tuple[float, float] | None,
    ) -> Report:
        """`worse` are the calibration errors before and after a calibration that was dropped for them."""
        split, config, scores = self.split, self.config, evaluated.scores()
        acceptance = judge_acceptance(f1_macro=scores.f1_macro, f1_min=scores.f1_min, limits=config.limits)
        has_passed = isinstance(acceptance, Accepted)
        is_unwanted = has_passed and not config.deploy
        return Report(
            run_id=config.run_id,
            run_directory=run_name(config.run_id, unix_time=int(config.now.timestamp())),
            created_at=config.now.astimezone(UTC).isoformat(timespec="seconds"),
            val_f1_macro=scores.f1_macro,
            val_f1_min=scores.f1_min,
            val_f1_per_class=dict(scores.f1),
            val_accuracy=scores.accuracy,
            gate_f1_macro=config.limits.f1_macro,
            gate_f1_min=config.limits.f1_min,
            val_calibration_error=evaluated.calibration_error(calibrated=True),
            val_calibration_error_uncalibrated=evaluated.calibration_error(calibrated=False),
            val_f1_by_split=self._f1_by_split(pipeline, evaluated) if config.compare_splits else {},
            learning_curve=self.learning_curve() if config.learning_curve else None,
            passed_acceptance_gate=has_passed,
            deployed=has_passed and config.deploy,
            deploy_reason=acceptance.reason + ("; deployment was not requested" if is_unwanted else ""),
            calibration_enabled=fitted is not calibration.UNCALIBRATED,
            classes_without_own_calibration=tuple(fitted.too_few),
            coverage_by_threshold=dict(scores.coverage),
            coverage_by_class=dict(scores.coverage_by_class),
            rows=split.sizes,
            features=len(pipeline.encoder.places) + len(NUMBERS),
            outside_words=outside_words,
            trees=pipeline.trees.count,
            data_from=split.fit[0].at.isoformat(),
            data_to=split.evaluate[-1].at.isoformat(),
            known_to=split.calibrate[-1].at.isoformat(),
            aging_rate=fitted.aging.rate,
            data_assumptions=config.assumptions,
            share_without_offset=share_without_offset(self.rows),
            seed=config.seed,
            profile=profile(pipeline.encoder, evaluated),
            warnings=(*split_warnings(split), *_warnings(scores, fitted, verdict=acceptance, worse=worse)),
        )


def _transactions(rows: Sequence[LabelledTransaction]) -> list[Transaction]:
    return [row.transaction for row in rows]


def _warnings(
    scores: Scores, fitted: FittedCalibration, *, verdict: Accepted | Rejected, worse: tuple[float, float] | None
) -> Iterator[str]:
    """Yield what is wrong with a run, one line for each kind."""
    fallback = "the global one is used" if fitted.has_global else "the raw probability is used"
    if len(fitted.too_few) == 1:
        ((label, rows),) = fitted.too_few.items()
        yield f"{label}: too few rows ({rows} of {calibration.MIN_ROWS}) for its own calibration; {fallback}"
    elif fitted.too_few:
        listed = ", ".join(f"{label} ({rows})" for label, rows in fitted.too_few.items())
        yield f"too few rows (under {calibration.MIN_ROWS}) for their own calibration; {fallback}: {listed}"
    if worse is not None:
        before, after = worse
        yield (
            f"calibration made the calibration error worse ({before:.4f} before, {after:.4f} after), so this run has "
            "none: its confidence is the raw probability"
        )
    rare = [label for label, rows in scores.rows.items() if rows < MIN_ROWS and scores.f1[label] < scores.f1_min]
    if rare:
        listed = ", ".join(f"{label} (F1 {scores.f1[label]:.3f}, {scores.rows[label]} rows)" for label in rare)
        yield f"too few rows (under {MIN_ROWS}), so not part of the acceptance gate: {listed}"
    if isinstance(verdict, Rejected):
        yield f"{scores.worst}: lowest F1, {scores.f1_min:.3f}"
