from math import log

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ville import BernoulliCS

from serin_core.evidence.confidence_sequence import confidence_sequence
from serin_core.evidence.counts import Counts


@pytest.mark.parametrize(
    ("good", "total", "low", "high"),
    [
        (70, 100, 0.542754, 0.830554),
        (85, 100, 0.709933, 0.941377),
        (425, 500, 0.788149, 0.900348),
        (990, 1000, 0.972058, 0.997925),
    ],
)
def test_a_confidence_sequence_has_the_published_ends_and_those_of_ville(good, total, low, high):
    found = confidence_sequence(Counts(good, total), 0.05)
    assert found == pytest.approx((low, high), abs=1e-6)
    stream = [1] * good + [0] * (total - good)
    assert found == pytest.approx(BernoulliCS(0.05, intersect=False).fit(stream).interval(), abs=1e-12)


def exact_log_evidence(good, bad, p):
    with mpmath.workdps(50):
        beta = mpmath.loggamma(1 + good) + mpmath.loggamma(1 + bad) - mpmath.loggamma(2 + good + bad)
        return float(beta - good * mpmath.log(p) - bad * mpmath.log1p(-p))


@pytest.mark.parametrize(
    ("good", "bad"),
    [(1, 10**12), (10**12, 1), (5 * 10**11, 5 * 10**11), (3, 10**9), (0.25, 1e6), (1, 0.01), (7 * 10**5, 3 * 10**5)],
)
def test_the_evidence_against_each_end_is_just_enough(good, bad):
    low, high = map(mpmath.mpf, confidence_sequence(Counts(good, good + bad), 0.05))
    for end in (low, high):
        if 0 < end < 1 and min(end, 1 - end) > 1e-9:
            # An end near 1 is a float there: its distance from 1 is as fine as that allows.
            assert exact_log_evidence(good, bad, end) == pytest.approx(log(20), abs=1e-3)


def test_a_lower_end_near_zero_is_right_relative_to_itself():
    low, high = confidence_sequence(Counts(1, 10**12), 0.05)
    assert exact_log_evidence(1, 10**12 - 1, mpmath.mpf(low)) == pytest.approx(log(20), abs=1e-8)
    assert exact_log_evidence(1, 10**12 - 1, mpmath.mpf(high)) == pytest.approx(log(20), abs=1e-8)
    assert 0 < low < 1e-12 < high < 1e-10


@pytest.mark.parametrize(("counts", "ends"), [((0, 0), (0, 1)), ((0, 5), (0, None)), ((5, 5), (None, 1))])
def test_a_confidence_sequence_reaches_the_edges(counts, ends):
    found = confidence_sequence(Counts(*counts), 0.05)
    assert all(end is None or found[place] == end for place, end in enumerate(ends))


@given(good=st.floats(0, 1e12), bad=st.floats(0, 1e12), alpha=st.floats(1e-9, 0.9))
def test_any_fraction_of_a_count_has_a_confidence_sequence_around_its_rate(good, bad, alpha):
    total = good + bad
    low, high = confidence_sequence(Counts(good, total), alpha)
    assert 0 <= low <= (good / total if total else 0.5) <= high <= 1


@given(good=st.integers(0, 10**6), bad=st.integers(0, 10**6))
def test_a_smaller_alpha_gives_a_wider_interval(good, bad):
    counts = Counts(good, good + bad)
    (low, high), (lower, higher) = confidence_sequence(counts, 0.1), confidence_sequence(counts, 0.01)
    assert lower <= low
    assert high <= higher


@pytest.mark.parametrize("tiny", [1e-300, 1e-12, 1e-3, 0.25])
def test_a_fraction_of_a_failure_among_many_has_a_confidence_sequence(tiny):
    low, high = confidence_sequence(Counts(127.25, 127.25 + tiny), 0.05)
    assert 0.93 < low < high <= 1
    low, high = confidence_sequence(Counts(tiny, 127.25 + tiny), 0.05)
    assert 0 <= low <= tiny / 127.25 < high < 0.07
