"""Draws have the law that they say, and the same seed draws the same."""

from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from serin_simulation.sampling import binomial, binomial_distribution, visited, visits_distribution


@given(n=st.integers(1, 2000), p=st.floats(1e-6, 1 - 1e-6))
def test_a_table_holds_the_binomial_distribution(n, p):
    law = binomial_distribution(n, p)
    places = range(law.least, law.least + len(law.cumulative) - 1, max(1, len(law.cumulative) // 7))
    for k in places:
        assert law.cumulative[k - law.least] == pytest.approx(stats.binom.cdf(k, n, p), abs=1e-11)


@given(n=st.integers(0, 10**9), p=st.floats(0, 1), seed=st.integers(0, 1000))
def test_a_draw_lies_between_none_and_all_and_can_be_repeated(n, p, seed):
    drawn = binomial(n, p, Random(seed))
    assert 0 <= drawn <= n
    assert drawn == binomial(n, p, Random(seed))


def test_what_is_halved_first_has_the_same_law():
    n, p, rng = 3_000_000, 0.3, Random(1)
    values = [(binomial(n, p, rng) - n * p) / sqrt(n * p * (1 - p)) for _ in range(300)]
    assert stats.kstest(values, "norm").pvalue > 0.001


def test_visitors_with_habits_have_the_mean_and_the_design_effect_of_their_correlation():
    law = visits_distribution(5, 10, 0.7, 0.3)
    chances = [b - a for a, b in zip([0.0, *law.cumulative], [*law.cumulative[:-1], 1.0], strict=False)]
    mean = sum(k * chance for k, chance in enumerate(chances))
    variance = sum((k - mean) ** 2 * chance for k, chance in enumerate(chances))
    assert mean == pytest.approx(35)
    assert variance == pytest.approx(50 * 0.7 * 0.3 * (1 + 9 * 0.3))


def test_many_visitors_are_drawn_from_few_tables():
    rng = Random(2)
    values = [visited(1000, 10, 0.7, 0.3, rng) for _ in range(400)]
    spread = sqrt(10_000 * 0.21 * 3.7)
    assert abs(sum(values) / 400 - 7000) < 5 * spread / 20
    assert stats.tstd(values) == pytest.approx(spread, rel=0.15)
