"""A gate that is watched says what `judge_stage` says, check by check."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import ProcessCounts
from serin_core.counting import StageCounts
from serin_core.evidence import Alphas, AtLeast, AtMost, Verdict, Within
from serin_core.gates import PreviousCheck, Stage, alpha_fail, judge_stage
from serin_simulation.starts import Schedule
from serin_simulation.watching import RateWatch

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAGE = Stage(0.0, NOW - timedelta(hours=1), 0.1)
BOUNDS = {
    "atLeast": (AtLeast(0.7), {"atLeast": 0.7}),
    "margin": (AtLeast(0.7, 0.05), {"atLeast": 0.7, "margin": 0.05}),
    "atMost": (AtMost(0.1), {"atMost": 0.1}),
    "within": (Within(0.6, 0.8), {"within": {"low": 0.6, "high": 0.8}}),
    "designEffect": (AtLeast(0.7), {"atLeast": 0.7, "designEffect": 3}),
}
OTHERS = [{"name": name, "disabled": True} for name in ("availability", "errors", "latency")]


@pytest.mark.parametrize("name", BOUNDS)
@given(
    batches=st.lists(
        st.tuples(st.integers(0, 60), st.floats(0.3, 1.0)).map(lambda pair: (round(pair[0] * pair[1]), pair[0])),
        min_size=1,
        max_size=90,
    )
)
@settings(max_examples=25, deadline=None)
def test_a_watched_gate_fails_passes_and_remembers_as_a_judged_one(name, batches):
    bound, change = BOUNDS[name]
    body = {
        "runID": "run_aaaaaaaa_1",
        "server": {"token": {"secretName": "t"}},
        "gates": {"metrics": [{"name": "agreement"} | change, *OTHERS]},
    }
    spec = SuggestionModelSpec.model_validate(body)
    effect = change.get("designEffect", 1.0)
    watch = RateWatch(bound, Alphas(promote=0.05, rollback=alpha_fail(spec)), effect)
    memory, good, total = {}, 0, 0
    for more, many in batches:
        good, total = good + more, total + many
        reading = StageCounts({"agreement": {"p": ProcessCounts(good=good, total=total)}})
        watch.see((good, total))
        if memory:
            remembered = memory["agreement"].model_copy(update={"judged_by": ""})
            assert watch.memory(remembered.bound) == remembered
        (found,) = judge_stage(spec, STAGE, reading, PreviousCheck(memory), now=NOW)
        memory = {"agreement": found.memory}
        assert watch.fails() == (found.gate.verdict is Verdict.FAIL)
        if found.gate.verdict is not Verdict.FAIL:
            assert watch.passes() == (found.gate.verdict is Verdict.PASS)


@given(n=st.integers(1, 3000), s=st.integers(0, 3000))
def test_one_more_good_one_never_takes_a_pass_away(n, s):
    s = min(s, n - 1)

    def passes(good):
        watch = RateWatch(AtLeast(0.7), Alphas(promote=0.05, rollback=0.05))
        watch.see((good, n))
        return watch.passes()

    assert passes(s + 1) or not passes(s)


def test_what_is_kept_is_bounded_and_holds_the_first_and_the_last():
    schedule = Schedule(first_is_empty=False)
    for checks in (0, 1, 47, 48, 500):
        kept = schedule.after(checks)
        assert kept[0] == 1
        assert kept[-1] == checks + 1
        assert len(kept) <= 48
