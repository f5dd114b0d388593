"""A drift result as text and as JSON. Pure."""

from typing import Any

from serin_training.data_drift import Drift

_LEGEND = (
    "* drifted: the p-value is significant and the statistic exceeds its limit. Reference: the rows the run was "
    "evaluated on.\nOf a distribution, the share of the class or bin that differs most is shown (bins from the lowest "
    "value up)."
)


def as_json(run: str, drift: Drift) -> dict[str, Any]:
    """Return plain JSON values."""
    names = ("p_value", "statistic", "statistic_name", "limit")
    checks = [
        {
            "check": check.name,
            "reference": check.reference,
            "current": check.current,
            **{name: getattr(check.difference, name) for name in names},
            "drifted": check.has_drifted,
        }
        for check in drift.checks
    ]
    return {"run": run, "rows": drift.rows, "verdict": drift.verdict.value, "checks": checks}


def as_text(run: str, drift: Drift) -> str:
    """Return a table with one line per check, and what its columns mean."""
    lines = [
        f"{run} on {drift.rows} rows: {drift.verdict.value}",
        f"  {'CHECK':<24} {'REFERENCE':>18} {'CURRENT':>18} {'P-VALUE':>8} {'STATISTIC':>16} {'LIMIT':>6}",
    ]
    lines += [
        f"{'*' if check.has_drifted else ' '} {check.name:<24} {check.reference:>18} {check.current:>18} "
        f"{found.p_value:>8.2g} {f'{found.statistic_name} {found.statistic:.3f}':>16} {found.limit:>6.2f}"
        for check, found in ((check, check.difference) for check in drift.checks)
    ]
    return "\n".join([*lines, _LEGEND])
