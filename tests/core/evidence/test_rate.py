import random
from math import inf, isfinite, log

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc, betaln
from ville import BernoulliTest

from serin_core.evidence.beta import deviance, log_front
from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import (
    CONCENTRATION,
    Claim,
    Side,
    log_evidence,
    most_log_evidence,
    reaches,
    threshold,
)

LIMIT = log(1 / 0.05)


@settings(max_examples=300, deadline=None)
@given(p=st.floats(0.01, 0.99), total=st.integers(0, 100_000), share=st.floats(0, 1))
def test_evidence_agrees_with_scipy(p, total, share):
    good = round(total * share)
    a, b = CONCENTRATION * p, CONCENTRATION * (1 - p)
    mixture = betaln(a + good, b + total - good) - betaln(a, b) - good * log(p) - (total - good) * log(1 - p)
    below, above = betainc(a + good, b + total - good, p), betainc(b + total - good, a + good, 1 - p)
    counts = Counts(good, total)
    if below > 1e-250:
        expected = mixture + log(below) - log(betainc(a, b, p))
        assert log_evidence(counts, p, Side.BELOW) == pytest.approx(expected, abs=1e-6, rel=1e-7)
    if above > 1e-250:
        expected = mixture + log(above) - log(betainc(b, a, 1 - p))
        assert log_evidence(counts, p, Side.ABOVE) == pytest.approx(expected, abs=1e-6, rel=1e-7)


@pytest.mark.parametrize(("good", "total", "p"), [(85, 100, 0.7), (425, 500, 0.7), (3, 40, 0.1), (990, 1000, 0.99)])
def test_both_evidences_average_to_the_two_sided_one_of_ville(good, total, p):
    a, b = CONCENTRATION * p, CONCENTRATION * (1 - p)
    stream = [1] * good + [0] * (total - good)
    two_sided = BernoulliTest(p, prior=(a, b)).fit(stream).log_e_values_[-1]
    counts, lower = Counts(good, total), betainc(a, b, p)
    below, above = (mpmath.exp(log_evidence(counts, p, side)) for side in (Side.BELOW, Side.ABOVE))
    mean = lower * below + (1 - lower) * above
    assert float(mpmath.log(mean)) == pytest.approx(two_sided, abs=1e-9)


def test_the_published_evidence_against_a_half_is_found():
    # 560 of 1000, prior Beta(50, 50), as savvi and ville have it: 5.363268896; from the front alone, without a tail.
    front = log_front(610, 490, deviance(610, 490, 60.0, p=0.5, q=0.5))
    prior = log_front(50, 50, 0.0)
    assert prior - front == pytest.approx(5.363268896, abs=1e-9)


EXTREMES = [
    (0, 1),
    (1, 1),
    (0, 10**12),
    (10**12, 10**12),
    (1, 10**12),
    (10**12 - 1, 10**12),
    (7 * 10**11, 10**12),
    (10**6, 10**12),
]


@pytest.mark.parametrize("p", [1e-6, 0.01, 0.7, 0.99, 1 - 1e-6])
@pytest.mark.parametrize(("good", "total"), EXTREMES)
def test_no_count_is_too_extreme(good, total, p):
    counts = Counts(good, total)
    for side in Side:
        assert isfinite(log_evidence(counts, p, side))
        assert log_evidence(counts, p, side) <= most_log_evidence(counts, p, side) * (1 + 1e-12) + 1e-9


def exact_below(good, total, p):
    """The definition, in 60 digits."""
    with mpmath.workdps(60):
        p, bad = mpmath.mpf(p), total - good
        a, b = CONCENTRATION * p, CONCENTRATION * (1 - p)
        tail = mpmath.betainc(a + good, b + bad, 0, p) / mpmath.betainc(a, b, 0, p)
        return float(mpmath.log(tail) - good * mpmath.log(p) - bad * mpmath.log(1 - p))


@pytest.mark.parametrize(
    ("good", "total", "p"),
    [(0, 1, 1e-6), (0, 3, 0.95), (69, 100, 0.7), (6_950, 10_000, 0.7), (98, 100, 0.99), (1, 1, 1 - 1e-6), (0, 9, 0.01)],
)
def test_the_evidence_is_its_definition_in_60_digits(good, total, p):
    assert log_evidence(Counts(good, total), p, Side.BELOW) == pytest.approx(exact_below(good, total, p), abs=1e-10)


@pytest.mark.parametrize("sds", [-7.0, -6.0, -5.0, 5.0, 6.0, 7.0])
def test_a_million_million_requests_near_a_verdict_are_right_to_nine_digits(sds):
    # There the prior is flat and the tail is whole: E is the normal density ratio, up to its skewness.
    total, p = 10**12, 0.7
    good = round(total * p + sds * (total * p * (1 - p)) ** 0.5)
    side = Side.BELOW if sds < 0 else Side.ABOVE
    with mpmath.workdps(60):
        exact_p = mpmath.mpf(p)
        a, b = CONCENTRATION * exact_p, CONCENTRATION * (1 - exact_p)
        beta = mpmath.loggamma(a + good) + mpmath.loggamma(b + total - good) - mpmath.loggamma(a + b + total)
        mixture = beta - mpmath.log(mpmath.beta(a, b)) - good * mpmath.log(exact_p)
        mixture -= (total - good) * mpmath.log(1 - exact_p)
        tail = mpmath.ncdf(abs(sds))  # to the sixth digit, and nearly 1
        ends = (0, exact_p) if side is Side.BELOW else (exact_p, 1)
        expected = mixture + mpmath.log(tail) - mpmath.log(mpmath.betainc(a, b, *ends, regularized=True))
    assert log_evidence(Counts(good, total), p, side) == pytest.approx(float(expected), abs=2e-9)


