"""Predictions of a run on labelled rows. Nothing here fits or changes a run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from serin_core.model.calibration import IDENTITY
from serin_training.data.rows import LabelledTransaction
from serin_training.metrics import expected_calibration_error, reliability
from serin_training.run_pipeline import RunPipeline
from serin_training.scoring import Scores, score


@dataclass(frozen=True, slots=True)
class Predictions:
    """Rows with a run's predictions."""

    rows: Sequence[LabelledTransaction]
    raw: Sequence[tuple[str, float]]
    """Label and raw probability, by row."""
    calibrated: Sequence[tuple[str, float]]
    """Label and confidence, by row; the labels are the same."""

    @property
    def labels(self) -> list[str]:
        """Predicted labels, by row."""
        return [label for label, _ in self.calibrated]

    @property
    def categories(self) -> list[str]:
        """True categories, by row."""
        return [row.category for row in self.rows]

    @property
    def right(self) -> list[bool]:
        """Whether the prediction is right, by row."""
        return [label == row.category for label, row in zip(self.labels, self.rows, strict=True)]

    def uncalibrated(self) -> "Predictions":
        """Return the predictions of the same run without calibration."""
        return replace(self, calibrated=self.raw)

    def scores(self) -> Scores:
        """Return F1, accuracy and coverage."""
        return score(self.calibrated, self.categories)

    def calibration_error(self, *, calibrated: bool) -> float:
        """Return the expected calibration error."""
        answers = self.calibrated if calibrated else self.raw
        return expected_calibration_error(reliability([confidence for _, confidence in answers], self.right))


def predict(pipeline: RunPipeline, rows: Sequence[LabelledTransaction]) -> Predictions:
    """Return a run's predictions for rows."""
    raw = pipeline.predict_proba([row.transaction for row in rows])
    uncalibrated = [IDENTITY.rank(pipeline.classes, one, limit=1)[0] for one in raw.tolist()]
    return Predictions(rows, uncalibrated, pipeline.predictions(raw, [row.at for row in rows]))
