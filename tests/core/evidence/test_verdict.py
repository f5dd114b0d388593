import random
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.evidence import change_point
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Within
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.verdict import failing, judge

ALPHAS = Alphas(promote=0.05, rollback=0.05)
OPEN = st.floats(0.01, 0.99)


def verdict(good, total, bound, alphas=ALPHAS):
    return judge(Counts(good, total), bound, alphas)


def is_harmed(counts, bound, starts, alphas=ALPHAS):
    return any(change_point.reaches(starts, counts, claim) for claim in failing(bound, alphas))


@pytest.mark.parametrize(("p", "fewest"), [(0.70, 16), (0.90, 40), (0.95, 72), (0.99, 315)])
def test_fewest_requests_to_pass_with_no_failure(p, fewest):
    assert verdict(fewest, fewest, AtLeast(p)) is Verdict.PASS
    assert verdict(fewest - 1, fewest - 1, AtLeast(p)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("p", "fewest"), [(0.70, 7), (0.90, 4), (0.95, 3), (0.99, 2)])
def test_fewest_requests_to_fail_with_no_success(p, fewest):
    assert verdict(0, fewest, AtLeast(p)) is Verdict.FAIL
    assert verdict(0, fewest - 1, AtLeast(p)) is Verdict.INCONCLUSIVE


@given(good=st.integers(0, 300), bad=st.integers(0, 300), p=OPEN, margin=st.floats(0, 0.2))
def test_at_most_is_at_least_of_the_complement(good, bad, p, margin):
    u = 1 - p
    if 1 - u != p:
        return
    total = good + bad
    assert verdict(good, total, AtMost(u, margin)) is verdict(bad, total, AtLeast(p, margin))


@given(good=st.integers(0, 300), bad=st.integers(0, 300), low=OPEN, width=st.floats(0.01, 0.5))
def test_within_passes_only_where_both_ends_would(good, bad, low, width):
    total, high = good + bad, low + width
    both = {verdict(good, total, AtLeast(low)), verdict(good, total, AtMost(high))}
    found = verdict(good, total, Within(low, high))
    if found is Verdict.PASS:
        assert both == {Verdict.PASS}
    if found is Verdict.FAIL:
        assert Verdict.FAIL in both
    if both == {Verdict.PASS}:
        assert found is Verdict.PASS


def test_within_spends_half_its_alpha_on_each_end():
    assert verdict(0, 7, AtLeast(0.7)) is Verdict.FAIL
    assert verdict(0, 7, Within(0.7, 0.9)) is Verdict.INCONCLUSIVE
    assert verdict(0, 7, Within(0.7, 0.9), Alphas(promote=0.05, rollback=0.1)) is Verdict.FAIL


def test_a_ratio_of_a_half_is_proven_to_lie_within_a_twentieth_of_it():
    assert verdict(1_000, 2_000, Within(0.45, 0.55)) is Verdict.PASS
    assert verdict(800, 2_000, Within(0.45, 0.55)) is Verdict.FAIL
    assert verdict(1_200, 2_000, Within(0.45, 0.55)) is Verdict.FAIL
    assert verdict(900, 2_000, Within(0.45, 0.55)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("p", [0.0, -1.0, 1.0, 2.0])
def test_a_bound_outside_the_open_interval_is_met_by_itself(p):
    for counts in ((0, 0), (0, 100), (100, 100)):
        assert verdict(*counts, AtLeast(p)) is Verdict.PASS
        assert verdict(*counts, AtMost(p)) is Verdict.PASS


@pytest.mark.parametrize(("bound", "good"), [(Within(0.5, 1.0), 90), (Within(0.0, 0.5), 10)])
def test_an_end_outside_the_open_interval_leaves_the_other_to_decide(bound, good):
    assert verdict(good, 100, bound) is Verdict.PASS
    assert verdict(100 - good, 100, bound) is Verdict.FAIL


def test_a_margin_as_large_as_the_bound_leaves_only_fail_to_prove():
    assert verdict(0, 1, AtLeast(0.1, margin=0.1)) is Verdict.PASS
    assert verdict(0, 1000, AtLeast(0.1, margin=0.1)) is Verdict.FAIL


def test_a_margin_lets_a_rate_at_the_bound_pass():
    assert verdict(7_000, 10_000, AtLeast(0.7)) is Verdict.INCONCLUSIVE
    assert verdict(7_000, 10_000, AtLeast(0.7, margin=0.05)) is Verdict.PASS


@given(good=st.integers(0, 10**6), bad=st.integers(0, 10**6), p=OPEN)
def test_an_alpha_of_zero_is_never_reached(good, bad, p):
    never = Alphas(promote=0.0, rollback=0.0)
    assert verdict(good, good + bad, AtLeast(p), never) is Verdict.INCONCLUSIVE
    assert not is_harmed(Counts(good, good + bad), AtLeast(p), [(1, 0, 0)], never)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: AtLeast(nan),
        lambda: AtMost(inf),
        lambda: AtLeast(0.7, margin=-0.1),
        lambda: Within(0.6, 0.4),
        lambda: Alphas(promote=0.05, rollback=1.5),
        lambda: Alphas(promote=nan, rollback=0.05),
    ],
)
def test_what_bounds_nothing_is_refused(broken):
    with pytest.raises(ValueError, match="bounds nothing"):
        broken()


