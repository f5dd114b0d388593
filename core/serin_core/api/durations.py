"""Durations in the notation of Kubernetes: `24h`, `90s`, `1h30m`, `250ms`."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from serin_core.api.base import shortened

PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
_PART: Final = re.compile(r"([0-9]{1,5})(ms|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
MAX_DURATION: Final = timedelta(hours=8760)


def parse_duration(text: object) -> timedelta:
    """Parse a duration of at most 8760h.

    Raises ValueError, with an example of a valid duration.
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.match(PATTERN, text):
        raise ValueError(f"{shortened(repr(text), 60)} is not a duration: write one like 24h, 30m or 1h30m")
    length = timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))
    if length > MAX_DURATION:
        raise ValueError(f"{text} is longer than 8760h")
    return length


def format_duration(length: timedelta) -> str:
    """Return a duration in the largest whole units: 86400 s is `24h`, 90 s is `1m30s`."""
    milliseconds = round(length.total_seconds() * 1000)
    if milliseconds <= 0:
        return "0s"
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 24,
            "x-kubernetes-validations": [
                {
                    "rule": f"self.matches('{PATTERN}') && duration(self) <= duration('8760h')",
                    "message": "must be a duration of at most 8760h, like 24h, 30m or 1h30m",
                }
            ],
        }
    ),
    Field(),
]
