"""Samples of the metrics of Serin's pods. Pure."""

from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(text: str) -> list[Sample]:
    """Return the samples of an exposition. Raises ValueError if it is none."""
    return [one for family in text_string_to_metric_families(text) for one in family.samples]


def total_by(found: Iterable[Sample], name: str, label: str, **wanted: str) -> dict[str, float]:
    """Return the sum of a series by the value of a label, of those samples that have the `wanted` labels."""
    sums: dict[str, float] = {}
    for one in found:
        if one.name == name and label in one.labels and wanted.items() <= one.labels.items():
            sums[one.labels[label]] = sums.get(one.labels[label], 0.0) + one.value
    return sums
