import pytest

from serin_core.counting import Tallies, Unreadable
from serin_core.evidence import Verdict
from serin_core.gates import active_gates, alpha_fail, describe, judge
from serin_core.resource import GateName, SuggestionModelSpec
from serin_core.status import ProcessCounts


def spec(*changes):
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "gates": {"metrics": changes}}
    return SuggestionModelSpec.model_validate(body)


def reading(**counts):
    return Tallies({GateName(name): {"p": ProcessCounts(good=good, total=n)} for name, (good, n) in counts.items()})


def test_the_accepted_ratio_is_judged_only_where_somebody_is_in_the_canary():
    assert GateName.ACCEPTED_RATIO not in [gate.name for gate in active_gates(spec(), percent=0)]
    assert GateName.ACCEPTED_RATIO in [gate.name for gate in active_gates(spec(), percent=10)]


def test_a_disabled_gate_is_out_and_a_changed_one_asks_for_what_it_says():
    changed = spec({"name": "latency", "disabled": True}, {"name": "agreement", "atLeast": 0.8})
    found = {gate.name: gate.at_least for gate in active_gates(changed, percent=0)}
    assert found == {GateName.AVAILABILITY: 0.9, GateName.ERRORS: 0.99, GateName.AGREEMENT: 0.8}


def test_the_error_of_rolling_back_is_spent_over_gates_and_stages():
    assert alpha_fail(spec()) == pytest.approx(0.05 / (5 * 4))
    assert alpha_fail(spec({"name": "latency", "disabled": True})) == pytest.approx(0.05 / (4 * 4))


def test_each_gate_has_a_verdict_of_its_own():
    found = judge(spec(), percent=0, reading=reading(availability=(100, 100), agreement=(10, 100), errors=(3, 3)))
    verdicts = {gate.name: (gate.verdict, gate.reason) for gate in found}
    assert verdicts == {
        "availability": (Verdict.PASS, "Proven"),
        "errors": (Verdict.INCONCLUSIVE, "NotEnoughEvidence"),
        "latency": (Verdict.INCONCLUSIVE, "NoData"),
        "agreement": (Verdict.FAIL, "Proven"),
    }


def test_the_evidence_is_written_with_estimate_bounds_and_what_is_still_needed():
    gate = next(gate for gate in judge(spec(), percent=0, reading=reading(agreement=(70, 80))) if gate.total)
    assert (gate.good, gate.total, gate.estimate) == (70, 80, 0.875)
    assert gate.lower < 0.875 < gate.upper
    assert gate.needed == 0
    assert describe(gate) == "agreement 87.5 % of 80 (at least 70 %)"


def test_nothing_read_is_never_a_verdict():
    found = judge(spec(), percent=10, reading=Unreadable("Unreachable", "down"))
    assert {(gate.verdict, gate.reason) for gate in found} == {(Verdict.INCONCLUSIVE, "Unreachable")}
