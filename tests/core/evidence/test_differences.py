"""Comparisons of two samples against scipy, and what makes a difference a drift or an alarm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency

from serin_core.evidence.differences import (
    ALARM_H,
    ALARM_PSI,
    Difference,
    chi_squared_tail,
    compare_distributions,
    compare_shares,
)

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=40)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10, 31, 100, 299])
def test_the_tail_of_chi_squared(degrees):
    for value in (1e-6, 0.5, 1.0, degrees / 2, degrees, 2.0 * degrees, 5.0 * degrees, 700.0):
        assert chi_squared_tail(value, degrees) == pytest.approx(chi2.sf(value, degrees), rel=1e-8, abs=1e-250)


def test_nothing_exceeds_it_without_a_difference_or_without_two_bins():
    assert chi_squared_tail(0.0, 5) == 1.0
    assert chi_squared_tail(3.0, 0) == 1.0
    assert chi_squared_tail(1e6, 9) == 0.0


@given(COUNTS)
def test_distributions_have_the_p_value_of_a_contingency_table(pairs):
    one, other = (list(side) for side in zip(*pairs, strict=True))
    if not sum(one) or not sum(other):
        return
    used = [[a, b] for a, b in pairs if a + b]
    expected = chi2_contingency(list(zip(*used, strict=True)), correction=False).pvalue
    assert compare_distributions(one, other).p_value == pytest.approx(expected, rel=1e-6, abs=1e-200)


def test_the_bin_that_differs_most_is_named_and_empty_bins_do_not_matter():
    found = compare_distributions([500, 0, 400, 100], [100, 0, 400, 500])
    assert found.bin in (0, 3)
    assert found.shares == pytest.approx((0.5, 0.1) if found.bin == 0 else (0.1, 0.5), abs=0.001)
    assert found.statistic == pytest.approx(compare_distributions([500, 400, 100], [100, 400, 500]).statistic)


def test_equal_samples_differ_in_nothing():
    found = compare_distributions([10, 20, 30], [100, 200, 300])
    assert (found.statistic, found.p_value) == (0.0, pytest.approx(1.0))
    assert compare_shares((10, 100), (100, 1000)).p_value == pytest.approx(1.0)


def test_a_drift_is_significant_and_matters_and_an_alarm_is_more():
    def of(p_value, statistic):
        return Difference(p_value, "PSI", statistic, limit=0.25, alarm=ALARM_PSI)

    assert of(1e-5, 0.3).is_drift(comparisons=10)
    assert not of(1e-3, 0.3).is_drift(comparisons=10), "not significant among ten"
    assert not of(1e-5, 0.2).is_drift(comparisons=10), "does not matter"
    assert not of(1e-5, 0.3).is_alarming(comparisons=10)
    assert of(1e-5, 0.6).is_alarming(comparisons=10)
    assert not of(1e-3, 0.6).is_alarming(comparisons=10)


def test_a_share_that_grows_from_a_seventh_to_a_third_is_no_alarm_and_one_that_becomes_most_is():
    assert compare_shares((140, 1000), (330, 1000)).statistic < ALARM_H
    assert compare_shares((140, 1000), (330, 1000)).is_drift(comparisons=6)
    assert not compare_shares((140, 1000), (330, 1000)).is_alarming(comparisons=6)
    assert compare_shares((140, 1000), (900, 1000)).is_alarming(comparisons=6)
