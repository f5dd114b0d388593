"""Axes of charts: round values, and where they are. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

_TICKS: Final = 5
_TIMES: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800)
"""Distances between labels of a time axis, in seconds."""
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values on a range of pixels."""

    low: float
    high: float
    first: float
    """Pixel of the low value."""
    last: float
    """Pixel of the high value."""

    def at(self, value: float) -> float:
        """Return the pixel of a value; one outside of the range is at its end."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.first + (self.last - self.first) * part, 1)


def rate_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return round rates from `low` to `high`, each with its label in percent."""
    size = 10 ** floor(log10((high - low) / _TICKS))
    step = next(size * factor for factor in (1, 2, 5, 10) if (high - low) / (size * factor) <= _TICKS)
    digits = max(0, -floor(log10(step) + 1e-9) - 2)
    return [
        (number * step, f"{100 * number * step:.{digits}f} %")
        for number in range(ceil(low / step), 1 + floor(high / step + 1e-9))
    ]


def time_ticks(length: float) -> list[tuple[float, str]]:
    """Return round times from 0 to `length` in seconds, each with its label."""
    step = next((one for one in _TIMES if length / one <= _TICKS), 604_800 * ceil(length / _TICKS / 604_800))
    return [(at, time_label(at)) for at in range(0, int(length) + 1, step)]


def time_label(seconds: float) -> str:
    """Return a time in at most two units: `1h30m`."""
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts[:2]) or "0"


def span(values: Iterable[float], *, pad: float, least: float) -> tuple[float, float]:
    """Return a range within 0 and 1 that has the values, some space around them, and at least a length."""
    found = list(values)
    low, high = min(found), max(found)
    space = max(pad * (high - low), (least - (high - low)) / 2, 0.0)
    return max(0.0, low - space), min(1.0, high + space)
