"""The checker: reads the history of a storm and returns every promise of docs/contracts.md that it breaks.

Written from that page alone. It imports nothing of Serin, so that no error can be on both sides.
"""

from collections.abc import Iterable
from typing import Any

from faults.checker import answers, documents, ends, evidence, notifications, requests, rollouts
from faults.checker.timeline import Timeline
from faults.checker.violation import Violation

__all__ = ["Violation", "check"]

_PARTS = (documents, answers, rollouts, evidence, requests, notifications, ends)


def check(records: Iterable[dict[str, Any]]) -> list[Violation]:
    """Return every violation in a history, in the order of its parts."""
    timeline = Timeline.of(records)
    return [found for part in _PARTS for found in part.violations(timeline)]
