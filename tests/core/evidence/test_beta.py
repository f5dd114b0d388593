"""The numerics against mpmath with 60 digits: grids, the switch between methods, and the hardest points."""

from itertools import product
from math import isfinite, log

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc, betaln

from serin_core.evidence.beta import deviance, log_front, log_mills, stirling_error

DIGITS = 60
ERROR = 1e-11  # what the docstring of beta.py states; ten times that where x or y is below 0.01


@pytest.fixture(autouse=True)
def _digits():
    with mpmath.workdps(DIGITS):
        yield


def at(share, total, sds):
    """A beta with these two weights, and a p `sds` standard deviations above its mean; None if outside (0, 1)."""
    p = share + sds * (share * (1 - share) / total) ** 0.5
    return (total * share, total - total * share, p) if 1e-6 <= p <= 1 - 1e-6 else None


def d_of(x, y, p):
    """x - (x + y) p as exact arithmetic has it."""
    exact = mpmath.mpf(x) - (mpmath.mpf(x) + mpmath.mpf(y)) * mpmath.mpf(p)
    return float(exact)


def reference(x, y, p):
    """ln(B_p(x, y) / (p^x q^y)) by quadrature, split at and around the peak of what is integrated."""
    x, y, p = mpmath.mpf(x), mpmath.mpf(y), mpmath.mpf(p)
    q, total = 1 - p, x + y
    mean, sd = x / total, mpmath.sqrt(x * y / total**3)

    def over(t):
        return mpmath.exp(x * mpmath.log(t / p) + y * mpmath.log((1 - t) / q)) / (t * (1 - t))

    # Away from the peak the fall is exponential; the decay length at p itself, and the peak where it lies below p.
    decay = 1 / abs(x / p - y / q) if x / p != y / q else sd
    width = min(sd, decay)
    splits = {p - width * k for k in (1, 3, 8, 20, 60, 160)}
    splits |= {mean + sd * k for k in (-20, -12, -6, -3, -1, 0, 1, 3, 6, 12)}
    inner = sorted(split for split in splits if 0 < split < p)
    return mpmath.log(mpmath.quad(over, [0, *inner, p]))


def by_hypergeometric(x, y, p):
    """The same from mpmath's own incomplete beta function."""
    x, y, p = mpmath.mpf(x), mpmath.mpf(y), mpmath.mpf(p)
    return mpmath.log(mpmath.betainc(x, y, 0, p)) - x * mpmath.log(p) - y * mpmath.log(1 - p)


GRID = [
    point
    for share, total, sds in product((0.003, 0.3, 0.7, 0.95), (1, 10, 60, 200, 1000, 5000), (-5, -3, -0.5, 0, 1, 4, 6))
    if (point := at(share, total, sds))
]


@pytest.mark.parametrize("total", [1, 10, 60, 200, 1000, 5000])
def test_both_tails_agree_with_mpmath_on_a_grid(total):
    for x, y, p in (point for point in GRID if abs(point[0] + point[1] - total) < 1e-6):
        d = d_of(x, y, p)
        assert log_mills(x, y, d, p=p, q=1 - p) == pytest.approx(float(by_hypergeometric(x, y, p)), abs=ERROR)


HARD = {
    "at the mean of 10^12": (3e11, 7e11, 0.3),
    "half a deviation below the mean of 10^12": (3e11, 7e11, 0.3 - 2.3e-7),
    "half a deviation above the mean of 10^12": (3e11, 7e11, 0.3 + 2.3e-7),
    "four deviations, on either side of the switch": (7e5, 3e5, 0.7 - 3.999 * 4.5826e-4),
    "four deviations, the other": (7e5, 3e5, 0.7 - 4.001 * 4.5826e-4),
    "where the expansion begins": (71.43, 166.7, 0.31),
    "just before it": (71.42, 166.6, 0.31),
    "few good of very many": (5.0, 1e9, 2e-6),
    "a skewed one where the expansion begins": (50.5, 5e7, 1.05e-6),
    "a skewed one far above": (200.0, 1e8, 2.5e-6),
    "all of many at 1 - 10^-6": (1e8 + 10, 1e-5, 1 - 1e-6),
}


@pytest.mark.parametrize(("x", "y", "p"), HARD.values(), ids=HARD.keys())
def test_the_hardest_points_agree_with_mpmath(x, y, p):
    found = log_mills(x, y, d_of(x, y, p), p=p, q=1 - p)
    assert found == pytest.approx(float(reference(x, y, p)), abs=ERROR)