@given(
    outcomes=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12),
    seed=st.integers(0, 100),
    p=OPEN,
)
def test_neither_the_order_of_requests_nor_of_looks_matters(outcomes, seed, p):
    shuffled = random.Random(seed).sample(outcomes, len(outcomes))
    totals = [Counts(0, 0), Counts(0, 0)]
    for way, series in enumerate((outcomes, shuffled)):
        for good, bad in series:
            totals[way] = Counts(totals[way].good + good, totals[way].total + good + bad)
            judge(totals[way], AtLeast(p), ALPHAS)
    assert judge(totals[0], AtLeast(p), ALPHAS) is judge(totals[1], AtLeast(p), ALPHAS)


@given(good=st.integers(0, 300), bad=st.integers(0, 300), p=OPEN, margin=st.floats(0, 0.1))
def test_one_more_success_never_turns_a_verdict_for_the_worse(good, bad, p, margin):
    rank = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
    before = verdict(good, good + bad, AtLeast(p, margin))
    after = verdict(good + 1, good + bad + 1, AtLeast(p, margin))
    assert rank[after] >= rank[before]


@given(good=st.floats(0, 300), bad=st.floats(0, 300), p=OPEN)
def test_with_the_beginning_as_its_only_start_fail_costs_twice_the_evidence(good, bad, p):
    counts = Counts(good, good + bad)
    halved = judge(counts, AtLeast(p), Alphas(promote=0.05, rollback=0.025))
    assert is_harmed(counts, AtLeast(p), [(1, 0, 0)]) == (halved is Verdict.FAIL)


def test_harm_above_a_limit_is_found_late_as_well():
    starts = [(1, 0, 0), (41, 300, 2_000)]
    counts = Counts(300 + 6 * 50 * 0.45, 2_300)
    assert judge(counts, AtMost(0.3), ALPHAS) is Verdict.PASS
    assert is_harmed(counts, AtMost(0.3), starts)
    assert is_harmed(counts, Within(0.05, 0.3), starts)


@pytest.mark.parametrize("p", [0.7, 0.9])
def test_a_rate_at_the_threshold_is_judged_wrongly_in_at_most_alpha_of_cases(p):
    rng, runs = random.Random(7), 400
    found = dict.fromkeys(Verdict, 0)
    for _ in range(runs):
        good = 0
        for total in range(1, 400):
            good += rng.random() < p
            now = verdict(good, total, AtLeast(p)) if total % 4 == 0 else Verdict.INCONCLUSIVE
            if now is not Verdict.INCONCLUSIVE:
                found[now] += 1
                break
    three_errors = 3 * (0.05 * 0.95 / runs) ** 0.5
    assert found[Verdict.PASS] / runs <= 0.05 + three_errors
    assert found[Verdict.FAIL] / runs <= 0.05 + three_errors
