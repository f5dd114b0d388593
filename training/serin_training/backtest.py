"""Backtest: what regular retraining would have given. Train on the past, judge the next period, move on. Pure.

Each run is compared with that of the first period, which is kept: the difference is what retraining is worth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from serin_core.model.features import merchant_key
from serin_training.data.rows import LabelledTransaction
from serin_training.errors import DataError
from serin_training.evaluation import Predictions, predict
from serin_training.metrics import macro_f1
from serin_training.progress import Finished, Progress, ProgressCallback, silent
from serin_training.training import TrainedRun, TrainingConfig, train


@dataclass(frozen=True, slots=True)
class Schedule:
    """When runs are trained, and on what."""

    every: int
    """Months of a period."""
    history: int | None = None
    """Months of rows before a period that its run learns from; None: all."""
    first: datetime | None = None
    """Begin of the first period; None: the first of a month, after half of the time that the rows span."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a run was in a period; shares from 0 to 1."""

    f1_macro: float
    f1_macro_new: float | None
    """Of the rows whose merchant the retrained run had not learned from; None if there were none."""
    accuracy: float
    calibration_error: float
    """With the confidence that a server would have given."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period that was judged."""

    since: datetime
    rows: int
    training_rows: int
    """Rows that the run was fitted on and calibrated with."""
    retrained: Quality
    kept: Quality
    """Of the run of the first period."""


def backtest(
    rows: Sequence[LabelledTransaction], config: TrainingConfig, schedule: Schedule, progress: ProgressCallback = silent
) -> Iterator[Period]:
    """Yield the periods in order, each once its run is trained; rows are oldest first. Raises DataError.

    A period without rows is left out.
    """
    starts = _starts(rows, schedule)
    kept: TrainedRun | None = None
    for done, since in enumerate(starts):
        progress(Progress("backtest", done, len(starts), "periods"))
        until = _months_later(since, schedule.every)
        judged = sum(since <= row.at < until for row in rows)
        if not judged:
            continue
        oldest = (
            datetime.min.replace(tzinfo=UTC) if schedule.history is None else _months_later(since, -schedule.history)
        )
        used = [row for row in rows if oldest <= row.at < until]
        try:
            run = train(used, replace(config, evaluate_from=since, compare_splits=False, learning_curve=False))
        except DataError as error:
            raise DataError(f"period from {since:%Y-%m-%d}: {error}") from None
        kept = run if kept is None else kept
        of_kept = run.evaluated if run is kept else predict(kept.pipeline, run.evaluated.rows)
        yield Period(
            since=since,
            rows=judged,
            training_rows=len(used) - judged,
            retrained=_quality(run.evaluated, run.merchants),
            kept=_quality(of_kept, run.merchants),
        )
    progress(Finished("backtest", f"{len(starts)} periods"))


def _starts(rows: Sequence[LabelledTransaction], schedule: Schedule) -> list[datetime]:
    """Return the beginnings of the periods."""
    oldest, newest = rows[0].at, rows[-1].at
    first = schedule.first
    if first is None:
        middle = oldest + (newest - oldest) / 2
        first = _months_later(middle.replace(day=1, hour=0, minute=0, second=0, microsecond=0), 1)
    if not oldest < first <= newest:
        raise DataError(
            f"the first period begins on {first:%Y-%m-%d}, but the rows are from {oldest:%Y-%m-%d} to "
            f"{newest:%Y-%m-%d}; name a day between them with --from"
        )
    found = [first]
    while _months_later(first, schedule.every * len(found)) <= newest:
        found.append(_months_later(first, schedule.every * len(found)))
    return found


def _months_later(time: datetime, months: int) -> datetime:
    """Return a time some months later, or earlier; the 31st becomes the last day of a shorter month."""
    month = time.year * 12 + time.month - 1 + months
    if month < 12:  # noqa: PLR2004 - before the first year
        return datetime.min.replace(tzinfo=UTC)
    year, place = divmod(month, 12)
    for day in range(time.day, 27, -1):
        try:
            return time.replace(year=year, month=place + 1, day=day)
        except ValueError:
            continue
    return time.replace(year=year, month=place + 1)


def _quality(predictions: Predictions, merchants: frozenset[str]) -> Quality:
    labels, categories = predictions.labels, predictions.categories
    new = [at for at, row in enumerate(predictions.rows) if merchant_key(row.transaction.merchant) not in merchants]
    return Quality(
        f1_macro=macro_f1(labels, categories),
        f1_macro_new=macro_f1([labels[at] for at in new], [categories[at] for at in new]) if new else None,
        accuracy=sum(predictions.right) / len(labels),
        calibration_error=predictions.calibration_error(calibrated=True),
    )
