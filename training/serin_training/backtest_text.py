"""A backtest as text and as JSON. Pure."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from serin_training.backtest import Period, Quality

_LEGEND = (
    "F1: macro F1; NEW: macro F1 of merchants that the retrained run had not learned from; ACC: accuracy;\n"
    "CAL: expected calibration error. Kept: the run of the first period, never trained again."
)


def as_json(periods: Sequence[Period]) -> list[dict[str, Any]]:
    """Return plain JSON values."""
    return [asdict(period) | {"since": f"{period.since:%Y-%m-%d}"} for period in periods]


def as_text(periods: Sequence[Period]) -> str:
    """Return a table with one line per period and the means; at least one period."""
    lines = [
        f"{'':<30}{'RETRAINED':<29}KEPT",
        f"{'FROM':<11}{'ROWS':>7}  {'LEARNED':>8}{_HEADER}  {_HEADER}",
        *(
            f"{period.since:%Y-%m-%d} {period.rows:>7}  {period.training_rows:>8}{_numbers(period.retrained)}  "
            f"{_numbers(period.kept)}"
            for period in periods
        ),
    ]
    if len(periods) > 1:
        means = (_mean([period.retrained for period in periods]), _mean([period.kept for period in periods]))
        lines.append(f"{'mean':<28}{_numbers(means[0])}  {_numbers(means[1])}")
    return "\n".join([*lines, _LEGEND])


_HEADER = "".join(f"{name:>7}" for name in ("F1", "NEW", "ACC", "CAL"))


def _numbers(found: Quality) -> str:
    values = (found.f1_macro, found.f1_macro_new, found.accuracy, found.calibration_error)
    return "".join(f"{'-' if value is None else f'{value:.3f}':>7}" for value in values)


def _mean(found: Sequence[Quality]) -> Quality:
    new = [one.f1_macro_new for one in found if one.f1_macro_new is not None]
    return Quality(
        f1_macro=sum(one.f1_macro for one in found) / len(found),
        f1_macro_new=sum(new) / len(new) if new else None,
        accuracy=sum(one.accuracy for one in found) / len(found),
        calibration_error=sum(one.calibration_error for one in found) / len(found),
    )
