"""The training report of a run, meta.json."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from serin_core.api.spec import RUN_PATTERN
from serin_core.contract.pod_report import ClassCoverage, Coverage, ThresholdName
from serin_core.model.aging import NO_AGING, Aging
from serin_core.model.correction import MAX_SHIFT, MAX_SLOPE, MIN_SLOPE, Correction
from serin_core.model.manifest import REPORT, parse_file
from serin_core.model.values import parse_timestamp, unix_time

_Share = Annotated[float, Field(ge=0, le=1)]


def _checked_time(text: str) -> str:
    parse_timestamp(text)
    return text


_Time = Annotated[str, AfterValidator(_checked_time)]


class _ReportModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Profile(_ReportModel):
    """Counts that describe the held-out rows; newer rows are compared with them (`serin drift`)."""

    rows: int
    categories: dict[str, int]
    """Rows by the class that users chose."""
    answers: dict[str, int]
    """Rows by the class that the run predicts."""
    confidence: tuple[int, ...]
    """Predictions by confidence, in bins of equal width from 0 to 1."""
    new_merchants: int
    """Rows with a merchant name of which the run does not know every word."""
    numbers: dict[str, tuple[int, ...]]
    """For each numeric feature, rows by the bins of `edges`; the first bin is below all edges."""
    edges: dict[str, tuple[float, ...]]
    monthly: dict[str, tuple[int, int]]
    """By month, the number of rows and of correct predictions."""


class CurvePoint(_ReportModel):
    """Scores of a linear model of some of the labels."""

    labels: int
    accuracy: _Share


class Expected(_ReportModel):
    """A score that is expected with twice as many labels, and its 95 % interval."""

    score: _Share
    low: _Share
    high: _Share


class ClassCurve(_ReportModel):
    """What more labels of a class would give."""

    labels: int
    """Those that the run has learned from."""
    rows: int
    """Evaluation rows."""
    f1: tuple[_Share, ...]
    """By the points of the curve."""
    doubled: Expected | None
    """F1; None if the evaluation rows are too few to say."""


class LearningCurve(_ReportModel):
    """Scores of the linear model alone by the number of labels, on the same evaluation rows."""

    points: tuple[CurvePoint, ...]
    """With a quarter, half and all of the labels."""
    doubled: Expected
    """Accuracy with twice as many labels."""
    classes: dict[str, ClassCurve]


_Slope = Annotated[float, Field(ge=MIN_SLOPE, le=MAX_SLOPE)]


class Recalibration(_ReportModel):
    """How labels from service have corrected the confidence of a run (`serin recalibrate`)."""

    of: str = Field(pattern=RUN_PATTERN)
    """The run that was trained: of every run that was recalibrated from it, the first."""
    at: _Time
    labels: int
    """Labels that counted, all newer than what the run has learned from."""
    labels_from: _Time
    labels_to: _Time
    right: _Share
    """Share of these labels that the run predicts; the next two are mean confidences for the same transactions."""
    confidence_before: _Share
    """Without a correction."""
    confidence_after: _Share
    shift: Annotated[float, Field(ge=-MAX_SHIFT, le=MAX_SHIFT)]
    """The numbers of `serin_core.model.correction`; this and the next three."""
    slope_above: _Slope
    slope_below: _Slope
    raw_weight: _Share

    @property
    def correction(self) -> Correction:
        """The correction that servers apply."""
        return Correction(self.shift, self.slope_above, self.slope_below, self.raw_weight)


class Report(_ReportModel):
    """The training report. Shares and scores are in 0 to 1.

    All `val_` figures and coverages are measured on the newest rows, unseen by trees and calibrators, with
    calibration if `calibration_enabled`. Unknown fields are ignored, so that an older server can read a newer run.
    """

    run_id: str
    """`run_<8 hex>`; the directory name appends the time."""
    run_directory: str = Field(pattern=RUN_PATTERN)
    """The run's full name, the one that `spec.runID` takes."""
    created_at: str
    val_f1_macro: _Share
    val_f1_min: _Share
    val_f1_per_class: dict[str, _Share]
    val_accuracy: _Share
    val_calibration_error: _Share = 0.0
    """Expected calibration error, over 15 bins."""
    val_calibration_error_uncalibrated: _Share = 0.0
    val_f1_by_split: dict[str, _Share] = {}
    """Macro F1 of the linear model alone, with the newest rows, whole merchants or random rows held out."""
    learning_curve: LearningCurve | None = None
    """None if there were too many labels for more of them to matter, or an older version wrote the report."""
    gate_f1_macro: _Share = 0.72
    """The acceptance gate's minimum when the run was evaluated; the next field likewise."""
    gate_f1_min: _Share = 0.60
    passed_acceptance_gate: bool
    deployed: bool
    """Whether training was asked to move `latest` to this run and the acceptance gate allowed it."""
    deploy_reason: str
    calibration_enabled: bool
    classes_without_own_calibration: tuple[str, ...] = ()
    """Classes with too few rows for a calibrator; they use that of all classes, or none (see the warnings)."""
    coverage_by_threshold: dict[ThresholdName, Coverage]
    """By threshold, as "0.70"."""
    coverage_by_class: dict[str, ClassCoverage]
    rows: dict[str, int]
    """The number of rows used to `fit` the trees, to `calibrate` and to `judge` (evaluate)."""
    features: int
    """The number of words that the run knows and of numeric features."""
    outside_words: int = 0
    """How many of these words the run knows from outside knowledge alone, not from its rows."""
    trees: int
    """The number of trees of all classes together."""
    data_from: str
    data_to: str
    known_to: _Time | None = None
    """Time of the newest row that the run has learned from; None if an older version wrote the report."""
    aging_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """How fast confidence is discounted with the time since `known_to` (`serin_core.model.aging`)."""
    recalibration: Recalibration | None = None
    """None if labels from service have not corrected the confidence.

    If they have, the coverages and the profile's confidence are those of recent transactions, with the mean confidence
    as precision (`serin_training.recalibration`). All other figures, and `created_at`, stay those of the training.
    """
    data_assumptions: tuple[str, ...] = ()
    """How the data were read, as far as it was assumed or stated by a map, one line each."""
    share_without_offset: _Share | None = None
    """Share of rows whose time had no UTC offset; None if an older version wrote the report."""
    seed: int
    profile: Profile | None = None
    """None if an older version wrote the report."""
    warnings: tuple[str, ...] = ()

    @property
    def aging(self) -> Aging:
        """The discount of confidence by the run's age."""
        return NO_AGING if self.known_to is None else Aging(self.aging_rate, unix_time(parse_timestamp(self.known_to)))

    @property
    def correction(self) -> Correction | None:
        """The correction of confidence by labels from service."""
        return None if self.recalibration is None else self.recalibration.correction

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Parse meta.json. Raises RunError."""
        return parse_file(cls, text, REPORT)
