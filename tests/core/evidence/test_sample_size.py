import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Within
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.sample_size import certain_by, least, needed
from serin_core.evidence.verdict import judge

ALPHAS = Alphas(promote=0.05, rollback=0.05)
NEVER = Alphas(promote=0.0, rollback=0.0)


@pytest.mark.parametrize(("p", "to_pass", "to_fail"), [(0.70, 16, 7), (0.90, 40, 4), (0.95, 72, 3), (0.99, 315, 2)])
def test_the_fewest_requests_that_can_decide_are_the_published_ones(p, to_pass, to_fail):
    assert least(AtLeast(p), ALPHAS) == (to_pass, to_fail)
    assert least(AtMost(1 - p), ALPHAS) == (to_pass, to_fail)


@pytest.mark.parametrize("bound", [Within(0.3, 0.7), Within(0.1, 0.4), Within(0.5, 0.95), Within(-1, 0.4)])
def test_the_fewest_requests_within_two_bounds_are_those_of_a_full_search(bound):
    to_pass, to_fail = least(bound, ALPHAS)
    verdicts = {n: {judge(Counts(good, n), bound, ALPHAS) for good in range(n + 1)} for n in range(to_pass + 2)}
    assert to_pass == min(n for n, kinds in verdicts.items() if Verdict.PASS in kinds)
    assert to_fail == min(n for n, kinds in verdicts.items() if Verdict.FAIL in kinds)


def test_where_a_verdict_is_impossible_no_number_is_given():
    assert least(AtLeast(0.7), NEVER) == (None, None)
    assert least(AtLeast(0.0), ALPHAS) == (0, None)
    assert least(AtLeast(0.7), Alphas(promote=0.05, rollback=0.0)) == (16, None)
    assert certain_by(AtLeast(0.7), ALPHAS) is None
    assert certain_by(Within(0.4, 0.6), ALPHAS) is None
    assert certain_by(AtLeast(0.7, margin=0.05), NEVER) is None


@pytest.mark.parametrize("p", [1e-6, 1 - 1e-6])
def test_the_fewest_requests_are_known_at_the_ends(p):
    bound = AtLeast(p)
    to_pass, to_fail = least(bound, ALPHAS)
    assert judge(Counts(to_pass, to_pass), bound, ALPHAS) is Verdict.PASS
    assert judge(Counts(0, to_fail), bound, ALPHAS) is Verdict.FAIL
    assert judge(Counts(0, to_fail - 1), bound, ALPHAS) is not Verdict.FAIL


def undecided(bound, n):
    """How many whole counts of n have no verdict."""
    return sum(judge(Counts(good, n), bound, ALPHAS) is Verdict.INCONCLUSIVE for good in range(n + 1))


def test_with_a_margin_every_whole_count_of_3680_has_a_verdict():
    # Looked at every ten requests, as the published figure was: 3,680 is the first such number.
    bound = AtLeast(0.70, margin=0.05)
    assert undecided(bound, 3_680) == 0
    assert undecided(bound, 3_670) > 0
    assert undecided(bound, 3_668) == 0
    assert undecided(bound, 3_667) > 0


@pytest.mark.parametrize("bound", [AtLeast(0.7, margin=0.1), AtMost(0.3, margin=0.1), AtLeast(0.9, margin=0.1)])
def test_from_the_certain_number_on_every_count_has_a_verdict(bound):
    enough = certain_by(bound, ALPHAS)
    tenths = {Counts(tenth / 10, enough) for tenth in range(10 * enough + 1)}
    assert all(judge(counts, bound, ALPHAS) is not Verdict.INCONCLUSIVE for counts in tenths)
    assert all(undecided(bound, n) == 0 for n in range(enough, enough + 40))


def test_the_certain_number_is_near_the_published_one():
    assert certain_by(AtLeast(0.70, margin=0.05), ALPHAS) == 3_711
    assert certain_by(AtMost(0.30, margin=0.05), ALPHAS) == 3_711
    assert certain_by(AtLeast(0.70, margin=0.10), ALPHAS) == 830


BOUNDS = st.one_of(
    st.builds(AtLeast, st.floats(0.05, 0.95), st.sampled_from([0.0, 0.03])),
    st.builds(AtMost, st.floats(0.05, 0.95), st.sampled_from([0.0, 0.03])),
    st.builds(lambda low, width: Within(low, low + width), st.floats(0.05, 0.6), st.floats(0.05, 0.3)),
)


@settings(max_examples=200, deadline=None)
@given(good=st.integers(0, 2_000), bad=st.integers(0, 2_000), bound=BOUNDS)
def test_needed_is_the_first_count_that_decides(good, bad, bound):
    counts = Counts(good, good + bad)
    more = needed(counts, bound, ALPHAS)
    if more is None:
        return

    def after(extra):
        total = counts.total + extra
        return judge(Counts(min(good + (counts.estimate or 0) * extra, total), total), bound, ALPHAS)

    assert after(more) is not Verdict.INCONCLUSIVE
    assert more == 0 or after(more - 1) is Verdict.INCONCLUSIVE


def test_needed_is_zero_once_decided_and_unknown_without_counts_or_hope():
    assert needed(Counts(100, 100), AtLeast(0.7), ALPHAS) == 0
    assert needed(Counts(0, 0), AtLeast(0.7), ALPHAS) is None
    assert needed(Counts(70, 100), AtLeast(0.7), ALPHAS) is None
    assert needed(Counts(70_000_001, 10**8), AtLeast(0.7), ALPHAS) is None
    assert needed(Counts(80, 100), AtLeast(0.7), NEVER) is None


@given(good=st.integers(0, 10**5), bad=st.integers(0, 10**5))
def test_a_bound_that_is_met_by_itself_needs_nothing(good, bad):
    assert needed(Counts(good, good + bad), AtLeast(0.0), ALPHAS) == 0
