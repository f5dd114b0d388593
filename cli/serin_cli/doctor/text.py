"""The results as text and as JSON. Pure."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from serin_cli.doctor.results import Outcome, Result

_BY_OUTCOME: Final = (Outcome.PROBLEM, Outcome.WARNING, Outcome.UNKNOWN)
_PLURALS: Final = {Outcome.PROBLEM: "problems", Outcome.WARNING: "warnings", Outcome.UNKNOWN: "unknown"}


def describe(results: Sequence[Result]) -> list[str]:
    """Return a section for each subject: outcome, check, what was found, and below it what to do; then a summary."""
    lines = list[str]()
    widest = max((len(one.check) for one in results), default=0)
    for subject in dict.fromkeys(one.subject for one in results):
        lines.append(f"{subject}:")
        for one in results:
            if one.subject == subject:
                lines.append(f"  {one.outcome:<8} {one.check:<{widest}}  {one.found}")
                lines += [f"  {'':<8} {'':<{widest}}  to do: {one.remedy}"] if one.remedy else []
    return [*lines, summary(results)]


def summary(results: Sequence[Result]) -> str:
    """Return the numbers of each outcome: `1 problem, 2 warnings`."""
    counts = {kind: sum(one.outcome is kind for one in results) for kind in _BY_OUTCOME}
    parts = [
        f"{count} {kind.value if count == 1 or kind is Outcome.UNKNOWN else _PLURALS[kind]}"
        for kind, count in counts.items()
        if count
    ]
    return f"{', '.join(parts) or 'no problems found'}; {len(results)} results"


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results, and the number of each outcome."""
    counts = {_PLURALS.get(kind, "ok"): sum(one.outcome is kind for one in results) for kind in Outcome}
    return {"results": [asdict(one) for one in results]} | counts
