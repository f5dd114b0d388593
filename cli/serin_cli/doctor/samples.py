"""Samples of the text format of Prometheus, as far as Serin's own metrics use it. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: -?\d+)?")
_LABEL: Final = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a series."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str) -> Iterator[Sample]:
    """Yield the samples of an exposition; lines of another form are skipped."""
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        labels = {key: _ESCAPED.sub(_unescaped, text) for key, text in _LABEL.findall(found["labels"] or "")}
        yield Sample(found["name"], labels, value)


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def total_by(found: Iterable[Sample], name: str, label: str, **wanted: str) -> dict[str, float]:
    """Return the sum of a series by the value of a label, of those samples that have the `wanted` labels."""
    sums: dict[str, float] = {}
    for one in found:
        if one.name == name and label in one.labels and wanted.items() <= one.labels.items():
            sums[one.labels[label]] = sums.get(one.labels[label], 0.0) + one.value
    return sums
