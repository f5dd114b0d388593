"""Events as text, and which of those that the API server returns are shown. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from serin_core.text_tables import table


def is_shown(event: Mapping[str, Any], uid: str | None, *, warnings: bool) -> bool:
    """Return whether an Event is about the resource with this uid, not an earlier one of its name, and wanted."""
    is_of_this = event["involvedObject"].get("uid") in (None, uid)
    return is_of_this and (event.get("type") == "Warning" or not warnings)


def last_seen(event: Mapping[str, Any]) -> str:
    """Return the time at which an Event happened last, as the API server writes it; "" if it has none."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def describe_events(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the Events as a table: time, type, reason, message. A message stays in one line."""
    rows = [["LAST SEEN", "TYPE", "REASON", "MESSAGE"]]
    for event in found:
        count = (event.get("series") or {}).get("count") or event.get("count") or 1
        times = f" (x{count})" if count > 1 else ""
        message = " ".join(str(event.get("message", "")).split())
        seen = f"{last_seen(event)[:19]}Z" if last_seen(event) else "-"
        rows.append([seen, event.get("type") or "-", event.get("reason") or "-", message + times])
    return table(rows)
