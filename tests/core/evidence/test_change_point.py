from itertools import pairwise
from math import exp, inf, log
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin_core.evidence import change_point
from serin_core.evidence.change_point import FIRST_CHECK, MAX_STARTS, KeptChecks, since
from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import Claim, Side, log_evidence

LIMIT = log(1 / 0.05)
BEGINNING = (1, 0, 0)


def keep(starts, newest):
    """The starts that are kept once the newest is added."""
    kept = KeptChecks(tuple(check for check, _, _ in starts)).with_newest(newest[0])
    return tuple(start for start in (*starts, newest) if start[0] in kept.checks)


def checks(rng, rates, per_check):
    """The cumulative counts after each check of a stage."""
    good = total = 0
    for rate in rates:
        good, total = good + int(rng.binomial(per_check, rate)), total + per_check
        yield Counts(good, total)


def first_fail(rng, rates, per_check, claim):
    """The number of the check at which harm is found, inf where it is not."""
    starts = (BEGINNING,)
    for check, counts in enumerate(checks(rng, rates, per_check), start=1):
        if change_point.reaches(starts, counts, claim):
            return check
        starts = keep(starts, (check + 1, counts.good, counts.total))
    return inf


def test_a_drop_after_forty_good_checks_is_found_within_a_few():
    rng, claim = np.random.default_rng(5), Claim(0.70, Side.BELOW, LIMIT)
    delays = sorted(first_fail(rng, [0.85] * 40 + [0.55] * 40, 50, claim) - 40 for _ in range(200))
    assert delays[0] > 0
    assert 4 <= median(delays) <= 6
    assert delays[int(0.9 * len(delays))] <= 8


def test_the_counts_since_the_beginning_alone_take_ten_times_as_long():
    rng, delays = np.random.default_rng(5), []
    for _ in range(40):
        series = checks(rng, [0.85] * 40 + [0.55] * 100, 50)
        found = (n for n, counts in enumerate(series, start=1) if log_evidence(counts, 0.7, Side.BELOW) >= LIMIT)
        delays.append(next(found) - 40)
    assert 45 <= median(delays) <= 65


@pytest.mark.parametrize(("rate", "per_check"), [(0.70, 1), (0.70, 20), (0.95, 5)])
def test_a_rate_at_its_limit_fails_in_at_most_alpha_of_runs(rate, per_check):
    rng, runs, claim = np.random.default_rng(17), 1_000, Claim(rate, Side.BELOW, LIMIT)
    failed = sum(first_fail(rng, [rate] * 40, per_check, claim) < inf for _ in range(runs))
    assert failed / runs <= 0.05


def test_a_rate_that_wanders_above_its_limit_fails_in_at_most_alpha_of_runs():
    rng, runs, claim = np.random.default_rng(23), 500, Claim(0.70, Side.BELOW, LIMIT)
    rates = [0.70 + 0.05 * (check % 7 == 0) for check in range(40)]
    failed = sum(first_fail(rng, rates, 10, claim) < inf for _ in range(runs))
    assert failed / runs <= 0.05


STAGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30)


def stage(outcomes):
    """Starts and last counts of a stage with these good and bad ones at each check."""
    starts, good, bad = [BEGINNING], 0, 0
    for check, (more_good, more_bad) in enumerate(outcomes, start=1):
        good, bad = good + more_good, bad + more_bad
        starts.append((check + 1, good, good + bad))
    return tuple(starts[:-1]), Counts(good, good + bad)


@settings(max_examples=300)
@given(outcomes=STAGES, p=st.floats(0.01, 0.99), limit=st.floats(0, 30))
def test_skipping_tails_never_changes_an_answer(outcomes, p, limit):
    starts, counts = stage(outcomes)
    for side in Side:
        exact = change_point.log_evidence(starts, counts, p, side)
        assert change_point.reaches(starts, counts, Claim(p, side, limit)) == (exact >= limit)


@settings(max_examples=100)
@given(outcomes=STAGES, p=st.floats(0.01, 0.99), nudge=st.sampled_from([-1e-12, 0.0, 1e-12]))
def test_skipping_tails_never_changes_an_answer_at_the_very_limit(outcomes, p, nudge):
    starts, counts = stage(outcomes)
    for side in Side:
        exact = change_point.log_evidence(starts, counts, p, side)
        if exact > 0:
            limit = exact + nudge
            assert change_point.reaches(starts, counts, Claim(p, side, limit)) == (exact >= limit)


