"""Which rows teach, calibrate, judge: by time, the newest judge. Never gives a row two jobs.

A random split would let a run read tomorrow's shops; the rows it will meet are always newer than those it knows. What a
random split and one by merchant give stands in the report for comparison only.
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
_HELD_OUT: Final = 5
_FIT: Final = 0.65
_CALIBRATE: Final = 0.15
LEAST_ROWS: Final = 5
"""A class with fewer rows to learn from is not learned: its transactions stay with the rules."""
_DOUBTFUL_ROWS: Final = 20
"""Rows of a class to learn from, under which a warning is given."""


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts, each oldest first and newer than the one before."""

    fit: Sequence[LabelledTransaction]
    calibrate: Sequence[LabelledTransaction]
    judge: Sequence[LabelledTransaction]

    @property
    def classes(self) -> tuple[str, ...]:
        """Answer the classes that can be learned, in alphabetical order."""
        counted = Counter(row.category for row in self.fit)
        return tuple(sorted(label for label, rows in counted.items() if rows >= LEAST_ROWS))

    @property
    def sizes(self) -> dict[str, int]:
        """Answer the number of rows of each part."""
        return {"fit": len(self.fit), "calibrate": len(self.calibrate), "judge": len(self.judge)}


def split_by_time(rows: Sequence[LabelledTransaction], *, judged_from: datetime | None = None) -> Split:
    """Split rows, oldest first, 65 : 15 : 20, or so that rows from `judged_from` on judge.

    Raises DataError where they hold too little to learn from.
    """
    if len(rows) < MIN_ROWS:
        raise DataError(f"{len(rows)} labelled rows are too few to train on; needed are at least {MIN_ROWS}")
    users = {row.transaction.user_id for row in rows} - {None}
    if len(users) < MIN_USERS:
        raise DataError(
            f"the rows are of {len(users)} users; needed are at least {MIN_USERS}: fewer make no word known"
        )
    if judged_from is None:
        second = round(len(rows) * (_FIT + _CALIBRATE))
    else:
        second = sum(row.at < judged_from for row in rows)
    first = round(second * _FIT / (_FIT + _CALIBRATE))
    if not 0 < first < second < len(rows):
        raise DataError(f"of {len(rows)} rows {len(rows) - second} are to judge; needed are some to learn from as well")
    split = Split(fit=rows[:first], calibrate=rows[first:second], judge=rows[second:])
    if len(split.classes) < MIN_CLASSES:
        several = len({row.category for row in split.fit}) > 1
        only = "too few of each category" if several else f"all of category {split.fit[0].category!r}"
        raise DataError(
            f"the {len(split.fit)} rows to learn from are {only}; "
            f"needed are at least two categories with {LEAST_ROWS} rows each"
        )
    return split


def by_merchant(rows: Sequence[LabelledTransaction], *, seed: int) -> NDArray[np.bool_]:
    """Answer which rows are held out: all rows of a fifth of the merchants."""
    parts = [crc32(f"{seed} {merchant_key(row.transaction.merchant)}".encode()) % _HELD_OUT for row in rows]
    held_out: NDArray[np.bool_] = np.equal(parts, 0)
    return held_out


def at_random(rows: Sequence[LabelledTransaction], *, seed: int) -> NDArray[np.bool_]:
    """Answer which rows are held out: any fifth of them."""
    held_out: NDArray[np.bool_] = np.random.default_rng(seed).integers(_HELD_OUT, size=len(rows)) == 0
    return held_out


def warnings_of(split: Split) -> list[str]:
    """Answer what makes the judgement doubtful, one sentence each."""
    found = []
    learned = Counter(row.category for row in split.fit)
    judged = Counter(row.category for row in split.judge)
    for label, rows in sorted(learned.items()):
        if rows < LEAST_ROWS:
            found.append(
                f"{label}: {rows} rows to learn from, under {LEAST_ROWS}; it is not learned, its "
                "transactions stay with the rules"
            )
        elif rows < _DOUBTFUL_ROWS:
            found.append(f"{label}: only {rows} rows to learn from")
        if not judged[label]:
            found.append(f"{label}: no row to judge it by, it is left out of the F1")
    found += [f"{label}: new among the newest rows, it was not learned" for label in sorted(set(judged) - set(learned))]
    return found
