from datetime import UTC, datetime, timedelta
from math import log

import pytest

from serin_core.api.custom_gates import CustomGate
from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import GateRole, OwnCounts, OwnSeries, ProcessCounts
from serin_core.api.spec import SuggestionModelSpec
from serin_core.contract.pod_report import ClassCoverage, Coverage, RunQuality
from serin_core.counting.custom_counters import custom_key
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import StageCounts
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import Side, log_evidence
from serin_core.gates import messages
from serin_core.gates.active import active_gates, alpha_fail
from serin_core.gates.evaluation import Stage, edited, expected_low_confidence, judge_stage
from serin_core.gates.messages import describe
from serin_core.gates.result import PreviousCheck

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = {"name": "orders", "good": 'orders_total{code="200"}', "total": "orders_total", "atLeast": 0.9}


def spec(*custom, **gates):
    wanted = gates | ({"custom": list(custom)} if custom else {})
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "gates": wanted}
    return SuggestionModelSpec.model_validate(body)


def reading(**counts):
    return StageCounts(
        {key.replace("__", "/"): {"p": ProcessCounts(good=g, total=n)} for key, (g, n) in counts.items()}
    )


def judge(a_spec, read, *, percent=0.0, memory=None, gates=None, age=timedelta(hours=1), promised=0.2):
    stage = Stage(percent, NOW - age, promised)
    last = PreviousCheck(memory=memory or {}, gates=gates or {})
    return {one.gate.name: one for one in judge_stage(a_spec, stage, read, last, now=NOW)}


def verdicts(found):
    return {name: (one.gate.verdict, one.gate.reason) for name, one in found.items()}


def checks(a_spec, *counts, name="agreement", percent=0.0):
    """Look again and again at cumulative counts, and answer the last look."""
    memory = {}
    for good, total in counts:
        found = judge(a_spec, reading(**{name: (good, total)}), percent=percent, memory=memory)
        memory = {key: one.memory for key, one in found.items()}
    return found[name].gate


# ----------------------------------------------------------------------------------------- which gates, and where


def test_in_shadow_only_what_nobody_sees_is_judged():
    shadow = [gate.name for gate in active_gates(spec(), percent=0)]
    assert shadow == ["availability", "errors", "latency", "agreement"]


def test_in_the_canary_what_users_see_is_judged_as_well():
    canary = [gate.name for gate in active_gates(spec(), percent=10)]
    assert canary[4:] == ["acceptedRatio", "lowConfidence", "feedback"]


def test_where_everybody_is_in_the_canary_there_is_no_other_arm():
    assert "feedback" not in [gate.name for gate in active_gates(spec(), percent=100)]


def test_a_disabled_gate_is_out_and_a_changed_one_asks_for_what_it_says():
    changed = spec(latency={"mode": "Off"}, agreement={"atLeast": 0.8})
    found = {gate.name: messages.limit(one.gate) for one in judge(changed, reading()).values() for gate in [one.gate]}
    assert found == {"availability": "at least 90 %", "errors": "at least 99 %", "agreement": "at least 80 %"}


def test_a_gate_judges_only_in_the_stages_that_it_names():
    changed = spec(latency={"stages": [50]})
    assert "latency" not in [gate.name for gate in active_gates(changed, percent=10)]
    assert "latency" in [gate.name for gate in active_gates(changed, percent=50)]


def test_the_gate_by_class_is_there_for_those_who_name_it():
    assert "perClass" not in [gate.name for gate in active_gates(spec(), percent=10)]
    assert "perClass" in [gate.name for gate in active_gates(spec(perClass={}), percent=10)]