@given(outcomes=STAGES, p=st.floats(0.01, 0.99))
def test_the_bound_is_never_below_the_evidence(outcomes, p):
    starts, counts = stage(outcomes)
    for side in Side:
        exact = change_point.log_evidence(starts, counts, p, side)
        assert change_point.log_bound(starts, counts, Claim(p, side, 3.0)) >= exact - 1e-9


@given(outcomes=STAGES, p=st.floats(0.05, 0.95))
def test_the_evidence_is_the_weighted_sum_over_its_starts(outcomes, p):
    starts, counts = stage(outcomes)
    total = sum(
        exp(log_evidence(since(start, counts), p, Side.BELOW)) / (start[0] * (start[0] + 1)) for start in starts
    )
    assert change_point.log_evidence(starts, counts, p, Side.BELOW) == pytest.approx(log(total), abs=1e-9)


@given(outcomes=STAGES, p=st.floats(0.05, 0.95), dropped=st.sets(st.integers(0, 30)))
def test_dropping_starts_only_lowers_the_evidence(outcomes, p, dropped):
    starts, counts = stage(outcomes)
    fewer = tuple(start for place, start in enumerate(starts) if place not in dropped)
    for side in Side:
        kept = change_point.log_evidence(fewer, counts, p, side)
        assert kept <= change_point.log_evidence(starts, counts, p, side) + 1e-12


def test_without_starts_there_is_no_evidence():
    assert change_point.log_evidence((), Counts(0, 1000), 0.5, Side.BELOW) == -inf
    assert not change_point.reaches((), Counts(0, 1000), Claim(0.5, Side.BELOW, LIMIT))


def test_a_start_after_the_counts_is_refused():
    later = (BEGINNING, (2, 50, 100))
    for counts in (Counts(49, 100), Counts(50, 99), Counts(51, 100)):
        with pytest.raises(ValueError, match="are fewer than at check 2"):
            change_point.reaches(later, counts, Claim(0.5, Side.BELOW, LIMIT))


def test_shares_of_counts_that_differ_by_rounding_alone_are_no_difference():
    thirds = (2, 0.1 + 0.2, 10.1 + 0.2)
    counts = Counts(0.3, 10.3)
    assert since(thirds, counts).total == pytest.approx(0, abs=1e-12)
    assert not change_point.reaches((BEGINNING, thirds), counts, Claim(0.01, Side.BELOW, LIMIT))


def kept_after(many):
    kept = FIRST_CHECK
    for check in range(2, many + 1):
        kept = kept.with_newest(check)
    return list(kept.checks)


@pytest.mark.parametrize("many", [1, 2, 47, 48, 49, 500, 5_000])
def test_starts_are_bounded_ordered_and_keep_both_ends(many):
    checks = kept_after(many)
    assert checks == sorted(set(checks))
    assert len(checks) == min(many, MAX_STARTS)
    assert (checks[0], checks[-1]) == (1, many)


def test_starts_are_dense_near_now_and_geometrically_thinner_in_the_past():
    ages = [5_000 - check for check in kept_after(5_000)]
    assert ages[-5:] == [4, 3, 2, 1, 0]
    # Of any two neighbours the older is at most so much older than the younger: what is found of harm that began
    # between them is diluted by no more.
    assert all(older <= 1.6 * younger + 1 for older, younger in pairwise(ages))


def test_looking_again_at_the_same_counts_changes_nothing():
    rng, claim = np.random.default_rng(2), Claim(0.7, Side.BELOW, LIMIT)
    starts = (BEGINNING,)
    for check, counts in enumerate(checks(rng, [0.66] * 60, 10), start=1):
        once = change_point.reaches(starts, counts, claim)
        assert all(change_point.reaches(starts, counts, claim) == once for _ in range(2))
        kept = keep(starts, (check + 1, counts.good, counts.total))
        # The newest start has counted nothing yet, so it speaks for nothing.
        assert change_point.reaches(kept, counts, claim) == once
        starts = kept
