"""Custom gates with `control`: canary against control group over the same time."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from serin_core.api.gate_status import OwnCounts, OwnSeries
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting.custom_counters import counters_of
from serin_core.counting.server_counters import StageCounts
from serin_core.evidence.counts import Verdict
from serin_core.gates.active import active_gates, alpha_fail
from serin_core.gates.evaluation import Stage, judge_stage, rebound
from serin_core.gates.messages import explain
from serin_core.gates.result import PreviousCheck

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DISPUTES = {
    "name": "disputes",
    "good": 'paid{group="canary"}',
    "total": 'orders{group="canary"}',
    "control": {"good": 'paid{group="control"}', "total": 'orders{group="control"}'},
}


def spec(bake=None, **changes):
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "bake": bake or {}}
    return SuggestionModelSpec.model_validate(body | {"gates": {"custom": [DISPUTES | changes]}})


def own(good, total):
    return OwnCounts(
        good={"a": OwnSeries(at=1, last=0, gained=good)}, total={"a": OwnSeries(at=1, last=0, gained=total)}
    )


def judged(a_spec, *checks, percent=10.0, memory=None):
    """Return the gate after checks of cumulative counts: of the canary and of the control group."""
    memory = memory or {}
    keys = [counters.key for counters in counters_of(a_spec.gates.custom[0])]
    for arms in checks:
        reading = StageCounts({}, custom={key: own(*pair) for key, pair in zip(keys, arms, strict=True)})
        stage = Stage(percent, NOW - timedelta(hours=1), 0.2)
        found = {one.gate.name: one for one in judge_stage(a_spec, stage, reading, PreviousCheck(memory), now=NOW)}
        memory = {name: one.memory for name, one in found.items()}
    return found["disputes"]


def test_a_canary_that_is_surely_worse_than_the_ratio_fails_and_one_that_is_surely_not_passes():
    assert judged(spec(), ((9000, 10000), (9700, 10000))).gate.verdict is Verdict.FAIL
    assert judged(spec(), ((9700, 10000), (9700, 10000))).gate.verdict is Verdict.PASS
    assert judged(spec(), ((9, 10), (10, 10))).gate.verdict is Verdict.INCONCLUSIVE


def test_a_canary_that_is_worse_by_less_than_the_ratio_does_not_fail():
    """Odds 1.2 times as high: feedback would fail, this passes."""
    found = judged(spec(), ((95_200, 100_000), (96_000, 100_000)))
    assert found.gate.verdict is Verdict.PASS
    assert judged(spec(oddsRatio=1.05), ((952_000, 1_000_000), (960_000, 1_000_000))).gate.verdict is Verdict.FAIL


def test_both_rates_may_drift_together():
    days = [((9000, 10000), (9000, 10000)), ((14000, 20000), (14000, 20000))]
    assert judged(spec(), *days).gate.verdict is Verdict.PASS


def test_a_verdict_does_not_depend_on_how_often_was_checked():
    whole = judged(spec(), ((880, 1000), (9700, 10000)))
    parts = [((88 * n, 100 * n), (970 * n, 1000 * n)) for n in range(1, 11)]
    assert whole.gate.verdict is judged(spec(), *parts).gate.verdict is Verdict.FAIL


def test_the_gate_is_explained_with_both_groups():
    text = explain(judged(spec(), ((9000, 10000), (9700, 10000))).gate, age=None)
    assert text == (
        "disputes: 9,000 of 10,000 requests are good (90 %); needs bad events at most 1.5 times as likely (odds) as in "
        "the control group: fails. Control group: 9,700 of 10,000 are good; the odds of a bad event are 3.59 times "
        "theirs."
    )


def test_a_control_group_that_cannot_be_counted_holds():
    a_spec = spec()
    own_key, _ = (counters.key for counters in counters_of(a_spec.gates.custom[0]))
    stage = Stage(10.0, NOW - timedelta(hours=1), 0.2)
    reading = StageCounts({}, custom={own_key: own(10, 100)})
    found = {one.gate.name: one.gate for one in judge_stage(a_spec, stage, reading, PreviousCheck({}), now=NOW)}
    assert (found["disputes"].verdict, found["disputes"].reason) == (Verdict.INCONCLUSIVE, "NoData")


@pytest.mark.parametrize(
    ("percent", "bake", "is_there"),
    [(0, {}, False), (10, {}, True), (100, {}, False), (100, {"duration": "1h", "holdback": 5}, True)],
)
def test_it_is_evaluated_where_there_is_a_control_group(percent, bake, is_there):
    names = [gate.name for gate in active_gates(spec(bake), percent=percent)]
    assert ("disputes" in names, "feedback" in names) == (is_there, is_there)


def test_it_has_its_part_of_the_error_of_rolling_back():
    assert alpha_fail(spec()) == pytest.approx(0.05 / (8 * 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"atLeast": 0.9}, "needs exactly one of atLeast, atMost, within and control"),
        ({"margin": 0.1}, "margin, designEffect and initialDelay have no effect with control"),
        ({"designEffect": 2}, "margin, designEffect and initialDelay have no effect with control"),
        ({"initialDelay": "1m"}, "margin, designEffect and initialDelay have no effect with control"),
        ({"good": None, "total": None, "histogram": {"metric": "x", "le": 1}}, "control needs good and total"),
        ({"stages": [0, 10]}, "in the shadow there is no control group"),
        ({"stages": [10, 100]}, "at 100 percent there is no control group to compare with"),
        ({"control": None, "atLeast": 0.9, "oddsRatio": 2}, "oddsRatio goes with control only"),
    ],
)
def test_combinations_without_a_meaning_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        spec(**changes)
    assert spec({"duration": "1h", "holdback": 5}, stages=[10, 100])


def test_another_ratio_keeps_no_evidence_for_the_former_one():
    strict, lax = spec(oddsRatio=1.1), spec(oddsRatio=6)
    before = judged(strict, ((9000, 10000), (9600, 10000)))
    assert before.gate.verdict is Verdict.FAIL
    (gate,) = (one for one in active_gates(lax, percent=10) if one.name == "disputes")
    memory = rebound(gate, before.memory)
    after = judged(lax, ((9000, 10000), (9600, 10000)), memory={"disputes": memory})
    assert after.gate.verdict is Verdict.INCONCLUSIVE
    assert judged(lax, ((18000, 20000), (19200, 20000)), memory={"disputes": memory}).gate.verdict is Verdict.PASS


def test_a_gate_that_becomes_a_comparison_begins_again():
    plain = spec(control=None, atLeast=0.5)
    before = judged(plain, ((9000, 10000),))
    (gate,) = (one for one in active_gates(spec(), percent=10) if one.name == "disputes")
    memory = rebound(gate, before.memory)
    assert (memory.good, memory.total, memory.edits) == (0, 0, 1)
    assert judged(spec(), ((100, 100), (9700, 10000)), memory={"disputes": memory}).gate.total == 100
    keys = {one.key for one in counters_of(spec().gates.custom[0])}
    assert not keys & {one.key for one in counters_of(plain.gates.custom[0])}
