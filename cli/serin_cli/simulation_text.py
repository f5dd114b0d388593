"""What many simulated rollouts amount to, in a table for people and as JSON. Pure: summaries in, text out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from serin_simulation.summary import Summary

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_TOLD = {"Promoted": "promoted", "AtCap": "proven at the cap", "RolledBack": "rolled back", "Held": "held"}


def tell(summaries: Sequence[Summary], head: str) -> str:
    """Answer the table."""
    lines = [head]
    for one in summaries:
        shares = [f"{_TOLD[end]} {share(many, one)}" for end, many in one.ends.items() if many or end != "AtCap"]
        lines += ["", f"{one.rule}: {', '.join(shares)}"]
        lines += [f"  {reason}: {share(many, one)}" for reason, many in reasons(one)]
        lines.append(f"  {'stage':<10}{'entered':>9}{'left':>8}{'median':>10}{'90 %':>10}")
        for stage in one.stages:
            place = "shadow" if stage.percent == 0 else f"{stage.percent:g} %"
            times = f"{clock(stage.median):>10}{clock(stage.ninth_decile):>10}"
            lines.append(f"  {place:<10}{stage.entered:>9,}{stage.left:>8,}{times}")
    return "\n".join(lines)


def reasons(summary: Summary) -> list[tuple[str, int]]:
    """Answer why rollouts were not promoted, in words."""
    told = []
    for why, many in summary.why.items():
        end, _, reason = why.partition(": ")
        told.append((f"{_TOLD[end]} by {reason}" if end == "RolledBack" else f"held, waiting for {reason}", many))
    return told


def as_json(summaries: Sequence[Summary], described: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the same, and what was asked, for machines."""
    rules = [
        {key: value for key, value in asdict(one).items() if key not in ("promoted_after", "rolled_back_after")}
        for one in summaries
    ]
    return {**described, "rules": rules}


def share(many: int, summary: Summary) -> str:
    """Say a share of all rollouts."""
    return f"{100 * many / summary.rollouts:.1f} %"


def clock(seconds: float | None) -> str:
    """Say a span of time in its largest unit; - for none."""
    if seconds is None:
        return "-"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.0f}s"
