"""The population stability index against the sum written out, and against simulated counts without any change."""

import math
import random

import pytest

from serin_core.evidence.stability_index import expected_index, stability_index


def test_the_index_of_two_shares():
    index = stability_index([0.5, 0.5], [0.8, 0.2])
    assert index == pytest.approx(-0.3 * math.log(0.5 / 0.8) + 0.3 * math.log(0.5 / 0.2))
    assert stability_index([0.8, 0.2], [0.5, 0.5]) == pytest.approx(index)
    assert stability_index([0.1, 0.9], [0.1, 0.9]) == 0


def test_the_mean_of_the_index_without_any_change():
    drawn, bins, rows = random.Random(1), 8, 400

    def shares():
        found = [drawn.randrange(bins) for _ in range(rows)]
        return [found.count(at) / rows for at in range(bins)]

    mean = sum(stability_index(shares(), shares()) for _ in range(200)) / 200
    assert mean == pytest.approx(expected_index(bins, rows, rows), rel=0.15)


def test_distributions_over_different_bins_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        stability_index([0.5, 0.5], [1.0])
