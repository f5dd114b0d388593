"""Whether to train again, and whether the new run is good enough to be proposed. Pure.

Reasons to train again: more than NEW_LABELS new labels, worse predictions, categories that the run does not know, or a
run older than MAX_AGE.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from serin_core.model.report import Report
from serin_training.data.rows import LabelledTransaction
from serin_training.data_drift import Drift, DriftVerdict
from serin_training.evaluation import Predictions
from serin_training.metrics import macro_f1

NEW_LABELS: Final = 1000
NEW_CATEGORY_ROWS: Final = 30
"""Minimum rows of an unknown category to count as a reason."""
MAX_AGE: Final = timedelta(days=30)
TOLERANCE: Final = 0.005
"""Macro F1 that a new run may lose on the same rows and still be proposed, because it knows newer shops."""


def reasons(
    report: Report, classes: Sequence[str], newer: Sequence[LabelledTransaction], drift: Drift | None, *, now: datetime
) -> list[str]:
    """Return the reasons to train again, one line each; `newer` are the rows that the run has not seen."""
    found = []
    if len(newer) > NEW_LABELS:
        found.append(f"{len(newer)} new labels, more than {NEW_LABELS}")
    if drift is not None and drift.verdict is DriftVerdict.WORSE:
        quality = drift.checks[-1]
        found.append(
            f"predictions have become worse: {quality.name} {quality.reference} at evaluation, {quality.current} now"
        )
    unknown = Counter(row.category for row in newer if row.category not in classes)
    found += [
        f"new category {label}: {rows} rows" for label, rows in sorted(unknown.items()) if rows >= NEW_CATEGORY_ROWS
    ]
    created = datetime.fromisoformat(report.created_at)
    if newer and now - created >= MAX_AGE:
        found.append(f"the run is {(now - created).days} days old, and there are {len(newer)} new labels")
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Macro F1 of two runs on the same rows."""

    rows: int
    current: float
    new: float
    is_unseen: bool
    """Whether neither run was trained on any of these rows."""

    @property
    def is_not_worse(self) -> bool:
        """Whether the new run may be proposed."""
        return self.new >= self.current - TOLERANCE

    def __str__(self) -> str:
        """Return the comparison in one line."""
        seen = "" if self.is_unseen else ", some of which the current run was trained on"
        return (
            f"on the same {self.rows} newest rows{seen}: macro F1 {self.current:.3f} of the current run, "
            f"{self.new:.3f} of the new run"
        )


def compare_runs(current: Predictions, new: Predictions, *, trained_until: datetime) -> Comparison:
    """Compare the predictions of two runs for the same rows; `trained_until` is the current run's newest row."""
    return Comparison(
        rows=len(new.rows),
        current=macro_f1(current.labels, current.categories),
        new=macro_f1(new.labels, new.categories),
        is_unseen=new.rows[0].at > trained_until,
    )
