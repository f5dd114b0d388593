"""What each part of the learner adds, with paired bootstrap intervals over users. A part of benchmarks/learning.py.

Every row of the table is a system that has one part more than the one it is compared with. All predict the same rows,
and all are resampled together: users with replacement, ROUNDS times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from serin_core.model.features import merchant_key
from serin_training import trees
from serin_training.run_pipeline import RunPipeline
from serin_training.training import TrainingConfig, train

ROUNDS = 1000
TRAINED = (3_000, 30_000)
EVALUATED = 30_000
BINS = 15


@dataclass(frozen=True)
class Part:
    """A difference between two systems: in macro F1, or in the calibration error."""

    name: str
    before: float
    after: float
    low: float
    high: float


def ablation(rows, train_share, show):
    """Return the parts of trainings on TRAINED rows drawn from the earlier days, evaluated on later ones."""
    days = sorted({row.at for row in rows})
    evaluate_from = days[round(len(days) * train_share)]
    earlier = [row for row in rows if row.at < evaluate_from]
    later = _drawn([row for row in rows if row.at >= evaluate_from], EVALUATED)
    found = []
    for many in TRAINED:
        learned = _drawn(earlier, many)
        found += [
            replace(part, name=f"{many} rows: {part.name}") for part in _parts(learned, later, evaluate_from, show)
        ]
    return found


def _drawn(rows, many):
    chosen = np.random.default_rng(0).choice(len(rows), size=min(many, len(rows)), replace=False)
    return [rows[at] for at in np.sort(chosen).tolist()]


def _parts(learned, later, evaluate_from, show):
    config = TrainingConfig(
        "run_00000000",
        datetime.now(UTC),
        evaluate_from=evaluate_from,
        outside=False,
        compare_splits=False,
        learning_curve=False,
    )
    without, run = (train([*learned, *later], replace(config, outside=which), show) for which in (False, True))
    truth = np.array([row.category for row in later])
    linear = _linear(without.pipeline, later)
    careless = _labels(_with_careless_trees(without.pipeline, learned), later)
    older, outside = (np.array(one.evaluated.labels) for one in (without, run))
    outside_linear = _linear(run.pipeline, later)
    known = {row.transaction.merchant for row in learned}
    unseen = np.array([row.transaction.merchant not in known for row in later])
    users = _numbers([row.transaction.user_id for row in later])
    for where, places in (("", np.arange(len(later))), (", unseen merchants", np.flatnonzero(unseen))):
        compared = _MacroF1(users[places], truth[places])
        yield from (
            compared.part(f"macro F1{where}, {name}", before[places], after[places])
            for name, before, after in (
                ("linear with trees of its own scores, less linear alone", linear, careless),
                ("trees of scores by older models, less trees of its own scores", careless, older),
                ("trees of scores by older models, less linear alone", linear, older),
                ("outside knowledge (and trees), less none", older, outside),
                ("trees, less linear alone (both with outside knowledge)", outside_linear, outside),
                ("habits, less none", outside, _with_habits(learned, later, outside)),
            )
        )
    yield from _calibrations(run, later, users)


def _linear(pipeline, rows):
    """Return the labels of the linear model alone."""
    classes = np.array(pipeline.classes)
    return classes[[int(pipeline.encoder.scores(row.transaction).argmax()) for row in rows]]


def _labels(pipeline, rows):
    return np.array(pipeline.classes)[pipeline.predict_proba([row.transaction for row in rows]).argmax(axis=1)]


def _with_careless_trees(pipeline, learned):
    """Return the run with trees that start from the scores of the model that has learned the same rows."""
    number = {label: at for at, label in enumerate(pipeline.classes)}
    rows = [row for row in learned if row.category in number]
    encoder = pipeline.encoder
    grown = trees.grow(
        np.array([encoder.numbers(row.transaction) for row in rows]),
        np.array([encoder.scores(row.transaction) for row in rows]),
        np.array([number[row.category] for row in rows]),
        seed=0,
    )
    return RunPipeline(encoder, grown, pipeline.calibration)


def _with_habits(learned, later, labels):
    """Return the labels, replaced by what the user last gave the same merchant, if anything."""
    last = {_habit(row): row.category for row in learned}
    found = []
    for row, label in zip(later, labels.tolist(), strict=True):
        found.append(last.get(_habit(row), label))
        last[_habit(row)] = row.category
    return np.array(found)


def _habit(row):
    return row.transaction.user_id, merchant_key(row.transaction.merchant)


def _calibrations(run, later, users):
    right = np.array(run.evaluated.right, dtype=float)
    times = [row.at for row in later]
    raw = run.pipeline.predict_proba([row.transaction for row in later])
    fresh = run.pipeline.predictions(raw, [None] * len(later))
    aged = run.pipeline.predictions(raw, times)
    uncalibrated, isotonic, discounted = (
        np.array([confidence for _, confidence in side]) for side in (run.evaluated.raw, fresh, aged)
    )
    compared = _CalibrationError(users, right)
    yield compared.part("calibration error, isotonic, less none", uncalibrated, isotonic)
    yield compared.part("calibration error, discount by age, less isotonic", isotonic, discounted)


def _numbers(names: Sequence[str]):
    return np.unique(names, return_inverse=True)[1]


class _Paired:
    """Resamples users. Subclasses say what to add up by user, and how sums become a figure."""

    def __init__(self, users, truth):
        # Users of these rows only.
        self._users = _numbers(users)
        self._truth = truth
        many = int(self._users.max()) + 1
        self._drawn = np.random.default_rng(0).multinomial(many, np.full(many, 1 / many), size=ROUNDS)

    def part(self, name, before, after):
        sums = [self._sums(one) for one in (before, after)]
        first, second = (float(self._figure(one.sum(axis=0, keepdims=True))[0]) for one in sums)
        differences = np.subtract(*(self._figure(np.tensordot(self._drawn, one, axes=1)) for one in reversed(sums)))
        return Part(name, first, second, *np.quantile(differences, (0.025, 0.975)).tolist())

    def _by_user(self, values):
        """Return the sums by user of values of shape (rows, ...)."""
        found = np.zeros((int(self._users.max()) + 1, *values.shape[1:]))
        np.add.at(found, self._users, values)
        return found


class _MacroF1(_Paired):
    def _sums(self, answers):
        classes = np.unique(self._truth)
        is_true, is_answer = (side[:, None] == classes for side in (self._truth, answers))
        return self._by_user(np.stack([is_true & is_answer, is_true, is_answer], axis=1).astype(float))

    def _figure(self, sums):
        both, true, answered = np.moveaxis(sums, 1, 0)
        # As macro_f1: the mean of the classes that the drawn rows have.
        f1 = np.where(true > 0, 2 * both / np.maximum(true + answered, 1), np.nan)
        return np.nanmean(f1, axis=1)


class _CalibrationError(_Paired):
    def _sums(self, confidence):
        places = np.minimum((confidence * BINS).astype(int), BINS - 1)
        gaps = np.zeros((len(places), 2, BINS))
        gaps[np.arange(len(places)), 0, places] = self._truth - confidence
        gaps[:, 1, 0] = 1
        return self._by_user(gaps)

    def _figure(self, sums):
        return np.abs(sums[:, 0]).sum(axis=1) / sums[:, 1, 0]


def table(parts):
    """Return the parts as lines of a Markdown table."""
    return [
        "| | before | after | difference | 95 % interval |",
        "|---|---|---|---|---|",
        *(
            f"| {one.name} | {one.before:.4f} | {one.after:.4f} | {one.after - one.before:+.4f} | "
            f"{one.low:+.4f} to {one.high:+.4f} |"
            for one in parts
        ),
    ]
