"""Stored runs as text. Pure: reports in, lines out."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from serin_core.api.spec import Thresholds
from serin_core.model.aging import YEAR, Aging
from serin_core.model.report import ClassCurve, Expected, LearningCurve, Recalibration, Report
from serin_core.text_tables import table
from serin_registry.verification import StoredRun
from serin_training.metrics import f1_interval
from serin_training.scoring import MIN_ROWS

WORTH: Final = 0.01
"""F1 that twice the labels of a class give at least, with 97.5 % certainty, for them to be worth it."""
_LISTED: Final = 5
_EXAMPLE: Final = 0.95
_PARTS: Final = {"fit": "training", "calibrate": "calibration", "judge": "evaluation"}


def displayed(report: Report, *, profile: bool = False) -> dict[str, Any]:
    """Return a report as commands print it: the run by its full name, which spec.runID takes."""
    found = report.model_dump(exclude=None if profile else {"profile"})
    return found | {"run_id": report.run_directory}


def run_row(run: StoredRun, *, latest: str | None) -> list[str]:
    """Return what a table of runs shows of one."""
    return [
        f"{'*' if run.name == latest else ' '} {run.name}",
        run.report.created_at[:19],
        f"{run.report.val_f1_macro:.3f}",
        f"{run.report.val_f1_min:.3f}",
        str(sum(run.report.rows.values())),
        _gate(run),
    ]


def runs_table(rows: Sequence[list[str]]) -> str:
    """Return rows of runs under a header."""
    return "\n".join(table([["  RUN", "CREATED", "F1", "WORST", "ROWS", "GATE"], *rows], right=(2, 3, 4)))


def run_text(run: StoredRun) -> Iterator[str]:
    """Yield the report of a stored run, line by line."""
    first, *rest = report_text(run.report)
    yield first
    yield f"  digest      {run.digest}"
    yield from rest


def report_text(report: Report) -> Iterator[str]:
    """Yield a report, line by line, as `train` and `runs show` print it."""
    yield report.run_directory
    yield f"  created     {report.created_at}, seed {report.seed}"
    rows = ", ".join(f"{report.rows[part]} {name}" for part, name in _PARTS.items() if part in report.rows)
    yield f"  data        {report.data_from[:10]} to {report.data_to[:10]}; rows: {rows}"
    for line in report.data_assumptions:
        yield f"  read        {line}"
    scores = f"macro F1 {report.val_f1_macro:.3f}, worst class {report.val_f1_min:.3f}"
    yield f"  quality     {scores}, accuracy {report.val_accuracy:.3f}"
    default = Thresholds().default
    shown = report.coverage_by_threshold.get(f"{default:.2f}")
    if shown is not None:
        precision = f"{shown.precision:.1%} of them right"
        yield f"  shown       {shown.coverage:.1%} at the default threshold {default:g}, {precision}"
    yield f"  calibration {_calibration(report)}"
    if report.recalibration is not None:
        yield f"  service     {recalibration_text(report.recalibration)}"
    yield f"  gate        {report.deploy_reason}"
    if report.learning_curve is not None:
        yield from (f"  {line}" for line in curve_text(report.learning_curve))
    yield from (f"  {line}" for line in _classes(report))
    for warning in report.warnings:
        yield f"  warning     {warning}"


def curve_text(curve: LearningCurve) -> Iterator[str]:
    """Yield a learning curve in two lines."""
    points = ", ".join(f"{point.accuracy:.3f} with {point.labels}" for point in curve.points)
    labels, doubled = curve.points[-1].labels, curve.doubled
    yield f"labels      accuracy {points}, by the linear model alone"
    yield f"            with {labels} more labels {_expected(doubled)} is expected{_verdict(curve)}"


def class_table(curve: LearningCurve) -> list[str]:
    """Return a table of what more labels of each class would give, the lowest F1 first."""
    order = sorted(curve.classes.items(), key=lambda item: item[1].f1[-1])
    header = ["CLASS", "LABELS", "ROWS", "F1", "TWICE THE LABELS"]
    rows = ([label, str(one.labels), str(one.rows), f"{one.f1[-1]:.3f}", _more(one)] for label, one in order)
    return table([header, *rows], right=(1, 2, 3))


def _classes(report: Report) -> list[str]:
    """Return a table of the classes, the lowest F1 first."""
    counts = {} if report.profile is None else report.profile.categories
    curves = {} if report.learning_curve is None else report.learning_curve.classes
    rows = [["CLASS", "F1", "95 %", "ROWS", "LABELS", "TWICE THE LABELS"]]
    for label, f1 in sorted(report.val_f1_per_class.items(), key=lambda item: item[1]):
        count, curve = counts.get(label), curves.get(label)
        low, high = f1_interval(f1, count or 0)
        rows.append(
            [
                label,
                f"{f1:.3f}",
                "" if count is None else f"{low:.2f}-{high:.2f}",
                "" if count is None else f"{count}{'' if count >= MIN_ROWS else ' (not in the gate)'}",
                "" if curve is None else str(curve.labels),
                "" if curve is None else _more(curve),
            ]
        )
    return table(rows, right=(1, 4))


def _expected(found: Expected) -> str:
    return f"{found.score:.3f} ({found.low:.2f}-{found.high:.2f})"


def _more(curve: ClassCurve) -> str:
    if curve.doubled is None:
        return "too few rows to say"
    gain = curve.doubled.score - curve.f1[-1]
    return f"{gain:+.3f} ({curve.doubled.low - curve.f1[-1]:+.2f} to {curve.doubled.high - curve.f1[-1]:+.2f})"


def _verdict(curve: LearningCurve) -> str:
    """Return the classes of which more labels are surely worth it."""
    worth = [
        label
        for label, one in sorted(curve.classes.items(), key=lambda item: item[1].f1[-1])
        if one.doubled is not None and one.doubled.low - one.f1[-1] >= WORTH
    ]
    return f"; most is gained in {', '.join(worth[:_LISTED])}" if worth else ""


def calibration_remark(report: Report) -> str:
    """Return a remark if calibration increased the calibration error, else nothing."""
    is_worse = report.calibration_enabled and report.val_calibration_error > report.val_calibration_error_uncalibrated
    return ": calibration made it worse" if is_worse else ""


def _calibration(report: Report) -> str:
    before, after = report.val_calibration_error_uncalibrated, report.val_calibration_error
    if not report.calibration_enabled:
        return f"none; error {before:.4f}"
    return f"error {after:.4f}, {before:.4f} before{calibration_remark(report)}{_aging(report.aging)}"


def _aging(aging: Aging) -> str:
    if aging.rate == 0:
        return ""
    after_a_year = aging.discounted(_EXAMPLE, aging.known_to + YEAR)
    return f"; a confidence of {_EXAMPLE:.2f} is {after_a_year:.2f} after a year"


def recalibration_text(found: Recalibration) -> str:
    """Return in one line how labels from service have corrected the confidence of a run."""
    return (
        f"recalibrated from {found.of} by {found.labels} labels of {found.labels_from[:10]} to {found.labels_to[:10]}: "
        f"{found.right:.1%} right, mean confidence {found.confidence_before:.1%} before and "
        f"{found.confidence_after:.1%} after"
    )


def differences(before: StoredRun, after: StoredRun) -> list[tuple[str, str, str]]:
    """Return what changed, as (what, before, after); F1 by class if it changed by 0.005 or more."""
    one, other = before.report, after.report
    found = [
        ("data to", one.data_to[:10], other.data_to[:10]),
        ("rows", str(sum(one.rows.values())), str(sum(other.rows.values()))),
        ("macro F1", f"{one.val_f1_macro:.3f}", f"{other.val_f1_macro:.3f}"),
        ("worst class F1", f"{one.val_f1_min:.3f}", f"{other.val_f1_min:.3f}"),
        ("accuracy", f"{one.val_accuracy:.3f}", f"{other.val_accuracy:.3f}"),
        ("words known", str(one.features), str(other.features)),
        ("trees", str(one.trees), str(other.trees)),
        ("acceptance gate", _gate(before), _gate(after)),
    ]
    for label in sorted({*one.val_f1_per_class, *other.val_f1_per_class}):
        a, b = one.val_f1_per_class.get(label), other.val_f1_per_class.get(label)
        if a is None or b is None or abs(a - b) >= 0.005:  # noqa: PLR2004 - as the docstring says
            found.append((f"F1 {label}", "none" if a is None else f"{a:.3f}", "none" if b is None else f"{b:.3f}"))
    return [(what, a, b) for what, a, b in found if a != b]


def _gate(run: StoredRun) -> str:
    return "passed" if run.report.passed_acceptance_gate else "held back"
