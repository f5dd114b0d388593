"""Whether newer rows still look like those that a run was judged by. Pure: two profiles in, one verdict out.

Each look has a test (could it be chance?) and a size of effect (does it matter?). Something has moved only when both
say so: with a hundred thousand rows everything is significant, with a hundred every month looks odd.

Distributions: chi-squared test of two samples; size is the population stability index without what chance alone adds,
about (bins - 1)(1/n + 1/m). Shares: two-proportion z-test; size is Cohen's h (1988). Quality: z-test of the macro F1
over the classes with rows on both sides; size is the fall. The bounds on p are divided by the number of looks
(Bonferroni).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import asin, erfc, sqrt
from typing import Final

import numpy as np
from scipy.stats import chi2

from serin_core.model.report import Profile, Report
from serin_registry.errors import RegistryError
from serin_registry.verification import StoredRun
from serin_training.data.rows import LabelledTransaction
from serin_training.data_profile import profile
from serin_training.evaluation import Predictions, answer
from serin_training.metrics import f1_interval
from serin_training.pipeline import Pipeline

ALPHA: Final = 0.001
"""Greatest chance, over all looks at rows like those before, that one of them counts as significant."""
MOST_INDEX: Final = 0.25
"""Of the population stability index; the customary bound of a major change."""
MOST_H: Final = 0.25
"""Of Cohen's h: 0.2 is small, 0.5 medium."""
MOST_FALL: Final = 0.05
"""Of macro F1."""
_LEAST_ROWS: Final = 30
"""Of a class, on both sides, for its F1 to be compared."""
_Z: Final = 1.96


class Verdict(StrEnum):
    """What all looks come to."""

    STABLE = "stable"
    MOVED = "moved"
    """The rows look different; where labels came, the answers are as good as before."""
    WORSE = "worse"
    """The answers are worse."""


@dataclass(frozen=True, slots=True)
class Look:
    """One comparison."""

    what: str
    before: str
    now: str
    p: float
    """The chance of such a difference, or a greater one, where nothing has changed."""
    size: float
    most: float
    """The greatest size that does not matter."""
    has_moved: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """All of them."""

    rows: int
    looks: tuple[Look, ...]
    verdict: Verdict


def compare(report: Report, before: Profile, now: Profile, answered: Predictions) -> Drift:
    """Compare rows with those by which a run was judged; `answered` are the newer rows with the run's answers."""
    found = [
        _distribution("answers", before.answers, now.answers),
        _distribution("confidence", _numbered(before.confidence), _numbered(now.confidence)),
        _share("new merchants", (before.new_merchants, before.rows), (now.new_merchants, now.rows)),
        *(
            _distribution(name.replace("_", " "), _numbered(counts), _numbered(now.numbers[name]))
            for name, counts in before.numbers.items()
            if name in now.numbers and sum(map(bool, counts)) > 1
        ),
    ]
    quality = _quality(report, before, answered)
    looks = [*found, quality] if quality is not None else found
    judged = [
        Look(
            look.what,
            look.before,
            look.now,
            look.p,
            look.size,
            look.most,
            has_moved=bool(look.p < ALPHA / len(looks) and look.size > look.most),
        )
        for look in looks
    ]
    is_worse = quality is not None and judged[-1].has_moved
    moved = Verdict.MOVED if any(look.has_moved for look in judged) else Verdict.STABLE
    return Drift(now.rows, tuple(judged), Verdict.WORSE if is_worse else moved)


def _numbered(counts: Sequence[int]) -> dict[str, int]:
    return {str(at): count for at, count in enumerate(counts)}


def _distribution(what: str, before: Mapping[str, int], now: Mapping[str, int]) -> Look:
    names = [name for name in sorted({*before, *now}) if before.get(name, 0) + now.get(name, 0)]
    one, other = (np.array([side.get(name, 0) for name in names], dtype=np.float64) for side in (before, now))
    n, m = one.sum(), other.sum()
    expected = np.stack([(one + other) * n, (one + other) * m]) / (n + m)
    statistic = float((((np.stack([one, other]) - expected) ** 2) / expected).sum())
    # Half a row in each bin: an empty one would make the index infinite.
    p, q = (one + 0.5) / (n + 0.5 * len(names)), (other + 0.5) / (m + 0.5 * len(names))
    index = float(((p - q) * np.log(p / q)).sum()) - (len(names) - 1) * (1 / n + 1 / m)
    shift = np.abs(p - q)
    most = int(shift.argmax())
    told = f"{names[most]} " if what == "answers" else ""
    return Look(
        what,
        before=f"{told}{p[most]:.1%}",
        now=f"{told}{q[most]:.1%}",
        p=float(chi2.sf(statistic, max(1, len(names) - 1))),
        size=max(0.0, index),
        most=MOST_INDEX,
        has_moved=False,
    )


def _share(what: str, before: tuple[int, int], now: tuple[int, int]) -> Look:
    one, other = before[0] / before[1], now[0] / now[1]
    pooled = (before[0] + now[0]) / (before[1] + now[1])
    error = sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / before[1] + 1 / now[1]))
    return Look(
        what,
        before=f"{one:.1%}",
        now=f"{other:.1%}",
        p=erfc(abs(other - one) / error / sqrt(2)),
        size=abs(2 * asin(sqrt(other)) - 2 * asin(sqrt(one))),
        most=MOST_H,
        has_moved=False,
    )


def _quality(report: Report, before: Profile, answered: Predictions) -> Look | None:
    """Answer how macro F1 has changed, one-sided; None where no class has rows enough."""
    scores = answered.scores()
    labels = [
        label
        for label, rows in scores.rows.items()
        if rows >= _LEAST_ROWS and before.categories.get(label, 0) >= _LEAST_ROWS and label in report.val_f1_per_class
    ]
    if not labels:
        return None
    sides = [
        [(report.val_f1_per_class[label], before.categories[label]) for label in labels],
        [(scores.f1[label], scores.rows[label]) for label in labels],
    ]
    (one, one_error), (other, other_error) = (_mean(side) for side in sides)
    fall = one - other
    return Look(
        f"macro F1 of {len(labels)} classes",
        before=f"{one:.3f}",
        now=f"{other:.3f}",
        p=erfc(fall / sqrt(one_error**2 + other_error**2) / sqrt(2)) / 2,
        size=max(0.0, fall),
        most=MOST_FALL,
        has_moved=False,
    )


def _mean(side: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Answer the mean F1 and its standard error, from F1 and rows by class."""
    widths = [high - low for low, high in (f1_interval(f1, rows) for f1, rows in side)]
    errors = [width / (2 * _Z) for width in widths]
    return sum(f1 for f1, _ in side) / len(side), sqrt(sum(error**2 for error in errors)) / len(side)


def drift_of(stored: StoredRun, pipeline: Pipeline, rows: Sequence[LabelledTransaction]) -> Drift:
    """Compare rows with those by which a run was judged. Raises RegistryError."""
    before = stored.report.profile
    if before is None:
        raise RegistryError(f"{stored.name}: its report has no profile of its rows, an older version wrote it")
    answered = answer(pipeline, rows)
    return compare(stored.report, before, profile(pipeline.encoder, answered, edges=before.edges), answered)
