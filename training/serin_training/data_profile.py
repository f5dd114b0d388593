"""What rows look like to a run, as counts; drift compares two of these profiles. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from serin_core.model.encoder import Encoder
from serin_core.model.features import NUMBERS, Transaction
from serin_core.model.report import Profile
from serin_training.arrays import Floats
from serin_training.evaluation import Predictions

CONFIDENCE_BINS: Final = 10
_EDGES: Final = {"log_amount": 9, "hour": 0, "weekday": 0, "is_refund": 0, "channel": 0}
"""Number of quantiles that separate the bins of a number; 0: each value is a bin."""


def profile(
    encoder: Encoder, predictions: Predictions, *, edges: dict[str, tuple[float, ...]] | None = None
) -> Profile:
    """Return the profile of rows, with the bin edges of another profile or with edges made from these rows."""
    transactions = [row.transaction for row in predictions.rows]
    numbers = np.array([encoder.numbers(one) for one in transactions]).reshape(-1, len(NUMBERS))
    used = _edges_of(numbers) if edges is None else edges
    rows, right = Counter[str](), Counter[str]()
    for row, is_right in zip(predictions.rows, predictions.right, strict=True):
        rows[f"{row.at:%Y-%m}"] += 1
        right[f"{row.at:%Y-%m}"] += is_right
    return Profile(
        rows=len(predictions.rows),
        categories=dict(sorted(Counter(predictions.categories).items())),
        answers=dict(sorted(Counter(predictions.labels).items())),
        confidence=confidence_bins(np.array([confidence for _, confidence in predictions.calibrated])),
        new_merchants=new_merchants(encoder, transactions),
        numbers={
            name: tuple(
                np.bincount(
                    np.searchsorted(used[name], numbers[:, at], side="right"), minlength=len(used[name]) + 1
                ).tolist()
            )
            for at, name in enumerate(NUMBERS)
        },
        edges=used,
        monthly={month: (rows[month], right[month]) for month in sorted(rows)},
    )


def confidence_bins(confidence: Floats) -> tuple[int, ...]:
    """Return the number of predictions in each of CONFIDENCE_BINS bins of equal width."""
    binned = np.minimum((confidence * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
    return tuple(np.bincount(binned, minlength=CONFIDENCE_BINS).tolist())


def new_merchants(encoder: Encoder, transactions: Sequence[Transaction]) -> int:
    """Return the number of transactions whose merchant has a word or word pair that the run does not know."""
    merchants = Counter(one.merchant for one in transactions)
    return sum(count for merchant, count in merchants.items() if not encoder.knows_merchant(merchant))


def _edges_of(numbers: Floats) -> dict[str, tuple[float, ...]]:
    found = {}
    for at, name in enumerate(NUMBERS):
        parts = _EDGES[name]
        values = np.unique(numbers[:, at])
        if parts:
            edges = np.quantile(numbers[:, at], np.linspace(0, 1, parts + 2)[1:-1])
        else:
            edges = (values[1:] + values[:-1]) / 2
        found[name] = tuple(sorted(set(edges.tolist())))
    return found
