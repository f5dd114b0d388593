import random
from dataclasses import replace
from itertools import product
from math import comb, exp, inf, log
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nchypergeom_fisher

from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import Side
from serin_core.evidence.two_sample import LOG_RATIOS, TwoArms, _Margins, log_evidence, observe

LIMIT = log(1 / 0.05)


def bad(many, total):
    return Counts(total - many, total)


def law(canary, control, bad_ones, psi):
    """Fisher's noncentral hypergeometric law by full enumeration."""
    weights = {
        x: comb(canary, x) * comb(control, bad_ones - x) * psi**x
        for x in range(max(0, bad_ones - control), min(canary, bad_ones) + 1)
    }
    return {x: weight / sum(weights.values()) for x, weight in weights.items()}


def factor(state, canary, control, bad_ones, x):
    """What one check multiplies the evidence by."""
    return exp(log_evidence(observe(state, bad(x, canary), bad(bad_ones - x, control))) - log_evidence(state))


MARGINS = [(1, 1, 1), (3, 5, 4), (10, 90, 7), (40, 8, 12), (6, 6, 12), (25, 25, 25), (5, 60, 62)]


@pytest.mark.parametrize(("canary", "control", "bad_ones"), MARGINS)
@pytest.mark.parametrize(("limit", "side"), list(product((1.0, 1.5, 0.8), Side)))
def test_at_the_limit_the_evidence_is_expected_to_stay_what_it_is(canary, control, bad_ones, limit, side):
    begun = observe(TwoArms(limit, side), bad(3, 11), bad(9, 41))
    for state in (TwoArms(limit, side), begun):
        expected = sum(
            chance * factor(state, canary, control, bad_ones, x)
            for x, chance in law(canary, control, bad_ones, limit).items()
        )
        assert expected == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize(("canary", "control", "bad_ones"), MARGINS)
@pytest.mark.parametrize("side", Side)
def test_on_the_nulls_side_it_is_expected_to_fall(canary, control, bad_ones, side):
    better = 0.6 if side is Side.ABOVE else 1.7
    expected = sum(
        chance * factor(TwoArms(1.0, side), canary, control, bad_ones, x)
        for x, chance in law(canary, control, bad_ones, better).items()
    )
    assert expected <= 1 + 1e-10


@pytest.mark.parametrize(
    ("canary", "control", "bad_ones"), [(12_000, 20_000, 9_000), (30_000, 400_000, 90_000), (10**5, 10**5, 10**5)]
)
@pytest.mark.parametrize("psi", [0.05, 1.0, 1.05, 20.0])
def test_every_few_terms_sum_to_what_all_do(canary, control, bad_ones, psi):
    margins = _Margins(canary, control, bad_ones)
    mode = margins._mode(psi)
    assert margins._deviation(mode) >= 12
    stride = max(2, int(margins._deviation(mode) / 1.6))
    every_few = margins._sum_every(stride, mode, log(psi), margins._log_term(mode, log(psi)))
    assert log(every_few) == pytest.approx(log(margins._sum(mode, psi)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(canary=st.integers(1, 3_000), control=st.integers(1, 3_000), share=st.floats(0, 1), sds=st.floats(-3, 3))
def test_a_check_is_weighed_as_scipy_weighs_it(canary, control, share, sds):
    bad_ones = round(share * (canary + control))
    middle = bad_ones * canary / (canary + control)
    x = round(middle + sds * middle**0.5)
    x = min(max(x, 0, bad_ones - control), canary, bad_ones)
    state = observe(TwoArms(), bad(x, canary), bad(bad_ones - x, control))
    for place in (0, 8, 16):
        psi = exp(LOG_RATIOS[place])
        at_psi = nchypergeom_fisher.logpmf(x, canary + control, canary, bad_ones, psi)
        at_one = nchypergeom_fisher.logpmf(x, canary + control, canary, bad_ones, 1.0)
        if at_psi > -600:
            assert state.log_ratios[place] == pytest.approx(at_psi - at_one, abs=1e-6)


def test_the_grid_runs_from_a_twentieth_more_to_twenty_times():
    assert len(LOG_RATIOS) == 24
    assert exp(LOG_RATIOS[0]) == pytest.approx(1.05)
    assert exp(LOG_RATIOS[-1]) == pytest.approx(20)
    assert log_evidence(TwoArms()) == pytest.approx(0)


@pytest.mark.parametrize(
    ("canary", "control"),
    [(bad(0, 0), bad(3, 9)), (bad(3, 9), bad(0, 0)), (bad(0, 9), bad(0, 5)), (bad(9, 9), bad(5, 5))],
)
def test_a_check_that_cannot_tell_the_arms_apart_says_nothing(canary, control):
    begun = observe(TwoArms(), bad(3, 11), bad(9, 41))
    assert observe(begun, canary, control) == begun


def test_both_tails_of_huge_margins_are_finite():
    state = observe(TwoArms(), bad(9_000, 10_000), bad(10, 1_000_000))
    assert 0 < log_evidence(state) < inf
    mirrored = observe(TwoArms(), bad(0, 100_000), bad(5_000, 100_000))
    assert -inf < log_evidence(mirrored) < 0


def test_fractions_of_an_answer_are_refused():
    with pytest.raises(ValueError, match="whole number"):
        observe(TwoArms(), Counts(1.5, 4), Counts(1, 4))
    with pytest.raises(ValueError, match="no odds ratio"):
        TwoArms(limit=0.0)
    with pytest.raises(ValueError, match="no odds ratio"):
        replace(TwoArms(), log_ratios=(0.0,))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=6))
