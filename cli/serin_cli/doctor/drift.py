"""Whether the run predicts its classes as often as it did on its test data. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.samples import Sample

from serin_cli.doctor.results import Outcome, Result
from serin_cli.doctor.samples import total_by
from serin_core.contract import names
from serin_core.contract.pod_report import RunQuality
from serin_core.evidence.stability_index import MAJOR, expected_index, stability_index

_FEW: Final = 1000
"""Predictions below which nothing is concluded: those of a few users are alike."""


def drift_results(found: list[Sample], quality: RunQuality | None) -> Iterator[Result]:
    """Yield the population stability index of the predicted classes, as pods have counted them."""
    counted = total_by(found, names.CLASS_COMPARE, names.SERIES_CLASS)
    total = sum(counted.values())
    shares = {} if quality is None else {label: one.share for label, one in quality.coverage.items()}
    if total < _FEW or not sum(shares.values()):
        return
    expected, actual = _smoothed(shares, counted, total)
    index = max(0.0, stability_index(expected, actual) - expected_index(len(expected), total))
    text = f"PSI of the predicted classes {index:.2f} over {total:,.0f} predictions"
    if index <= MAJOR:
        yield Result("drift", Outcome.OK, text)
        return
    label, before, now = max(
        zip(sorted({*shares, *counted}), expected, actual, strict=True), key=lambda one: abs(one[1] - one[2])
    )
    text += f", above {MAJOR:g}: {label} {100 * now:.1f} %, {100 * before:.1f} % on the test data of the run"
    yield Result("drift", Outcome.WARNING, text, "serin drift with recent transactions; then serin train")


def _smoothed(
    shares: Mapping[str, float], counted: Mapping[str, float], total: float
) -> tuple[list[float], list[float]]:
    """Return both distributions over the same classes, with half a row more in each: one without any is infinite.

    The number of test rows is not known; it is taken for that of the predictions.
    """
    labels = sorted({*shares, *counted})
    whole = total + 0.5 * len(labels)
    scale = total / sum(shares.values())
    expected = [(shares.get(label, 0.0) * scale + 0.5) / whole for label in labels]
    return expected, [(counted.get(label, 0.0) + 0.5) / whole for label in labels]