def test_fallback_is_a_budget_in_the_canary_for_those_who_list_it():
    assert "fallback" not in [gate.name for gate in active_gates(spec(), percent=10)]
    assert "fallback" not in [gate.name for gate in active_gates(spec(fallback={}), percent=0)]
    found = {
        bad: judge(spec(fallback={"atMost": 0.02}), reading(fallback=(bad, 1000)), percent=100)["fallback"].gate
        for bad in (0, 20, 60)
    }
    assert [gate.verdict for gate in found.values()] == [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    assert messages.explain(found[60], age=None).startswith("fallback: 60 of 1,000 requests fell back (6 %")


def test_the_error_of_rolling_back_is_spent_over_gates_that_can_fail_and_stages():
    assert alpha_fail(spec()) == pytest.approx(0.05 / (7 * 4))
    assert alpha_fail(spec(latency={"mode": "Off"})) == pytest.approx(0.05 / (6 * 4))
    assert alpha_fail(spec(latency={"mode": "DryRun"})) == pytest.approx(0.05 / (6 * 4))


# ----------------------------------------------------------------------------------------------- what is judged


def test_each_gate_has_a_verdict_of_its_own():
    read = reading(availability=(100, 100), agreement=(10, 100), errors=(3, 3))
    assert verdicts(judge(spec(), read)) == {
        "availability": (Verdict.PASS, "Proven"),
        "errors": (Verdict.INCONCLUSIVE, "NotEnoughEvidence"),
        "latency": (Verdict.INCONCLUSIVE, "NoData"),
        "agreement": (Verdict.FAIL, "Proven"),
    }


def test_nothing_read_is_never_a_verdict():
    found = judge(spec(), Unreadable("Unreachable", "down"), percent=10)
    assert set(verdicts(found).values()) == {(Verdict.INCONCLUSIVE, "Unreachable")}


def test_the_evidence_is_written_with_estimate_bounds_and_what_is_still_needed():
    gate = judge(spec(), reading(agreement=(70, 80)))["agreement"].gate
    assert (gate.good, gate.total, gate.estimate) == (70, 80, 0.875)
    assert gate.lower < 0.875 < gate.upper
    assert gate.needed == 0
    assert describe(gate) == "agreement 87.5 % of 80 (at least 70 %)"


def test_a_bound_from_above_and_one_on_both_sides():
    most = spec(lowConfidence={"atMost": 0.3})
    assert judge(most, reading(lowConfidence=(0, 100)), percent=10)["lowConfidence"].gate.verdict is Verdict.PASS
    assert judge(most, reading(lowConfidence=(90, 100)), percent=10)["lowConfidence"].gate.verdict is Verdict.FAIL
    both = spec(
        {name: value for name, value in OWN.items() if name != "atLeast"} | {"within": {"low": 0.4, "high": 0.6}}
    )
    assert judge(both, own(500, 1000))["orders"].gate.verdict is Verdict.PASS
    assert judge(both, own(900, 1000))["orders"].gate.verdict is Verdict.FAIL


def test_a_margin_passes_what_is_not_much_worse_than_the_bound():
    counts = (705, 1000)
    assert judge(spec(), reading(agreement=counts))["agreement"].gate.verdict is Verdict.INCONCLUSIVE
    tolerant = spec(agreement={"margin": 0.05})
    assert judge(tolerant, reading(agreement=counts))["agreement"].gate.verdict is Verdict.PASS


def test_a_design_effect_makes_a_hundred_requests_as_good_as_twenty():
    plain, careful = spec(), spec(availability={"designEffect": 5})
    assert judge(plain, reading(availability=(45, 45)))["availability"].gate.verdict is Verdict.PASS
    gate = judge(careful, reading(availability=(45, 45)))["availability"].gate
    assert (gate.verdict, gate.total) == (Verdict.INCONCLUSIVE, 9)


def test_a_dry_run_is_judged_and_shown_as_one():
    gate = judge(spec(agreement={"mode": "DryRun"}), reading(agreement=(0, 100)))["agreement"].gate
    assert (gate.verdict, gate.role) == (Verdict.FAIL, GateRole.DRY_RUN)
    assert describe(gate).endswith("(dry run)")


# --------------------------------------------------------------------------------------------------- late harm


def test_harm_that_begins_late_is_found_within_a_few_checks():
    good = [(42.5 * k, 50 * k) for k in range(1, 41)]
    bad = [(1700 + 27 * k, 2000 + 50 * k) for k in range(1, 13)]
    assert checks(spec(), *good, *bad).verdict is Verdict.FAIL
    whole = judge(spec(), reading(agreement=bad[-1]))["agreement"].gate
    assert whole.verdict is not Verdict.FAIL, "all counts together do not show it yet"


def test_the_first_check_spends_no_more_than_its_share_of_the_error():
    limit = log(1 / alpha_fail(spec()))
    nearly = next(n for n in range(1, 100) if log_evidence(Counts(0, n), 0.7, Side.BELOW) >= limit)
    assert checks(spec(), (0, nearly)).verdict is Verdict.INCONCLUSIVE
    surely = next(n for n in range(1, 100) if log_evidence(Counts(0, n), 0.7, Side.BELOW) >= limit + log(2))
    assert checks(spec(), (0, surely)).verdict is Verdict.FAIL


def test_a_lagging_replica_takes_nothing_away_and_is_no_new_check():
    found = judge(spec(), reading(agreement=(80, 100)))
    memory = {name: one.memory for name, one in found.items()}
    again = judge(spec(), reading(agreement=(70, 90)), memory=memory)["agreement"]
    assert (again.gate.good, again.gate.total) == (80, 100)
    assert again.memory == memory["agreement"]


def test_where_nothing_new_was_counted_the_verdict_is_not_worked_out_anew():
    first = judge(spec(), reading(agreement=(80, 100)))
    memory, shown = ({name: getattr(one, part) for name, one in first.items()} for part in ("memory", "gate"))
    again = judge(spec(), reading(agreement=(80, 100)), memory=memory, gates=shown)
    assert again["agreement"].gate is shown["agreement"]
    blinded = {"agreement": shown["agreement"].model_copy(update={"reason": "Unreachable", "verdict": "Inconclusive"})}
    again = judge(spec(), reading(agreement=(80, 100)), memory=memory, gates=blinded)
    assert again["agreement"].gate == shown["agreement"]
    surer = spec()
    surer = surer.model_copy(update={"analysis": surer.analysis.model_copy(update={"alpha_promote": 1e-9})})
    again = judge(surer, reading(agreement=(80, 100)), memory=memory, gates=shown)
    assert again["agreement"].gate.verdict is Verdict.INCONCLUSIVE


def test_what_is_remembered_stays_bounded():
    memory = {}
    for k in range(1, 400):
        found = judge(spec(), reading(agreement=(8 * k, 10 * k)), memory=memory)
        memory = {name: one.memory for name, one in found.items()}
    assert len(memory["agreement"].starts) <= 48


# ------------------------------------------------------------------------------------------- where counts begin


def test_before_its_initial_delay_is_over_a_gate_says_nothing():
    a_spec = spec(agreement={"initialDelay": "10m"})
    early = judge(a_spec, reading(agreement=(0, 100)), age=timedelta(minutes=9))["agreement"]
    assert (early.gate.verdict, early.gate.reason) == (Verdict.INCONCLUSIVE, "InitialDelay")


def test_what_was_counted_before_the_delay_was_over_does_not_count():
    a_spec = spec(agreement={"initialDelay": "10m"})
    gate = checks(a_spec, (0, 100), (50, 150))
    assert (gate.good, gate.total, gate.verdict) == (50, 50, Verdict.PASS)


# ------------------------------------------------------------------------------------------- edits in mid-stage


def test_an_edited_bound_is_told_apart_and_judged_at_half_the_error():
    memory = {name: one.memory for name, one in judge(spec(), reading(agreement=(22, 22))).items()}
    stricter = spec(agreement={"atLeast": 0.71})
    assert [gate.name for gate in edited(stricter, percent=0, memory=memory)] == ["agreement"]
    assert edited(spec(), percent=0, memory=memory) == ()
    assert judge(stricter, reading(agreement=(17, 17)))["agreement"].gate.verdict is Verdict.PASS
    assert judge(stricter, reading(agreement=(17, 17)), memory=memory)["agreement"].gate.total == 22
    fresh = {"agreement": memory["agreement"].model_copy(update={"good": 0, "total": 0, "checks": 0, "starts": ()})}
    assert judge(stricter, reading(agreement=(17, 17)), memory=fresh)["agreement"].gate.verdict is Verdict.INCONCLUSIVE


# ------------------------------------------------------------------------------------------------ low confidence

DINING = ClassCoverage(
    share=0.6, by_threshold={"0.60": Coverage(coverage=0.9, precision=1), "0.80": Coverage(coverage=0.5, precision=1)}
)
FUEL = ClassCoverage(share=0.4, by_threshold={"0.60": Coverage(coverage=1.0, precision=1)})
QUALITY = RunQuality(f1_macro=0.9, f1_min=0.8, coverage={"Dining": DINING, "Fuel": FUEL})


def test_what_a_report_promises_is_what_its_thresholds_leave_of_each_class():
    assert expected_low_confidence(QUALITY, {}, 0.6) == pytest.approx(1 - 0.6 * 0.9 - 0.4)
    assert expected_low_confidence(QUALITY, {"Dining": 0.7}, 0.6) == pytest.approx(1 - 0.6 * 0.5 - 0.4)
    assert expected_low_confidence(QUALITY, {}, 0.9) == 1.0
    assert expected_low_confidence(None, {}, 0.6) is None


def test_a_run_is_held_to_what_its_report_promises():
    kept = judge(spec(), reading(lowConfidence=(100, 1000)), percent=10)["lowConfidence"].gate
    assert (kept.verdict, kept.at_most) == (Verdict.PASS, 0.25)
    broken = judge(spec(), reading(lowConfidence=(600, 1000)), percent=10)["lowConfidence"].gate
    assert broken.verdict is Verdict.FAIL


def test_without_a_report_the_promise_is_not_known_and_nothing_is_judged():
    gate = judge(spec(), reading(lowConfidence=(900, 1000)), percent=10, promised=None)["lowConfidence"].gate
    assert (gate.verdict, gate.reason) == (Verdict.INCONCLUSIVE, "NoReport")


# ------------------------------------------------------------------------------------------------------ classes


def test_one_class_that_fails_fails_the_gate_and_is_named():
    read = reading(perClass__Dining=(950, 1000), perClass__Fuel=(5, 60), perClass__Travel=(0, 0))
    gate = judge(spec(perClass={}), read)["perClass"].gate
    assert gate.verdict is Verdict.FAIL
    assert gate.detail == "failing: Fuel 8.33 % of 60; no traffic: Travel"


def test_every_class_with_traffic_must_pass():
    read = reading(perClass__Dining=(950, 1000), perClass__Fuel=(3, 4))
    gate = judge(spec(perClass={}), read)["perClass"].gate
    assert gate.verdict is Verdict.INCONCLUSIVE
    assert gate.detail == "undecided: Fuel 75 % of 4"
    enough = reading(perClass__Dining=(950, 1000), perClass__Fuel=(60, 62), perClass__Travel=(0, 0))
    assert judge(spec(perClass={}), enough)["perClass"].gate.verdict is Verdict.PASS


def test_a_class_whose_series_cannot_be_read_is_told_as_such():
    missing = Unreadable("SeriesMissing", "Prometheus has no serin_class_compare_total")
    gate = judge(spec(perClass={}), StageCounts({"perClass": missing}))["perClass"].gate
    assert (gate.verdict, gate.reason) == (Verdict.INCONCLUSIVE, "SeriesMissing")


def test_the_error_of_a_fail_is_shared_out_over_the_classes():
    one = reading(perClass__Fuel=(1, 18))
    many = reading(perClass__Fuel=(1, 18), **{f"perClass__c{k}": (0, 0) for k in range(200)})
    assert judge(spec(perClass={}), one)["perClass"].gate.verdict is Verdict.FAIL
    assert judge(spec(perClass={}), many)["perClass"].gate.verdict is Verdict.INCONCLUSIVE


# ------------------------------------------------------------------------------------------------------ feedback


def said(canary, control):
    return reading(feedback__canary=canary, feedback__control=control)


def test_feedback_that_is_worse_in_the_canary_fails():
    gate = judge(spec(), said((30, 100), (900, 1000)), percent=10)["feedback"].gate
    assert (gate.verdict, gate.role) == (Verdict.FAIL, GateRole.FAIL_ONLY)
    assert "the odds of a rejection are 21.00 times theirs" in gate.detail


def test_feedback_that_is_as_good_does_not_fail_and_passes_where_it_is_required():
    gate = judge(spec(feedback={"required": True}), said((9000, 10000), (9000, 10000)), percent=10)["feedback"].gate
    assert (gate.verdict, gate.role) == (Verdict.PASS, GateRole.ACTING)


def test_nobody_has_to_say_anything():
    gate = judge(spec(), reading(), percent=10)["feedback"].gate
    assert (gate.verdict, gate.reason) == (Verdict.INCONCLUSIVE, "NoData")


def test_a_check_takes_only_what_was_said_since_the_last_one():
    first = judge(spec(), said((90, 100), (450, 500)), percent=10)
    memory = {name: one.memory for name, one in first.items()}
    again = judge(spec(), said((90, 100), (450, 500)), percent=10, memory=memory)["feedback"]
    assert again.memory == memory["feedback"]


# ---------------------------------------------------------------------------------------------------- own gates


def own(good, total):
    series = {"a": OwnSeries(at=1, last=0, gained=total)}
    goods = {"a": OwnSeries(at=1, last=0, gained=good)}
    return StageCounts({}, custom={custom_key(CustomGate.model_validate(OWN)): OwnCounts(good=goods, total=series)})


def test_an_own_gate_is_judged_on_its_own_counters():
    assert judge(spec(OWN), own(100, 100))["orders"].gate.verdict is Verdict.PASS
    assert judge(spec(OWN), own(10, 100))["orders"].gate.verdict is Verdict.FAIL


def test_an_own_gate_that_counts_more_good_than_all_is_an_error():
    gate = judge(spec(OWN), own(101, 100))["orders"].gate
    assert (gate.verdict, gate.reason) == (Verdict.INCONCLUSIVE, "QueryError")


def test_selectors_that_match_nothing_are_told():
    key = custom_key(CustomGate.model_validate(OWN))
    gate = judge(spec(OWN), StageCounts({}, custom={key: OwnCounts()}))["orders"].gate
    assert (gate.verdict, gate.reason) == (Verdict.INCONCLUSIVE, "NothingMatches")


def test_every_name_of_a_built_in_gate_can_be_judged():
    for percent in (0.0, 10.0, 100.0):
        named = spec(perClass={})
        assert {gate.name for gate in active_gates(named, percent=percent)} <= {name.value for name in GateName}
        assert judge(named, reading(), percent=percent)
