"""What a run is asked, by bins: servers count it, and its report has the same of the rows that it was evaluated on.

Bins are those of the report's profile, so that both can be compared. No text is kept: of a merchant, only whether the
run knows its name. The number of bins is bounded, whatever a report says.

The weekday is left out: a few hours without counts make one day rarer than the others. So is confidence, which
calibration and the age of the run change too.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from random import Random
from typing import Final, Self

from serin_core.model.features import NUMBERS
from serin_core.model.report import Profile

MAX_BINS: Final = 32
"""Of one feature: of a number, the last bin has all greater values; of classes, OTHER has the rarest ones."""
EVERY: Final = 16
"""Predictions of which one is counted, on average: what is counted costs a sixth of a decision."""
PREDICTED: Final = "predicted_class"
NEW_MERCHANTS: Final = "new_merchants"
OTHER: Final = "other"
_COUNTED: Final = ("log_amount", "is_refund", "hour", "channel")
FEATURES: Final = (PREDICTED, NEW_MERCHANTS, *_COUNTED)


@dataclass(frozen=True, slots=True)
class InputBins:
    """The bins of each feature of a run."""

    reference: Mapping[str, Mapping[str, int]]
    """The rows that the run was evaluated on, by feature and bin. Bins of numbers are numbered from the lowest up."""
    numbers: tuple[tuple[str, int, tuple[float, ...]], ...]
    """Each numeric feature, its place in NUMBERS, and the values at which its bins begin, but for the first."""
    classes: Mapping[str, int]
    """The bin of each class that has one of its own."""

    @classmethod
    def of(cls, profile: Profile | None) -> Self | None:
        """Return the bins of a profile; None without one, or if its parts do not fit together."""
        if profile is None or not 0 <= profile.new_merchants <= profile.rows:
            return None
        numbers, reference = [], {}
        for name in _COUNTED:
            edges, rows = profile.edges.get(name, ()), profile.numbers.get(name, ())
            if len(rows) != len(edges) + 1 or not all(map(isfinite, edges)) or sorted(edges) != list(edges):
                return None
            numbers.append((name, NUMBERS.index(name), edges[: MAX_BINS - 1]))
            reference[name] = {f"{at:02}": sum(part) for at, part in enumerate(_parts(rows))}
        ranked = Counter(profile.answers).most_common()
        own, rare = ranked[: MAX_BINS - 1], ranked[MAX_BINS - 1 :]
        predicted = {label: rows for label, rows in own if label != OTHER}
        predicted[OTHER] = sum(rows for _, rows in rare) + dict(own).get(OTHER, 0)
        merchants = {"known": profile.rows - profile.new_merchants, "new": profile.new_merchants}
        return cls(
            {PREDICTED: predicted, NEW_MERCHANTS: merchants, **reference},
            tuple(numbers),
            {label: at for at, label in enumerate(predicted)},
        )


def _parts(rows: Sequence[int]) -> list[Sequence[int]]:
    """Return the rows of each bin, with all that is above the last one in it."""
    kept = MAX_BINS - 1
    return [*([one] for one in rows[:kept]), *([rows[kept:]] if rows[kept:] else ())]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is counted of one transaction, beside the predicted class."""

    numbers: Sequence[float]
    """Its features.NUMBERS."""
    is_new_merchant: bool


class InputCounts:
    """Counts of what one run was asked, in this process, of about every EVERY-th prediction. Mutable."""

    __slots__ = ("_classes", "_counts", "_merchants", "_numbers", "_other", "_predicted", "_random", "_skip", "bins")

    def __init__(self, bins: InputBins, random: Random | None = None) -> None:
        """Start at 0. `random` draws how many predictions are left out between two that are counted."""
        self.bins, self._random, self._skip = bins, random or Random(), 0  # noqa: S311 - a sample, no secret
        self._counts = {feature: [0] * len(rows) for feature, rows in bins.reference.items()}
        self._predicted, self._merchants = self._counts[PREDICTED], self._counts[NEW_MERCHANTS]
        self._classes, self._other = bins.classes, bins.classes[OTHER]
        self._numbers = [(place, edges, self._counts[name]) for name, place, edges in bins.numbers]

    def is_due(self) -> bool:
        """Return whether the present prediction is to be counted."""
        if self._skip:
            self._skip -= 1
            return False
        # Not a fixed number: batches of one size would be counted at the same places for ever.
        self._skip = self._random.randrange(2 * EVERY - 1)
        return True

    def add(self, inputs: Inputs, *, label: str) -> None:
        """Count one transaction, and the class that is predicted for it."""
        self._predicted[self._classes.get(label, self._other)] += 1
        self._merchants[inputs.is_new_merchant] += 1
        for place, edges, counts in self._numbers:
            counts[bisect_right(edges, inputs.numbers[place])] += 1

    def counted(self) -> Mapping[str, Mapping[str, int]]:
        """Return a copy of the counts, by feature and bin."""
        return {
            feature: dict(zip(rows, self._counts[feature], strict=True))
            for feature, rows in self.bins.reference.items()
        }
