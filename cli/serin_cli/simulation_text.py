"""Summaries of many simulated rollouts as a table and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from serin_core.rollout.canary_steps import stage_name
from serin_simulation.summary import Summary

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_ENDS: Final = {
    "Promoted": "promoted",
    "AtCap": "at the cap",
    "RolledBack": "rolled back",
    "Held": "held",
}


def as_text(summaries: Sequence[Summary], head: str) -> str:
    """Return the table."""
    lines = [head]
    for one in summaries:
        shares = [f"{_ENDS[end]} {share(number, one)}" for end, number in one.ends.items() if number or end != "AtCap"]
        lines += ["", f"{one.rule}: {', '.join(shares)}"]
        lines += [f"  {reason}: {share(number, one)}" for reason, number in reasons(one)]
        lines.append(f"  {'stage':<10}{'entered':>9}{'left':>8}{'median':>10}{'90 %':>10}")
        for stage in one.stages:
            times = f"{clock(stage.median):>10}{clock(stage.ninth_decile):>10}"
            lines.append(f"  {stage_name(stage.percent):<10}{stage.entered:>9,}{stage.left:>8,}{times}")
    if any(one.ends["Held"] for one in summaries):
        lines += ["", "held: no decision within analysis.maxDuration, or before the record ended"]
    return "\n".join(lines)


def reasons(summary: Summary) -> list[tuple[str, int]]:
    """Return why rollouts were not promoted, and how many."""
    found = []
    for why, number in summary.why.items():
        end, _, reason = why.partition(": ")
        text = f"{_ENDS[end]} by {reason}" if end == "RolledBack" else f"held, waiting for {reason}"
        found.append((text, number))
    return found


def as_json(summaries: Sequence[Summary], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summaries and the parameters of the simulation."""
    rules = [
        {key: value for key, value in asdict(one).items() if key not in ("promoted_after", "rolled_back_after")}
        for one in summaries
    ]
    return {**parameters, "rules": rules}


def share(number: int, summary: Summary) -> str:
    """Return a share of all rollouts in percent."""
    return f"{100 * number / summary.rollouts:.1f} %"


def clock(seconds: float | None) -> str:
    """Return a length of time in its largest unit; - for none."""
    if seconds is None:
        return "-"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.0f}s"
