"""Confidence thresholds by class: read, applied to predictions, proposed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from serin_core.api.spec import Thresholds
from serin_core.contract.documents import one_line
from serin_core.yaml_text import load_yaml
from serin_training.errors import OptionError
from serin_training.evaluation import Predictions

MIN_PREDICTIONS: Final = 30
"""Of a class, at or above a threshold, for it to be proposed."""


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Predictions of one class at or above its threshold; shares from 0 to 1."""

    threshold: float
    predicted: int
    """Predictions of the class at any confidence."""
    covered: int
    """Those at or above the threshold."""
    precision: float
    """0 if nothing is covered."""

    @property
    def coverage(self) -> float:
        """Share of the class's predictions that is covered."""
        return self.covered / self.predicted if self.predicted else 0.0


def read_thresholds(path: Path | None) -> Thresholds:
    """Read thresholds from a SuggestionModel or a file with thresholds only. Raises OptionError."""
    if path is None:
        return Thresholds()
    try:
        found = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: not valid YAML ({' '.join(str(error).split())[:120]})") from None
    if isinstance(found, dict) and "spec" in found:
        found = (found["spec"] or {}).get("thresholds", {})
    elif isinstance(found, dict) and "thresholds" in found:
        found = found["thresholds"]
    try:
        return Thresholds.model_validate(found)
    except ValidationError as error:
        raise OptionError(f"{path}: thresholds: {one_line(error)}") from None


def by_class(thresholds: Thresholds, labels: Iterable[str]) -> dict[str, float]:
    """Return the threshold of each label, in alphabetical order."""
    return {label: thresholds.per_class.get(label, thresholds.default) for label in sorted(set(labels))}


def at_thresholds(predictions: Predictions, thresholds: Mapping[str, float]) -> dict[str, AtThreshold]:
    """Return coverage and precision of each class that has a threshold."""
    found = {}
    for label, threshold in thresholds.items():
        of_class = [
            (confidence, is_right)
            for (name, confidence), is_right in zip(predictions.calibrated, predictions.right, strict=True)
            if name == label
        ]
        covered = [is_right for confidence, is_right in of_class if confidence >= threshold]
        precision = sum(covered) / len(covered) if covered else 0.0
        found[label] = AtThreshold(threshold, predicted=len(of_class), covered=len(covered), precision=precision)
    return found


def totals(at: Mapping[str, AtThreshold], *, rows: int) -> tuple[float, float]:
    """Return the share of all rows that is covered, and the precision over all classes."""
    covered = sum(one.covered for one in at.values())
    right = sum(one.covered * one.precision for one in at.values())
    return covered / rows, right / covered if covered else 0.0


def propose_thresholds(predictions: Predictions, *, precision: float) -> dict[str, float]:
    """Return for each class the lowest threshold, in hundredths, that reaches the precision.

    A class in which no threshold with MIN_PREDICTIONS predictions does is left out.
    """
    proposed = {}
    for label in sorted(set(predictions.labels)):
        for hundredth in range(101):
            found = at_thresholds(predictions, {label: hundredth / 100})[label]
            if found.covered < MIN_PREDICTIONS:
                break
            if found.precision >= precision:
                proposed[label] = hundredth / 100
                break
    return proposed
