"""An evaluation as JSON and as text. Pure."""

from collections.abc import Mapping
from typing import Any

from serin_core.api.spec import Thresholds
from serin_training.evaluation import Predictions
from serin_training.metrics import f1_interval
from serin_training.scoring import MIN_ROWS
from serin_training.thresholds import at_thresholds, by_class, totals


def as_json(run: str, predictions: Predictions, thresholds: Thresholds) -> dict[str, Any]:
    """Return the scores of a run, in total and by class, as plain JSON values."""
    scores = predictions.scores()
    at = at_thresholds(predictions, by_class(thresholds, [*predictions.labels, *scores.f1]))
    coverage, precision = totals(at, rows=len(predictions.rows))
    classes = {}
    for label, one in at.items():
        f1, rows = scores.f1.get(label), scores.rows.get(label, 0)
        low, high = f1_interval(f1 or 0.0, rows)
        classes[label] = {
            "f1": f1,
            "f1_low": low,
            "f1_high": high,
            "rows": rows,
            **{name: getattr(one, name) for name in ("threshold", "coverage", "precision")},
        }
    return {
        "run": run,
        "rows": len(predictions.rows),
        "f1_macro": scores.f1_macro,
        "f1_min": scores.f1_min,
        "f1_min_class": scores.worst,
        "accuracy": scores.accuracy,
        "calibration_error_before": predictions.calibration_error(calibrated=False),
        "calibration_error_after": predictions.calibration_error(calibrated=True),
        "coverage": coverage,
        "precision": precision,
        "classes": classes,
    }


def as_text(found: Mapping[str, Any]) -> str:
    """Return what `as_json` returned as text."""
    before, after = found["calibration_error_before"], found["calibration_error_after"]
    scores = f"macro F1 {found['f1_macro']:.3f}, accuracy {found['accuracy']:.3f}"
    worst = f"worst class {found['f1_min']:.3f} ({found['f1_min_class']}; of classes with at least {MIN_ROWS} rows)"
    lines = [
        f"{found['run']} on {found['rows']} rows",
        f"  {scores}, {worst}",
        f"  expected calibration error {before:.4f} before calibration, {after:.4f} after"
        + (": calibration made it worse" if after > before else ""),
        f"  at the thresholds: coverage {found['coverage']:.1%}, precision {found['precision']:.1%}",
        f"  {'CLASS':<28} {'F1':>5}  {'95 %':<13} {'ROWS':>6}  {'THRESHOLD':>9} {'COVERAGE':>8} {'PRECISION':>9}",
    ]
    lines += [
        f"  {label:<28} {'-' if one['f1'] is None else format(one['f1'], '.3f'):>5}  "
        f"{one['f1_low']:.3f}-{one['f1_high']:.3f}   {one['rows']:>6}  {one['threshold']:>9.2f} "
        f"{one['coverage']:>8.1%} {one['precision']:>9.1%}"
        for label, one in found["classes"].items()
    ]
    return "\n".join(lines)


def thresholds_text(predictions: Predictions, thresholds: Mapping[str, float], title: str) -> str:
    """Return the coverage and precision that thresholds give, in total and by class."""
    at = at_thresholds(predictions, thresholds)
    coverage, precision = totals(at, rows=len(predictions.rows))
    lines = [f"{title}: coverage {coverage:.1%}, precision {precision:.1%}"]
    lines += [
        f"  {label:<28} at {one.threshold:.2f}: coverage {one.coverage:>6.1%} of {one.predicted:>6} predictions, "
        f"precision {one.precision:.1%}"
        for label, one in at.items()
    ]
    return "\n".join(lines)
