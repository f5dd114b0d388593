"""Whether newer rows still look like those a run was evaluated on. Pure: two profiles in, one verdict out.

Distributions and shares are compared by `serin_core.evidence.differences`. Quality: z-test of the macro F1 over the
classes with enough rows on both sides; the effect size is the drop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import erfc, sqrt
from typing import Final

from serin_core.evidence.differences import Difference, compare_distributions, compare_shares
from serin_core.model.report import Profile, Report
from serin_registry.errors import RegistryError
from serin_registry.verification import StoredRun
from serin_training.data.rows import LabelledTransaction
from serin_training.data_profile import profile
from serin_training.evaluation import Predictions, predict
from serin_training.metrics import f1_interval
from serin_training.run_pipeline import RunPipeline

MAX_F1_DROP: Final = 0.05
MIN_ROWS: Final = 240
"""With fewer rows, a share that changes by MAX_H is not significant among 9 checks, whatever the reference."""
_MIN_CLASS_ROWS: Final = 30
"""On both sides, for the F1 of a class to be compared."""
_Z: Final = 1.96


class DriftVerdict(StrEnum):
    """The result of all checks."""

    STABLE = "stable"
    MOVED = "moved"
    """The rows look different; where there are labels, the predictions are as good as before."""
    WORSE = "worse"
    """The predictions are worse."""
    TOO_FEW_ROWS = "too few rows to tell"


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """One comparison."""

    name: str
    reference: str
    current: str
    difference: Difference
    has_drifted: bool = False


@dataclass(frozen=True, slots=True)
class Drift:
    """All checks and their verdict."""

    rows: int
    checks: tuple[DriftCheck, ...]
    verdict: DriftVerdict


def compare(report: Report, reference: Profile, current: Profile, predictions: Predictions) -> Drift:
    """Compare rows with those a run was evaluated on; `predictions` are the run's on the newer rows."""
    found = [
        _distribution("predicted class", reference.answers, current.answers, is_named=True),
        _distribution("confidence", _numbered(reference.confidence), _numbered(current.confidence)),
        _share("new merchants", (reference.new_merchants, reference.rows), (current.new_merchants, current.rows)),
        *(
            _distribution(name.replace("_", " "), _numbered(counts), _numbered(current.numbers[name]))
            for name, counts in reference.numbers.items()
            if name in current.numbers and sum(map(bool, counts)) > 1
        ),
    ]
    quality = _quality(report, reference, predictions)
    if quality is not None:
        found.append(quality)
    checks = tuple(replace(check, has_drifted=check.difference.is_drift(comparisons=len(found))) for check in found)
    return Drift(current.rows, checks, _verdict(checks, rows=current.rows, has_quality=quality is not None))


def _verdict(checks: Sequence[DriftCheck], *, rows: int, has_quality: bool) -> DriftVerdict:
    if has_quality and checks[-1].has_drifted:
        return DriftVerdict.WORSE
    if any(check.has_drifted for check in checks):
        return DriftVerdict.MOVED
    if rows < MIN_ROWS or any(check.difference.statistic > check.difference.limit for check in checks):
        return DriftVerdict.TOO_FEW_ROWS
    return DriftVerdict.STABLE


def _numbered(counts: Sequence[int]) -> dict[str, int]:
    return {f"bin {at:02}": count for at, count in enumerate(counts, start=1)}


def _distribution(
    name: str, reference: Mapping[str, int], current: Mapping[str, int], *, is_named: bool = False
) -> DriftCheck:
    bins = sorted({*reference, *current})
    found = compare_distributions(*([side.get(at, 0) for at in bins] for side in (reference, current)))
    label = bins[found.bin] if is_named else bins[found.bin].replace(" 0", " ")
    one, other = (f"{label}: {share:.1%}" for share in found.shares)
    return DriftCheck(name, one, other, found)


def _share(name: str, reference: tuple[int, int], current: tuple[int, int]) -> DriftCheck:
    found = compare_shares(reference, current)
    one, other = (f"{share:.1%}" for share in found.shares)
    return DriftCheck(name, one, other, found)


def _quality(report: Report, reference: Profile, predictions: Predictions) -> DriftCheck | None:
    """Return the one-sided check of macro F1; None if no class has enough rows."""
    scores = predictions.scores()
    labels = [
        label
        for label, rows in scores.rows.items()
        if rows >= _MIN_CLASS_ROWS
        and reference.categories.get(label, 0) >= _MIN_CLASS_ROWS
        and label in report.val_f1_per_class
    ]
    if not labels:
        return None
    sides = [
        [(report.val_f1_per_class[label], reference.categories[label]) for label in labels],
        [(scores.f1[label], scores.rows[label]) for label in labels],
    ]
    (one, one_error), (other, other_error) = (_mean(side) for side in sides)
    drop = one - other
    return DriftCheck(
        f"macro F1 of {len(labels)} classes",
        reference=f"{one:.3f}",
        current=f"{other:.3f}",
        difference=Difference(
            p_value=erfc(drop / sqrt(one_error**2 + other_error**2) / sqrt(2)) / 2,
            statistic_name="drop",
            statistic=max(0.0, drop),
            limit=MAX_F1_DROP,
        ),
    )


def _mean(side: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Return the mean F1 and its standard error, from F1 and rows by class."""
    widths = [high - low for low, high in (f1_interval(f1, rows) for f1, rows in side)]
    errors = [width / (2 * _Z) for width in widths]
    return sum(f1 for f1, _ in side) / len(side), sqrt(sum(error**2 for error in errors)) / len(side)


def drift_of(stored: StoredRun, pipeline: RunPipeline, rows: Sequence[LabelledTransaction]) -> Drift:
    """Compare rows with those a run was evaluated on. Raises RegistryError if its report has no profile."""
    reference = stored.report.profile
    if reference is None:
        raise RegistryError(f"{stored.name}: its report has no data profile; an older version wrote it")
    predictions = predict(pipeline, rows)
    current = profile(pipeline.encoder, predictions, edges=reference.edges)
    return compare(stored.report, reference, current, predictions)
