"""The rows of `kubectl serin list`: the columns of `kubectl get sgm`. Pure."""

from datetime import datetime
from typing import Final

from serin_cli.ages import describe_age
from serin_cli.resource import Live, ready_condition, run_of, status_of

NONE: Final = "-"
"""Shown where there is nothing to show, so that columns can be cut out by their number."""
_LONGEST: Final = 100
"""Characters of a message that a row shows."""


def header(*, namespaces: bool, wide: bool) -> list[str]:
    """Return the names of the columns."""
    before = ["NAMESPACE"] if namespaces else []
    after = ["REASON", "MESSAGE"] if wide else []
    return [*before, "NAME", "STABLE", "CANDIDATE", "PERCENT", "PHASE", "READY", "AGE", *after]


def row(live: Live, *, namespaces: bool, wide: bool, now: datetime) -> list[str]:
    """Return the cells of one SuggestionModel, as the API server returns it."""
    metadata, status, ready = live["metadata"], status_of(live), ready_condition(live)
    before = [metadata["namespace"]] if namespaces else []
    after = [ready.get("reason") or NONE, _shortened(ready.get("message") or NONE)] if wide else []
    percent = status.get("percent")
    created = metadata.get("creationTimestamp")
    cells = [
        metadata["name"],
        status.get("serving") or NONE,
        run_of(live, "candidate") or NONE,
        NONE if percent is None else f"{percent:g}",
        status.get("phase") or "Pending",
        ready.get("status") or "Unknown",
        describe_age(datetime.fromisoformat(created), now) if created else NONE,
    ]
    return [*before, *cells, *after]


def _shortened(message: str) -> str:
    words = " ".join(message.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."