def test_the_order_of_checks_does_not_matter(tables):
    ways = [TwoArms(), TwoArms()]
    for way, order in enumerate((tables, tables[::-1])):
        for a, b, c, d in order:
            ways[way] = observe(ways[way], Counts(a, a + b), Counts(c, c + d))
    assert log_evidence(ways[0]) == pytest.approx(log_evidence(ways[1]), abs=1e-9)


def drawn(rng, rate, many):
    return sum(rng.random() < rate for _ in range(many))


def at_once(rng, is_bad):
    return 0


def drifting(part):
    return 0.05 + 0.45 * part


def answers(rng, *, odds, checks, delay=at_once, split=drifting, per_check=12):
    """Feedback on suggestions, check by check: the base rate and the split drift, and feedback comes late."""
    waiting = [[] for _ in range(checks + 20)]
    for check in range(checks):
        base = 0.1 + 0.3 * abs((check % 24) / 12 - 1)
        for _ in range(per_check):
            in_canary = rng.random() < split(check / checks)
            rate = base * odds / (1 - base + base * odds) if in_canary else base
            is_bad = rng.random() < rate
            waiting[check + delay(rng, is_bad)].append((in_canary, is_bad))
    for answered in waiting:
        arms = [Counts(0, 0), Counts(0, 0)]
        for in_canary, is_bad in answered:
            arm = arms[not in_canary]
            arms[not in_canary] = Counts(arm.good + (not is_bad), arm.total + 1)
        yield arms


def first_reached(rng, state, **traffic):
    for check, (canary, control) in enumerate(answers(rng, **traffic), start=1):
        state = observe(state, canary, control)
        if log_evidence(state) >= LIMIT:
            return check
    return inf


DELAYS = {
    "up to nineteen checks late": lambda rng, is_bad: rng.randrange(20),
    "rejected at once, accepted late": lambda rng, is_bad: 0 if is_bad else rng.randrange(10),
    "accepted at once, rejected late": lambda rng, is_bad: rng.randrange(10) if is_bad else 0,
}


THREE_ERRORS = 3 * (0.05 * 0.95 / 150) ** 0.5


def test_equal_arms_fail_in_at_most_alpha_of_runs_however_rate_and_split_drift():
    rng = random.Random(29)
    failed = sum(first_reached(rng, TwoArms(), odds=1.0, checks=60) < inf for _ in range(150))
    assert failed / 150 <= 0.05 + THREE_ERRORS


@pytest.mark.parametrize("delay", DELAYS.values(), ids=DELAYS.keys())
def test_equal_arms_with_equal_delays_fail_in_at_most_alpha_of_runs_whatever_the_delay(delay):
    # Within a stage the split stands still: were it to move, answers of one check would be of different splits.
    rng, steady = random.Random(47), {"split": lambda part: 0.2, "delay": delay}
    failed = sum(first_reached(rng, TwoArms(), odds=1.0, checks=40, **steady) < inf for _ in range(150))
    assert failed / 150 <= 0.05 + THREE_ERRORS


def test_better_arms_do_not_fail():
    rng, runs = random.Random(31), 100
    failed = sum(first_reached(rng, TwoArms(), odds=0.6, checks=60) < inf for _ in range(runs))
    assert failed == 0


def test_a_canary_rejected_three_times_as_often_is_found():
    rng = random.Random(37)
    found = [first_reached(rng, TwoArms(), odds=3.0, checks=150) for _ in range(40)]
    assert median(found) < 80


def test_equal_arms_are_proven_not_to_be_twice_as_bad():
    rng, state = random.Random(41), TwoArms(limit=2.0, side=Side.BELOW)
    found = [first_reached(rng, state, odds=1.0, checks=150) for _ in range(20)]
    assert median(found) < inf


def test_arms_twice_as_bad_are_proven_not_to_be_in_at_most_alpha_of_runs():
    rng, runs, state = random.Random(43), 150, TwoArms(limit=2.0, side=Side.BELOW)
    wrong = sum(first_reached(rng, state, odds=2.0, checks=40) < inf for _ in range(runs))
    assert wrong / runs <= 0.05 + THREE_ERRORS
