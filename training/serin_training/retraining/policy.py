"""Whether it is worth training again, and whether the new run is worth proposing. Pure.

The runbook's reasons: more than NEW_LABELS new labels, answers that have become worse, categories that the run does not
know, or MONTH gone since it was made.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from serin_core.model.report import Report
from serin_training.data.rows import LabelledTransaction
from serin_training.data_drift import Drift, Verdict
from serin_training.evaluation import Predictions
from serin_training.metrics import macro_f1

NEW_LABELS: Final = 1000
NEW_CATEGORY: Final = 30
"""Rows of a category that the run does not know, from which on it counts."""
MONTH: Final = timedelta(days=30)
NOT_WORSE: Final = 0.005
"""A new run may lose so much macro F1 on the same rows and is still proposed: it knows newer shops."""


def reasons(
    report: Report, classes: Sequence[str], newer: Sequence[LabelledTransaction], drift: Drift | None, *, now: datetime
) -> list[str]:
    """Answer why to train again, one sentence each; `newer` are the rows that the run has not seen."""
    found = []
    if len(newer) > NEW_LABELS:
        found.append(f"{len(newer)} new labels, more than {NEW_LABELS}")
    if drift is not None and drift.verdict is Verdict.WORSE:
        worst = drift.looks[-1]
        found.append(f"the answers have become worse: {worst.what} {worst.before} when it was judged, {worst.now} now")
    unknown = Counter(row.category for row in newer if row.category not in classes)
    found += [f"new category {label}: {rows} rows" for label, rows in sorted(unknown.items()) if rows >= NEW_CATEGORY]
    made = datetime.fromisoformat(report.created_at)
    if newer and now - made >= MONTH:
        found.append(f"the run is {(now - made).days} days old, and there are {len(newer)} new labels")
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the same rows."""

    rows: int
    stable: float
    """Macro F1."""
    candidate: float
    is_unseen: bool
    """Whether neither run has learned from any of these rows."""

    @property
    def is_not_worse(self) -> bool:
        """Answer whether the new run may be proposed."""
        return self.candidate >= self.stable - NOT_WORSE

    def __str__(self) -> str:
        """Answer it in a sentence."""
        seen = "" if self.is_unseen else ", some of which the present run has learned from"
        return (
            f"on the same {self.rows} newest rows{seen}: macro F1 {self.stable:.3f} now, {self.candidate:.3f} with the "
            "new run"
        )


def compare_runs(stable: Predictions, candidate: Predictions, *, learned_until: datetime) -> Comparison:
    """Compare the answers of two runs to the same rows."""
    return Comparison(
        rows=len(candidate.rows),
        stable=macro_f1(stable.labels, stable.categories),
        candidate=macro_f1(candidate.labels, candidate.categories),
        is_unseen=candidate.rows[0].at > learned_until,
    )
