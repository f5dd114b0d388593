"""Stored runs as text. Pure: reports in, lines out."""

from collections.abc import Iterator, Sequence
from typing import Any

from serin_core.model.aging import YEAR, Aging
from serin_core.model.report import Recalibration, Report
from serin_registry.verification import StoredRun
from serin_training.scoring import MIN_ROWS


def displayed(report: Report, *, profile: bool = False) -> dict[str, Any]:
    """Return a report as commands print it: the run by its full name, which spec.runID takes."""
    found = report.model_dump(exclude=None if profile else {"profile"})
    return found | {"run_id": report.run_directory}


def table(runs: Sequence[StoredRun], *, latest: str | None) -> str:
    """Return one line per run under a header."""
    header = f"  {'RUN':<24} {'CREATED':<19} {'F1':>6} {'WORST':>6}  {'ROWS':>8}  GATE"
    rows = (
        f"{'*' if run.name == latest else ' '} {run.name:<24} {run.report.created_at[:19]:<19} "
        f"{run.report.val_f1_macro:>6.3f} {run.report.val_f1_min:>6.3f}  {sum(run.report.rows.values()):>8}  "
        f"{_gate(run)}"
        for run in runs
    )
    return "\n".join([header, *rows])


def run_text(run: StoredRun) -> Iterator[str]:
    """Yield the report of a run, line by line."""
    report = run.report
    yield run.name
    yield f"  digest      {run.digest}"
    yield f"  created     {report.created_at}, seed {report.seed}"
    rows = ", ".join(f"{report.rows[part]} {name}" for part, name in _PARTS.items() if part in report.rows)
    yield f"  data        {report.data_from[:10]} to {report.data_to[:10]}; rows: {rows}"
    for line in report.data_assumptions:
        yield f"  read        {line}"
    scores = f"macro F1 {report.val_f1_macro:.3f}, worst class {report.val_f1_min:.3f}"
    yield f"  quality     {scores}, accuracy {report.val_accuracy:.3f}"
    yield f"  calibration {_calibration(report)}"
    if report.recalibration is not None:
        yield f"  service     {recalibration_text(report.recalibration)}"
    yield f"  gate        {report.deploy_reason}"
    counts = report.profile.categories if report.profile is not None else {}
    for label, f1 in sorted(report.val_f1_per_class.items(), key=lambda item: item[1]):
        rare = f" ({counts[label]} rows, too few for the gate)" if counts.get(label, MIN_ROWS) < MIN_ROWS else ""
        yield f"    {f1:.3f}  {label}{rare}"
    for warning in report.warnings:
        yield f"  warning     {warning}"


_EXAMPLE = 0.95
_PARTS = {"fit": "training", "calibrate": "calibration", "judge": "evaluation"}


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
