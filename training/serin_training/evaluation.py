"""How a stored run does on given rows. Never fits anything and never changes a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serin_core.model.calibration import IDENTITY
from serin_training.data.rows import LabelledTransaction
from serin_training.metrics import expected_calibration_error, reliability
from serin_training.pipeline import Pipeline
from serin_training.scoring import Scores, judge


@dataclass(frozen=True, slots=True)
class Predictions:
    """Rows with a run's answers to them."""

    rows: Sequence[LabelledTransaction]
    raw: Sequence[tuple[str, float]]
    """Label and raw probability, by row."""
    calibrated: Sequence[tuple[str, float]]
    """Label and confidence, by row; the labels are the same."""

    @property
    def labels(self) -> list[str]:
        """Answer what was answered, by row."""
        return [label for label, _ in self.calibrated]

    @property
    def categories(self) -> list[str]:
        """Answer what people said, by row."""
        return [row.category for row in self.rows]

    @property
    def right(self) -> list[bool]:
        """Answer which answers are right."""
        return [label == row.category for label, row in zip(self.labels, self.rows, strict=True)]

    def scores(self) -> Scores:
        """Answer F1, accuracy and coverage."""
        return judge(self.calibrated, self.categories)

    def calibration_error(self, *, calibrated: bool) -> float:
        """Answer the expected calibration error."""
        answers = self.calibrated if calibrated else self.raw
        return expected_calibration_error(reliability([confidence for _, confidence in answers], self.right))


def answer(pipeline: Pipeline, rows: Sequence[LabelledTransaction]) -> Predictions:
    """Ask a run about rows."""
    raw = pipeline.predict_proba([row.transaction for row in rows]).tolist()
    return Predictions(
        rows=rows,
        raw=[IDENTITY.rank(pipeline.classes, one)[0] for one in raw],
        calibrated=[pipeline.calibration.rank(pipeline.classes, one)[0] for one in raw],
    )


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Answers of one class at or over its threshold; shares in 0 to 1."""

    threshold: float
    answers: int
    covered: int
    precision: float
    """0 where nothing is covered."""

    @property
    def coverage(self) -> float:
        """Answer the share of the class's answers that is covered."""
        return self.covered / self.answers if self.answers else 0.0


def at_thresholds(answered: Predictions, thresholds: Mapping[str, float]) -> dict[str, AtThreshold]:
    """Answer, for each class with a threshold, what stands at or over it."""
    found = {}
    for label, threshold in thresholds.items():
        mine = [
            (confidence, is_right)
            for (name, confidence), is_right in zip(answered.calibrated, answered.right, strict=True)
            if name == label
        ]
        covered = [is_right for confidence, is_right in mine if confidence >= threshold]
        precision = sum(covered) / len(covered) if covered else 0.0
        found[label] = AtThreshold(threshold, answers=len(mine), covered=len(covered), precision=precision)
    return found


def propose_thresholds(answered: Predictions, *, precision: float, least: int) -> dict[str, float]:
    """Answer, for each class, the lowest threshold (in hundredths) over which the share of right answers is reached.

    Each needs `least` answers over it; a class in which no threshold does is left out: the default is for it.
    """
    proposed = {}
    for label in sorted(set(answered.labels)):
        for hundredth in range(101):
            found = at_thresholds(answered, {label: hundredth / 100})[label]
            if found.covered < least:
                break
            if found.precision >= precision:
                proposed[label] = hundredth / 100
                break
    return proposed
