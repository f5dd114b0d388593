"""Messages of gates: they show the numbers that gave the verdict, and no number contradicts it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.api.gate_status import ProcessCounts
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import StageCounts
from serin_core.evidence.counts import Verdict
from serin_core.gates.evaluation import Stage, judge_stage
from serin_core.gates.messages import describe, explain
from serin_core.gates.result import PreviousCheck

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def judged(name, *counts, percent=10.0, change=None, reading=None):
    """Return a gate after checks of cumulative counts."""
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}}
    if change:
        body["gates"] = {name: change}
    spec, memory = SuggestionModelSpec.model_validate(body), {}
    readings = [StageCounts({name: {"p": ProcessCounts(good=g, total=n)}}) for g, n in counts] or [reading]
    for one in readings:
        stage = Stage(percent, NOW - HOUR, 0.2)
        found = {done.gate.name: done for done in judge_stage(spec, stage, one, PreviousCheck(memory), now=NOW)}
        memory = {key: done.memory for key, done in found.items()}
    return found[name].gate


def test_a_pass_shows_the_bound_that_it_proves():
    assert explain(judged("agreement", (1204, 1460)), age=HOUR) == (
        "agreement: 1,204 of 1,460 users agree (82.47 %, 95 % lower bound 79.19 %); needs at least 70 %: passes."
    )


@given(good=st.integers(0, 2000), bad=st.integers(0, 200), margin=st.sampled_from([0, 0.02]))
def test_a_displayed_bound_never_contradicts_the_verdict(good, bad, margin):
    gate = judged("availability", (good, good + bad), change={"margin": margin})
    text = explain(gate, age=HOUR)
    if gate.verdict is Verdict.PASS:
        assert float(text.split("lower bound ")[1].split(" ")[0]) >= 100 * (0.9 - margin) - 1e-9
    elif gate.verdict is Verdict.FAIL:
        assert float(text.split("upper bound ")[1].split(" ")[0]) < 90
    elif good:
        assert float(text.split("lower bound ")[1].split(" ")[0]) < 100 * (0.9 - margin)


@pytest.mark.parametrize("good", [0, 30, 60, 100, 300, 900])
def test_a_bound_from_above_never_contradicts_the_verdict(good):
    gate = judged("lowConfidence", (good, 1000))
    bound = explain(gate, age=HOUR)
    if gate.verdict is Verdict.PASS:
        assert float(bound.split("upper bound ")[1].split(" ")[0]) <= 25
    elif gate.verdict is Verdict.FAIL:
        assert float(bound.split("lower bound ")[1].split(" ")[0]) > 25
    else:
        assert float(bound.split("upper bound ")[1].split(" ")[0]) > 25


def test_late_harm_shows_the_counts_since_it_began():
    good = [(42.5 * k, 50 * k) for k in range(1, 41)]
    bad = [(1700 + 27 * k, 2000 + 50 * k) for k in range(1, 8)]
    gate = judged("agreement", *good, *bad)
    assert gate.verdict is Verdict.FAIL
    assert (gate.late_harm.check, gate.late_harm.good, gate.late_harm.total) == (41, 189, 350)
    assert describe(gate) == "agreement 54 % of the last 350 (at least 70 %; 80.38 % of 2,350 in the whole stage)"
    assert explain(gate, age=HOUR) == (
        "agreement: late harm, since check 41: 189 of 350 users agree (54 %); "
        "needs at least 70 %: fails. In the whole stage 1,889 of 2,350 users agree (80.38 %)."
    )


def test_a_fail_of_the_whole_stage_has_no_late_harm():
    gate = judged("agreement", (10, 100))
    assert gate.late_harm is None
    assert describe(gate) == "agreement 10 % of 100 (at least 70 %)"


def test_without_data_the_requirement_is_shown():
    gate = judged("errors", reading=StageCounts({}))
    assert explain(gate, age=HOUR) == "errors: no data yet; required: at least 99 %."
    assert describe(gate) == "errors: no data yet (at least 99 %)"


def test_where_counts_cannot_be_read_the_reason_is_shown():
    gate = judged("errors", reading=Unreadable("Unreachable", "Prometheus does not answer"))
    assert explain(gate, age=HOUR) == (
        "errors: no data (Unreachable: Prometheus does not answer); required: at least 99 %."
    )


def test_counts_of_an_earlier_check_are_never_called_too_close_when_data_is_missing():
    gate = judged("availability", (1057, 1057)).without_verdict("Unreachable", "Prometheus does not answer")
    text = explain(gate, age=HOUR)
    assert text.endswith("needs at least 90 %: not evaluated (Unreachable: Prometheus does not answer).")
    assert describe(gate) == "availability 100 % of 1,057 (at least 90 %), not evaluated (Unreachable)"


def test_a_gate_without_a_verdict_shows_how_long_it_will_take():
    text = explain(judged("errors", (100, 100)), age=timedelta(minutes=1))
    assert text.endswith("needs at least 99 %: no verdict yet, about 215 more, 2m10s at the present rate.")


def test_an_ended_stage_has_no_verdict_yet_no_more():
    text = explain(judged("errors", (100, 100)), age=None)
    assert text.endswith("needs at least 99 %: no verdict when the stage ended.")


def test_a_rate_at_the_threshold_is_too_close_to_estimate():
    text = explain(judged("agreement", (700, 1000)), age=HOUR)
    assert text.endswith("no verdict yet, too close to the threshold to estimate when.")


def test_shares_of_users_are_not_rounded_to_whole_ones():
    assert describe(judged("agreement", (81, 109.5))) == "agreement 73.97 % of 109.5 (at least 70 %)"


def test_feedback_is_compared_in_words():
    gate = judged("feedback", reading=StageCounts({}), change={"mode": "DryRun"})
    assert describe(gate) == (
        "feedback: no data yet (rejections at most 1.5 times as likely (odds) as in the control group) (dry run)"
    )
