"""Splits rows into training, calibration and evaluation, by time: the newest are evaluated on. The parts are disjoint.

A random split would let a run see merchants of the future; the rows it will meet are always newer than those it knows.
The report has the scores of a random split and of a split by merchant for comparison only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from serin_core.model.features import MIN_USERS, merchant_key
from serin_training.data.rows import LabelledTransaction
from serin_training.errors import DataError

MIN_ROWS: Final = 500
MIN_CLASSES: Final = 2
MAX_CLASSES: Final = 1000
"""The time of training grows with the square of the classes: with more of them it takes hours."""
MIN_CLASS_ROWS: Final = 5
"""A class with fewer training rows is not learned: its transactions stay with the rules."""
_FEW_CLASS_ROWS: Final = 20
"""Training rows of a class below which a warning is given."""
_HELD_OUT: Final = 5
_FIT: Final = 0.65
_CALIBRATE: Final = 0.15


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts, each oldest first and newer than the one before."""

    fit: Sequence[LabelledTransaction]
    calibrate: Sequence[LabelledTransaction]
    evaluate: Sequence[LabelledTransaction]

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that can be learned, in alphabetical order."""
        counted = Counter(row.category for row in self.fit)
        return tuple(sorted(label for label, rows in counted.items() if rows >= MIN_CLASS_ROWS))

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows of each part."""
        return {"fit": len(self.fit), "calibrate": len(self.calibrate), "judge": len(self.evaluate)}


def split_by_time(
    rows: Sequence[LabelledTransaction], *, evaluate_from: datetime | None = None, min_rows: int = MIN_ROWS
) -> Split:
    """Split rows, oldest first, 65 : 15 : 20, or so that rows from `evaluate_from` on are evaluated on.

    Raises DataError if they are too few to learn from.
    """
    if len(rows) < min_rows:
        raise DataError(
            f"{len(rows)} labelled rows are too few to train on; at least {min_rows} are required; "
            "`serin data suggest-labels` names those whose labels teach most"
        )
    users = {row.transaction.user_id for row in rows} - {None}
    if len(users) < MIN_USERS:
        raise DataError(
            f"the rows have {len(users)} different user_ids; at least {MIN_USERS} are required, because only words "
            f"that {MIN_USERS} users used are learned"
        )
    if evaluate_from is None:
        second = round(len(rows) * (_FIT + _CALIBRATE))
    else:
        second = sum(row.at < evaluate_from for row in rows)
    first = round(second * _FIT / (_FIT + _CALIBRATE))
    if not 0 < first < second < len(rows):
        raise DataError(
            f"{len(rows) - second} of {len(rows)} rows would be used for evaluation; both evaluation and training "
            "need rows"
        )
    split = Split(fit=rows[:first], calibrate=rows[first:second], evaluate=rows[second:])
    if len(split.classes) > MAX_CLASSES:
        raise DataError(
            f"the training rows have {len(split.classes):,} categories of {MIN_CLASS_ROWS} rows or more; at most "
            f"{MAX_CLASSES:,} can be learned; merge the rarest ones"
        )
    if len(split.classes) < MIN_CLASSES:
        several = len({row.category for row in split.fit}) > 1
        only = "have too few rows per category" if several else f"are all of category {split.fit[0].category!r}"
        raise DataError(
            f"the {len(split.fit)} training rows {only}; "
            f"at least two categories with {MIN_CLASS_ROWS} rows each are required"
        )
    return split


def by_merchant(rows: Sequence[LabelledTransaction], *, seed: int) -> NDArray[np.bool_]:
    """Return which rows are held out: all rows of a fifth of the merchants."""
    parts = [crc32(f"{seed} {merchant_key(row.transaction.merchant)}".encode()) % _HELD_OUT for row in rows]
    held_out: NDArray[np.bool_] = np.equal(parts, 0)
    return held_out


def at_random(rows: Sequence[LabelledTransaction], *, seed: int) -> NDArray[np.bool_]:
    """Return which rows are held out: a random fifth."""
    held_out: NDArray[np.bool_] = np.random.default_rng(seed).integers(_HELD_OUT, size=len(rows)) == 0
    return held_out


def split_warnings(split: Split) -> list[str]:
    """Return what makes the evaluation less reliable, one line each."""
    trained = Counter(row.category for row in split.fit)
    evaluated = Counter(row.category for row in split.evaluate)
    few = [(label, rows) for label, rows in sorted(trained.items()) if rows < _FEW_CLASS_ROWS]
    found = [
        f"{label}: {rows} training rows, fewer than {MIN_CLASS_ROWS}; not learned, its transactions stay with the rules"
        for label, rows in few
        if rows < MIN_CLASS_ROWS
    ]
    found += [f"{label}: only {rows} training rows" for label, rows in few if rows >= MIN_CLASS_ROWS]
    found += [f"{label}: no evaluation row, so not part of the F1" for label in sorted(trained) if not evaluated[label]]
    found += [f"{label}: appears only in newer rows, not learned" for label in sorted(set(evaluated) - set(trained))]
    return found
