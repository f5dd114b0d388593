"""Built-in gates: their names, what each of them measures, and its default."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class GateName(StrEnum):
    """Built-in gates. All are on by default except perClass and fallback."""

    AVAILABILITY = "availability"
    ERRORS = "errors"
    LATENCY = "latency"
    AGREEMENT = "agreement"
    ACCEPTED_RATIO = "acceptedRatio"
    LOW_CONFIDENCE = "lowConfidence"
    FEEDBACK = "feedback"
    PER_CLASS = "perClass"
    FALLBACK = "fallback"


class GateMode(StrEnum):
    """What a gate may do."""

    ENFORCE = "Enforce"
    DRY_RUN = "DryRun"
    OFF = "Off"


MEASURES: Final[Mapping[GateName, str]] = {
    GateName.AVAILABILITY: "requests for which the run was available: loaded, and its circuit breaker closed",
    GateName.ERRORS: "predictions without an error: no exception, a finite number, at most 0.1 s",
    GateName.LATENCY: "predictions that took at most 0.1 s",
    GateName.AGREEMENT: "users whose first answer of the run equals the control answer (the stable run's, else the "
    "rules')",
    GateName.ACCEPTED_RATIO: "answers over the confidence threshold that were shown (the others came too late)",
    GateName.LOW_CONFIDENCE: "answers under the confidence threshold of their class; here fewer are better",
    GateName.FEEDBACK: "suggestions with user feedback that were accepted, compared between canary and control group",
    GateName.PER_CLASS: "answers that equal the control answer, for each class separately",
    GateName.FALLBACK: "suggestions in the canary that were the control answer because the run was unavailable or "
    "failed; here fewer are better",
}
"""The share that each gate measures, as a noun phrase."""
DEFAULT_AT_LEAST: Final[Mapping[GateName, float]] = {
    GateName.AVAILABILITY: 0.90,
    GateName.ERRORS: 0.99,
    GateName.LATENCY: 0.99,
    GateName.AGREEMENT: 0.70,
    GateName.ACCEPTED_RATIO: 0.95,
    GateName.PER_CLASS: 0.60,
}
DEFAULT_AT_MOST: Final[Mapping[GateName, float]] = {GateName.FALLBACK: 0.05}
DEFAULT_ODDS_RATIO: Final = 1.5
OFF_BY_DEFAULT: Final = (GateName.PER_CLASS, GateName.FALLBACK)
"""Gates that are evaluated only if the spec lists them."""
NOT_IN_SHADOW: Final = (GateName.ACCEPTED_RATIO, GateName.LOW_CONFIDENCE, GateName.FEEDBACK, GateName.FALLBACK)
"""Gates on answers that users see: the shadow (stage 0) has none."""
NOT_WITHOUT_CONTROL: Final = (GateName.FEEDBACK,)
"""Gates that compare the canary with the control group: at 100 percent there is one only with a holdback."""
