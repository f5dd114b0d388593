"""Notifications in `kubectl serin status`: what waits, what was dropped, and why. Pure."""

from collections import Counter
from collections.abc import Iterator

from serin_cli.resource import Live
from serin_core.rollout.destinations import FAILING


def describe_notifications(live: Live) -> Iterator[str]:
    """Yield a line for each destination that lacks something, and one for what fails."""
    status = live.get("status") or {}
    found = status.get("notifications") or {}
    waiting = Counter(name for one in found.get("waiting", []) for name in one.get("to", []))
    dropped = found.get("dropped", {})
    for name in sorted({*waiting, *dropped}):
        counts = [(waiting[name], "waiting"), (dropped.get(name, 0), "dropped")]
        yield f"{name}: {', '.join(f'{count} {what}' for count, what in counts if count)}"
    yield from (one["message"] for one in status.get("conditions", []) if one["type"] == FAILING)
