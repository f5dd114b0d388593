import random
from math import inf, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc, betaln

from serin_core.evidence import (
    CONCENTRATION,
    Counts,
    Verdict,
    confidence_sequence,
    judge_at_least,
    log_evidence_above,
    log_evidence_below,
    needed,
)

ALPHAS = {"alpha_pass": 0.05, "alpha_fail": 0.05}


def judge(good, total, p):
    return judge_at_least(Counts(good, total), p, **ALPHAS)


@pytest.mark.parametrize(("p", "fewest"), [(0.70, 16), (0.90, 40), (0.95, 72), (0.99, 315)])
def test_fewest_requests_to_pass_with_no_failure(p, fewest):
    assert judge(fewest, fewest, p) is Verdict.PASS
    assert judge(fewest - 1, fewest - 1, p) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("p", "fewest"), [(0.70, 7), (0.90, 4), (0.95, 3), (0.99, 2)])
def test_fewest_requests_to_fail_with_no_success(p, fewest):
    assert judge(0, fewest, p) is Verdict.FAIL
    assert judge(0, fewest - 1, p) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("good", "total", "low", "high"),
    [
        (70, 100, 0.542754, 0.830554),
        (85, 100, 0.709933, 0.941377),
        (425, 500, 0.788149, 0.900348),
        (990, 1000, 0.972058, 0.997925),
    ],
)
def test_confidence_sequence_has_the_published_ends(good, total, low, high):
    assert confidence_sequence(Counts(good, total), 0.05) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(("counts", "ends"), [((0, 0), (0, 1)), ((0, 5), (0, None)), ((5, 5), (None, 1))])
def test_confidence_sequence_reaches_the_edges(counts, ends):
    found = confidence_sequence(Counts(*counts), 0.05)
    assert all(end is None or found[place] == end for place, end in enumerate(ends))


@given(good=st.floats(0, 1000), bad=st.floats(0, 1000))
def test_any_fraction_of_a_count_has_a_confidence_sequence_around_its_rate(good, bad):
    total = good + bad
    low, high = confidence_sequence(Counts(good, total), 0.05)
    assert 0 <= low <= (good / total if total else 0.5) <= high <= 1


def test_a_quarter_of_a_failure_among_many_users_has_a_confidence_sequence():
    low, high = confidence_sequence(Counts(127.25, 127.5), 0.05)
    assert 0.93 < low < 127.25 / 127.5 < high <= 1


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
        assert log_evidence_below(counts, p) == pytest.approx(expected, abs=1e-6, rel=1e-7)
    if above > 1e-250:
        expected = mixture + log(above) - log(betainc(b, a, 1 - p))
        assert log_evidence_above(counts, p) == pytest.approx(expected, abs=1e-6, rel=1e-7)


@pytest.mark.parametrize("p", [0.7, 0.9])
def test_a_rate_at_the_threshold_is_judged_wrongly_in_at_most_alpha_of_cases(p):
    rng, passed, failed, trials = random.Random(7), 0, 0, 400
    for _ in range(trials):
        good = 0
        for total in range(1, 400):
            good += rng.random() < p
            verdict = judge(good, total, p) if total % 4 == 0 else Verdict.INCONCLUSIVE
            if verdict is not Verdict.INCONCLUSIVE:
                passed += verdict is Verdict.PASS
                failed += verdict is Verdict.FAIL
                break
    # Three standard errors above 5 % of 400.
    assert passed <= 33
    assert failed <= 33


@given(good=st.integers(0, 500), bad=st.integers(0, 500), p=st.floats(0.05, 0.95))
def test_one_more_success_never_speaks_against_the_rate(good, bad, p):
    before, after = Counts(good, good + bad), Counts(good + 1, good + bad + 1)
    gained = log_evidence_above(after, p) - log_evidence_below(after, p)
    assert gained >= log_evidence_above(before, p) - log_evidence_below(before, p) - 1e-9


@pytest.mark.parametrize("p", [0.0, -1.0, 1.0, 2.0])
def test_a_bound_outside_the_open_interval_is_met_by_itself(p):
    assert judge(0, 100, p) is Verdict.PASS


@pytest.mark.parametrize(("good", "total"), [(2, 1), (-1, 5), (0, inf), (float("nan"), 1)])
def test_what_is_no_count_is_refused(good, total):
    with pytest.raises(ValueError, match="is not a count"):
        Counts(good, total)


def test_needed_is_the_first_count_that_decides():
    counts = Counts(50, 60)
    more = needed(counts, 0.7, **ALPHAS)
    assert more is not None
    rate = 50 / 60
    assert judge(50 + rate * more, 60 + more, 0.7) is Verdict.PASS
    assert judge(50 + rate * (more - 1), 60 + more - 1, 0.7) is Verdict.INCONCLUSIVE


def test_needed_is_zero_once_decided_and_unknown_without_counts():
    assert needed(Counts(100, 100), 0.7, **ALPHAS) == 0
    assert needed(Counts(0, 0), 0.7, **ALPHAS) is None
    assert needed(Counts(70, 100), 0.7, **ALPHAS) is None