@pytest.mark.parametrize(("x", "y", "p"), [(20, 30, 0.2), (3, 5000, 0.002)])
def test_quadrature_and_the_hypergeometric_series_agree(x, y, p):
    assert float(reference(x, y, p)) == pytest.approx(float(by_hypergeometric(x, y, p)), abs=1e-15)


@pytest.mark.parametrize("p", [1e-6, 1e-4, 0.01])
def test_the_tails_of_a_prior_that_is_nearly_all_on_one_side_agree_with_mpmath(p):
    x, y = 10 * p, 10 * (1 - p)
    upper = mpmath.log(mpmath.betainc(x, y, p, 1)) - x * mpmath.log(mpmath.mpf(p)) - y * mpmath.log(1 - mpmath.mpf(p))
    assert log_mills(x, y, 0.0, p=p, q=1 - p) == pytest.approx(float(by_hypergeometric(x, y, p)), abs=10 * ERROR)
    assert log_mills(y, x, 0.0, p=1 - p, q=p) == pytest.approx(float(upper), abs=10 * ERROR)


@settings(max_examples=300, deadline=None)
@given(share=st.floats(0.001, 0.999), weight=st.floats(1, 6), sds=st.floats(-6, 6))
def test_tails_agree_with_scipy(share, weight, sds):
    point = at(share, 10**weight, sds)
    if point is None:
        return
    x, y, p = point
    d, q = d_of(x, y, p), 1 - p
    front = log_front(x, y, deviance(x, y, d, p=p, q=q))
    assert front == pytest.approx(x * log(p) + y * log(q) - betaln(x, y), abs=1e-8)
    lower, upper = betainc(x, y, p), betainc(y, x, q)
    if min(lower, upper) > 1e-200:
        assert front + log_mills(x, y, d, p=p, q=q) == pytest.approx(log(lower), abs=1e-7)
        assert front + log_mills(y, x, -d, p=q, q=p) == pytest.approx(log(upper), abs=1e-7)


@pytest.mark.parametrize("x", [1e-5, 0.3, 9.99, 10.01, 300, 1e6, 1e12])
def test_the_front_of_the_incomplete_beta_function_agrees_with_mpmath(x):
    for y, p in product((1e-5, 2.0, 1e4, 1e12), (1e-6, 0.3, 0.999)):
        exact = x * mpmath.log(mpmath.mpf(p)) + y * mpmath.log(1 - mpmath.mpf(p)) - mpmath.log(mpmath.beta(x, y))
        far = deviance(x, y, d_of(x, y, p), p=p, q=1 - p)
        assert abs(log_front(x, y, far) - float(exact)) <= ERROR + 1e-15 * far


@pytest.mark.parametrize("z", [1e-5, 0.1, 1, 2.5, 9.999999, 10, 10.1, 50, 1e3, 1e9, 1e12])
def test_the_error_of_stirlings_formula_agrees_with_mpmath(z):
    wide = mpmath.mpf(z)
    exact = mpmath.loggamma(wide) - (wide - 0.5) * mpmath.log(wide) + wide - mpmath.log(2 * mpmath.pi) / 2
    assert stirling_error(z) == pytest.approx(float(exact), abs=2e-14, rel=1e-15)


@settings(max_examples=500, deadline=None)
@given(
    x=st.floats(1e-5, 1e12),
    y=st.floats(1e-5, 1e12),
    p=st.one_of(st.floats(1e-6, 1 - 1e-6), st.sampled_from([1e-6, 1 - 1e-6])),
)
def test_no_counts_up_to_a_million_million_have_an_infinite_tail(x, y, p):
    d = d_of(x, y, p)
    assert isfinite(log_mills(x, y, d, p=p, q=1 - p))
    assert isfinite(log_mills(y, x, -d, p=1 - p, q=p))


@pytest.mark.parametrize("sds", [-3.0, -0.01, 0.0, 0.01, 3.0])
def test_both_tails_sum_to_one_at_every_size(sds):
    for share, weight in product((1e-4, 0.3, 0.9), (1, 2, 3, 4, 6, 9, 12)):
        point = at(share, 10**weight, sds)
        if point is None:
            continue
        x, y, p = point
        d, q = d_of(x, y, p), 1 - p
        front = log_front(x, y, deviance(x, y, d, p=p, q=q))
        tails = [front + log_mills(x, y, d, p=p, q=q), front + log_mills(y, x, -d, p=q, q=p)]
        assert float(sum(mpmath.exp(tail) for tail in tails)) == pytest.approx(1, abs=1e-11)
