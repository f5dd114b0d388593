"""Ages as kubectl prints them. Pure."""

from datetime import datetime, timedelta
from typing import Final

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_MANY: Final = 10
"""From this number of a unit on, the next smaller unit is left out, as in `12d` beside `3d4h`."""


def describe_age(since: datetime, now: datetime) -> str:
    """Return an age in at most two units: `45s`, `3m20s`, `5h`, `3d4h`, `40d`. One in the future is `0s`."""
    left = max(int((now - since) / timedelta(seconds=1)), 0)
    for index, (unit, seconds) in enumerate(_UNITS):
        count, rest = divmod(left, seconds)
        if count and index + 1 < len(_UNITS) and count < _MANY:
            smaller, size = _UNITS[index + 1]
            return f"{count}{unit}" + (f"{rest // size}{smaller}" if rest >= size else "")
        if count:
            return f"{count}{unit}"
    return "0s"