@given(good=st.floats(0, 500), bad=st.floats(0, 500), p=st.floats(0.01, 0.99))
def test_evidence_of_a_rate_is_evidence_of_its_complement_from_the_other_tail(good, bad, p):
    total = good + bad
    counts, mirrored = Counts(good, total), Counts(total - good, total)
    other = log_evidence(mirrored, 1 - p, Side.ABOVE)
    assert log_evidence(counts, p, Side.BELOW) == pytest.approx(other, abs=1e-9, rel=1e-9)


@given(good=st.integers(0, 500), bad=st.integers(0, 500), p=st.floats(0.001, 0.999))
def test_one_more_success_never_speaks_against_the_rate(good, bad, p):
    before, after = Counts(good, good + bad), Counts(good + 1, good + bad + 1)
    assert log_evidence(after, p, Side.ABOVE) >= log_evidence(before, p, Side.ABOVE) - 1e-9
    assert log_evidence(after, p, Side.BELOW) <= log_evidence(before, p, Side.BELOW) + 1e-9


@given(good=st.integers(0, 500), bad=st.integers(0, 500), p=st.floats(0.001, 0.999))
def test_one_more_failure_never_speaks_for_the_rate(good, bad, p):
    before, after = Counts(good, good + bad), Counts(good, good + bad + 1)
    assert log_evidence(after, p, Side.ABOVE) <= log_evidence(before, p, Side.ABOVE) + 1e-9
    assert log_evidence(after, p, Side.BELOW) >= log_evidence(before, p, Side.BELOW) - 1e-9


@given(good=st.floats(0, 1e6), bad=st.floats(0, 1e6), p=st.floats(1e-6, 1 - 1e-6))
def test_what_can_be_said_without_a_tail_is_never_less_than_the_evidence(good, bad, p):
    counts = Counts(good, good + bad)
    for side in Side:
        exact = log_evidence(counts, p, side)
        assert exact <= most_log_evidence(counts, p, side) + 1e-9
        if threshold(p).distance(counts) * (1 if side is Side.BELOW else -1) >= 0:
            assert exact <= 1e-9


@given(good=st.floats(0, 1e4), bad=st.floats(0, 1e4), p=st.floats(1e-3, 1 - 1e-3), limit=st.floats(0.01, 40))
def test_reaching_is_the_same_with_every_tail_computed(good, bad, p, limit):
    counts = Counts(good, good + bad)
    for side in Side:
        assert reaches(counts, Claim(p, side, limit)) == (log_evidence(counts, p, side) >= limit)


@pytest.mark.parametrize(
    ("p", "side", "value"),
    [
        (0.0, Side.ABOVE, inf),
        (0.0, Side.BELOW, -inf),
        (-3, Side.ABOVE, inf),
        (1, Side.BELOW, inf),
        (2, Side.ABOVE, -inf),
    ],
)
def test_every_rate_lies_on_one_side_of_what_is_no_rate(p, side, value):
    assert log_evidence(Counts(3, 7), p, side) == value


@pytest.mark.parametrize(("good", "total"), [(2, 1), (-1, 5), (0, inf), (float("nan"), 1), (1, float("nan"))])
def test_what_is_no_count_is_refused(good, total):
    with pytest.raises(ValueError, match="is not a count"):
        Counts(good, total)


def looks_every(step):
    return lambda n, rng: n % step == 0


def looks_at_random(n, rng):
    return rng.random() < 0.1


def looks_doubling(n, rng):
    return n & (n - 1) == 0


def looks_while_the_operator_is_up(n, rng):
    return n % 100 < 50


def always_at(p):
    return lambda n, rng: p


def worse_in_waves(p):
    return lambda n, rng: p - 0.1 * abs((n % 100) / 50 - 1)


def worse_when_ahead(p):
    """An adversary: at the null while looked at, far below it at random."""
    return lambda n, rng: p if rng.random() < 0.7 else p / 2


CROSSINGS = {
    "every look at 0.7": (0.7, always_at(0.7), looks_every(1)),
    "every seventh look at 0.7": (0.7, always_at(0.7), looks_every(7)),
    "every second look at 0.95": (0.95, always_at(0.95), looks_every(2)),
    "every second look at 0.2": (0.2, always_at(0.2), looks_every(2)),
    "looks dropped at random": (0.7, always_at(0.7), looks_at_random),
    "looks at powers of two": (0.7, always_at(0.7), looks_doubling),
    "restarts, and half of the time nobody looks": (0.7, always_at(0.7), looks_while_the_operator_is_up),
    "a rate in waves below": (0.7, worse_in_waves(0.7), looks_every(3)),
    "a rate that falls at random": (0.7, worse_when_ahead(0.7), looks_every(3)),
}


@pytest.mark.parametrize(("p", "rate", "looks"), CROSSINGS.values(), ids=CROSSINGS.keys())
def test_evidence_against_a_true_null_reaches_its_limit_in_at_most_alpha_of_runs(p, rate, looks):
    runs, length, rng = 400, 300, random.Random(11)
    claim, crossed = Claim(p, Side.ABOVE, LIMIT), 0
    for _ in range(runs):
        good = 0
        for n in range(1, length + 1):
            good += rng.random() < rate(n, rng)
            if looks(n, rng) and reaches(Counts(good, n), claim):
                crossed += 1
                break
    three_errors = 3 * (0.05 * 0.95 / runs) ** 0.5
    assert crossed / runs <= 0.05 + three_errors
