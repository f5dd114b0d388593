"""A state that is kept from check to check gives the verdicts of one that is restored from the status each time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import GateMemory, OwnCounts, OwnSeries
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting.custom_counters import custom_key
from serin_core.counting.server_counters import StageCounts
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Within
from serin_core.evidence.change_point import FIRST_CHECK
from serin_core.evidence.counts import Verdict
from serin_core.gates.active import alpha_fail
from serin_core.gates.evaluation import Stage, judge_stage
from serin_core.gates.rate import RateState
from serin_core.gates.result import PreviousCheck

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAGE = Stage(0.0, NOW - timedelta(hours=1), 0.1)
BOUNDS = {
    "atLeast": (AtLeast(0.7), {"atLeast": 0.7}),
    "margin": (AtLeast(0.7, 0.05), {"atLeast": 0.7, "margin": 0.05}),
    "atMost": (AtMost(0.1), {"atMost": 0.1}),
    "within": (Within(0.6, 0.8), {"within": {"low": 0.6, "high": 0.8}}),
    "designEffect": (AtLeast(0.7), {"atLeast": 0.7, "designEffect": 3}),
}
OTHERS = {name.value: {"mode": "Off"} for name in GateName}


def gained(count):
    return {"p": OwnSeries(at=1, last=0, gained=count)}


@pytest.mark.parametrize("name", BOUNDS)
@given(
    batches=st.lists(
        st.tuples(st.integers(0, 60), st.floats(0.3, 1.0)).map(lambda pair: (round(pair[0] * pair[1]), pair[0])),
        min_size=1,
        max_size=90,
    )
)
@settings(max_examples=25, deadline=None)
def test_a_kept_state_fails_passes_and_remembers_as_a_restored_one(name, batches):
    bound, change = BOUNDS[name]
    body = {
        "runID": "run_aaaaaaaa_1",
        "server": {"token": {"secretName": "t"}},
        "gates": OTHERS | {"custom": [{"name": "orders", "good": "sold", "total": "orders"} | change]},
    }
    spec = SuggestionModelSpec.model_validate(body)
    effect = change.get("designEffect", 1.0)
    state = RateState(bound, Alphas(promote=0.05, rollback=alpha_fail(spec)), design_effect=effect)
    key = custom_key(spec.gates.custom[0])
    memory, good, total = {}, 0, 0
    for more, many in batches:
        good, total = good + more, total + many
        reading = StageCounts({}, custom={key: OwnCounts(good=gained(good), total=gained(total))})
        if memory:
            remembered = memory["orders"].model_copy(update={"judged_by": ""})
            assert state.memory(GateMemory(bound=remembered.bound)) == remembered
        (found,) = judge_stage(spec, STAGE, reading, PreviousCheck(memory), now=NOW)
        memory = {"orders": found.memory}
        assert state.fails(good, total) == (found.gate.verdict is Verdict.FAIL)
        if found.gate.verdict is not Verdict.FAIL:
            assert state.passes(good, total) == (found.gate.verdict is Verdict.PASS)
        state.record(good, total)


@given(n=st.integers(1, 3000), s=st.integers(0, 3000))
def test_one_more_good_one_never_takes_a_pass_away(n, s):
    s = min(s, n - 1)

    def passes(good):
        return RateState(AtLeast(0.7), Alphas(promote=0.05, rollback=0.05)).passes(good, n)

    assert passes(s + 1) or not passes(s)


def test_what_is_kept_is_bounded_and_holds_the_first_and_the_last():
    kept = FIRST_CHECK
    for checks in range(501):
        kept = kept.with_newest(checks + 1) if checks else kept
        assert kept.checks[0] == 1
        assert kept.checks[-1] == checks + 1
        assert len(kept.checks) <= 48


def test_a_check_that_counted_nothing_is_no_start():
    state = RateState(AtLeast(0.7), Alphas(promote=0.05, rollback=0.05))
    for good, total in ((0, 0), (3, 5), (3, 5), (3, 5)):
        state.record(good, total)
    kept = state.memory(GateMemory())
    assert (kept.checks, [start.check for start in kept.starts]) == (2, [1, 3])
