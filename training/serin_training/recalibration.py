"""The correction of a run's confidence, estimated from labels that service has brought. Pure.

A penalised logistic regression: the four numbers of `serin_core.model.correction` have normal priors that are centred
on no correction, so that few labels change little (a model that is updated with few new cases needs this shrinkage:
Steyerberg et al., Statistics in Medicine 2004). Older labels count for less. Bounds hold whatever the labels are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from serin_core.contract.pod_report import ClassCoverage
from serin_core.model import manifest
from serin_core.model.aging import CERTAIN
from serin_core.model.correction import LEAST, MAX_SHIFT, MAX_SLOPE, MIN_SLOPE, Correction
from serin_core.model.manifest import run_name
from serin_core.model.parity import parity_text
from serin_core.model.report import Recalibration, Report
from serin_core.model.values import parse_timestamp, unix_time
from serin_registry.verification import StoredRun
from serin_training.arrays import Floats
from serin_training.data.rows import LabelOrigin, Row
from serin_training.data_profile import confidence_bins
from serin_training.errors import DataError
from serin_training.parity import parity_rows
from serin_training.run_pipeline import RunPipeline
from serin_training.scoring import coverage_of
from serin_training.training import TrainingConfig

HALF_LIFE: Final = 180.0
"""Days after which a label counts half."""
MIN_LABELS: Final = 100
"""With fewer, the prior decides nearly everything."""
COMPLETE: Final = 0.9
"""Share of transactions with a label or feedback from which on it hardly matters which of them have one."""
MIN_TRANSACTIONS: Final = 10
"""Of a user in a month; whether the only one has a label shows nothing."""
MIN_CHANGE: Final = 0.005
"""Mean change of confidence below which another run is not worth its rollout."""
RECENT: Final = timedelta(days=90)
"""Transactions of this time before the newest show the confidences that the run will have in service."""
_CENTRE: Final = np.array([0.0, 1.0, 1.0, 0.0])
_DEVIATION: Final = np.array([0.5, 0.3, 0.3, 1.0])
"""Standard deviations of the priors of shift, both slopes, and the weight of the raw probability."""
_BOUNDS: Final = ((-MAX_SHIFT, MAX_SHIFT), (MIN_SLOPE, MAX_SLOPE), (MIN_SLOPE, MAX_SLOPE), (0.0, 1.0))


def fit_correction(
    confidence: Sequence[float], raw: Sequence[float], right: Sequence[bool], age: Sequence[float]
) -> Correction:
    """Return the correction from labelled predictions.

    Takes the discounted confidence of each, its raw probability, whether it was right, and its age in days.
    """
    given, model = _logits(confidence), _logits(raw)
    truth = np.asarray(right, dtype=np.float64)
    weight = 0.5 ** (np.asarray(age, dtype=np.float64) / HALF_LIFE)

    def loss(found: Floats) -> float:
        """Return the negative logarithm of the posterior."""
        shift, above, below, raw_weight = found
        mixed = (1 - raw_weight) * given + raw_weight * model
        z = shift + mixed * np.where(mixed > 0, above, below)
        prior = np.sum(((found - _CENTRE) / _DEVIATION) ** 2) / 2
        return float(np.sum(weight * (np.logaddexp(0.0, z) - truth * z)) + prior)

    fitted: Any = minimize(loss, _CENTRE, method="L-BFGS-B", bounds=_BOUNDS)
    return Correction(*(float(one) for one in fitted.x))


def _logits(shares: Sequence[float]) -> Floats:
    p = np.clip(np.asarray(shares, dtype=np.float64), LEAST, CERTAIN)
    return np.log(p / (1 - p))


@dataclass(frozen=True, slots=True)
class Skipped:
    """No run is made."""

    reason: str


@dataclass(frozen=True, slots=True)
class RecalibratedRun:
    """The same run with corrected confidence, under a name of its own; not published yet."""

    report: Report
    recalibration: Recalibration
    files: Mapping[str, bytes]
    """Those that differ from the run it was made from."""

    @property
    def name(self) -> str:
        """Full name of the run."""
        return self.report.run_directory


def recalibrate(
    stored: StoredRun, pipeline: RunPipeline, rows: Sequence[Row], config: TrainingConfig
) -> RecalibratedRun | Skipped:
    """Return a run whose confidence is corrected by the labels among these rows, oldest first.

    Rows that the run has learned from are left out, and labels that may have been given because a suggestion was wrong
    (`has_fair_label`). Raises DataError for a run of an older version.
    """
    report = stored.report
    if report.known_to is None:
        raise DataError(f"{stored.name}: an older version wrote its report, without known_to; train a new run")
    learned = parse_timestamp(report.known_to)
    newer = [row for row in rows if unix_time(row.at) > unix_time(learned)]
    fair = has_fair_label(newer)
    if sum(fair) < MIN_LABELS:
        return Skipped(
            f"{sum(fair)} of {sum(row.label is not None for row in newer)} labels of transactions after "
            f"{learned:%Y-%m-%d} count, {MIN_LABELS} are needed; those of a user count in a month in which "
            f"{COMPLETE:.0%} of at least {MIN_TRANSACTIONS} transactions have one"
        )
    served = _Served.of(pipeline, newer)
    judged = [at for at, right in enumerate(served.right) if right is not None and fair[at]]
    if not judged:
        return Skipped(f"{sum(fair)} rejections, none of which is of a class that {stored.name} predicts")
    newest = newer[judged[-1]].at
    right = [served.right[at] is True for at in judged]
    before = [served.discounted[at] for at in judged]
    raw = [served.raw[at] for at in judged]
    correction = fit_correction(before, raw, right, [(newest - newer[at].at).total_seconds() / _DAY for at in judged])
    after = [correction.corrected(one, other) for one, other in zip(before, raw, strict=True)]
    corrected = replace(pipeline, calibration=replace(pipeline.calibration, correction=correction))
    recent = _Recent.of(pipeline, corrected, [row for row in newer if row.at >= newer[-1].at - RECENT])
    if recent.change < MIN_CHANGE:
        return Skipped(
            f"{len(judged)} labels would change the mean confidence by {recent.change:.3f}, less than {MIN_CHANGE}"
        )
    found = Recalibration(
        of=stored.name if report.recalibration is None else report.recalibration.of,
        at=config.now.astimezone(UTC).isoformat(timespec="seconds"),
        labels=len(judged),
        labels_from=newer[judged[0]].at.isoformat(),
        labels_to=newest.isoformat(),
        right=float(np.mean(right)),
        confidence_before=float(np.mean(before)),
        confidence_after=float(np.mean(after)),
        shift=correction.shift,
        slope_above=correction.slope_above,
        slope_below=correction.slope_below,
        raw_weight=correction.raw_weight,
    )
    updated = recent.report(report).model_copy(
        update={
            "run_id": config.run_id,
            "run_directory": run_name(config.run_id, unix_time=int(config.now.timestamp())),
            "recalibration": found,
            "deployed": config.deploy and report.passed_acceptance_gate,
            "deploy_reason": f"{_base_reason(report)}; recalibrated from {found.of}",
        }
    )
    files = {
        manifest.REPORT: updated.model_dump_json(indent=2).encode() + b"\n",
        manifest.PARITY: parity_text(parity_rows(corrected, seed=report.seed)),
    }
    return RecalibratedRun(updated, found, files)


def _base_reason(report: Report) -> str:
    return report.deploy_reason.partition("; ")[0]


_DAY: Final = 86_400


def has_fair_label(rows: Sequence[Row]) -> list[bool]:
    """Return for each row whether it has a label that was given whatever the suggestion was.

    Users correct what is wrong more often than they confirm what is right, which would make a run look worse than it
    is. So labels count where nearly everything has one: in all the data, as in an audited sample, or among the
    transactions of a user in a month.
    """
    if sum(row.label is not None for row in rows) >= COMPLETE * len(rows):
        return [row.label is not None for row in rows]
    groups = [(row.transaction.user_id, row.at.year, row.at.month) for row in rows]
    size, labelled = Counter(groups), Counter(at for at, row in zip(groups, rows, strict=True) if row.label is not None)
    complete = {
        one
        for one, number in size.items()
        if one[0] and number >= MIN_TRANSACTIONS and labelled[one] >= COMPLETE * number
    }
    return [row.label is not None and at in complete for at, row in zip(groups, rows, strict=True)]


@dataclass(frozen=True, slots=True)
class _Served:
    """What the run, without a correction, says about rows, by row."""

    discounted: Sequence[float]
    raw: Sequence[float]
    right: Sequence[bool | None]
    """None where no label shows it."""

    @classmethod
    def of(cls, pipeline: RunPipeline, rows: Sequence[Row]) -> "_Served":
        uncorrected = replace(pipeline, calibration=replace(pipeline.calibration, correction=None))
        raw = uncorrected.predict_proba([row.transaction for row in rows])
        predictions = uncorrected.predictions(raw, [row.at for row in rows])
        return cls(
            discounted=[confidence for _, confidence in predictions],
            raw=raw.max(axis=1, initial=0.0).tolist(),
            right=[_is_right(label, row) for (label, _), row in zip(predictions, rows, strict=True)],
        )


def _is_right(predicted: str, row: Row) -> bool | None:
    """Return whether a prediction is right; a rejection without a label shows only what is wrong."""
    if row.label is None:
        return None
    if row.label.origin is LabelOrigin.REJECTED:
        return False if predicted == row.label.category else None
    return predicted == row.label.category


@dataclass(frozen=True, slots=True)
class _Recent:
    """The confidences that recent transactions would have if they came now."""

    labels: Sequence[str]
    confidence: Floats
    change: float
    """Mean absolute difference to those of the run as it was."""

    @classmethod
    def of(cls, before: RunPipeline, after: RunPipeline, rows: Sequence[Row]) -> "_Recent":
        raw, now = after.predict_proba([row.transaction for row in rows]), [rows[-1].at] * len(rows)
        was, found = (
            np.array([confidence for _, confidence in pipeline.predictions(raw, now)]) for pipeline in (before, after)
        )
        labels = [after.classes[at] for at in raw.argmax(axis=1).tolist()]
        return cls(labels, found, float(np.abs(found - was).mean()))

    def report(self, before: Report) -> Report:
        """Return a report with the coverages and the profile of these confidences."""
        by_class = dict(before.coverage_by_class)
        labels = np.array(self.labels)
        for label, known in before.coverage_by_class.items():
            found = self.confidence[labels == label]
            if found.size:
                # Its share stays that of the evaluation: it is what an alert compares the mix of predictions with.
                by_class[label] = ClassCoverage(share=known.share, by_threshold=coverage_of(found, found))
        profile = before.profile
        return before.model_copy(
            update={
                "coverage_by_threshold": coverage_of(self.confidence, self.confidence),
                "coverage_by_class": by_class,
                "profile": profile and profile.model_copy(update={"confidence": confidence_bins(self.confidence)}),
            }
        )
