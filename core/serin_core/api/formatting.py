"""Lists in messages."""

from collections.abc import Sequence


def listed(items: Sequence[str], most: int) -> str:
    """Return items for a message, of which at most `most` are named: `a, b, c and 2 more`."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return f"{', '.join(items[:most])}{more}"
