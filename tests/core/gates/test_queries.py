"""Query gates: for how long a bound was met or violated, and what breaks that time."""

from datetime import UTC, datetime, timedelta

import pytest
from models.parts import spec

from serin_core.api.gate_status import GateRole
from serin_core.api.status import Status
from serin_core.api.status_view import condensed
from serin_core.counting.number import NO_DATA, SEVERAL
from serin_core.evidence.counts import Verdict
from serin_core.gates import messages
from serin_core.gates.queries import judge_queries

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POOL = {"name": "saturation", "query": "max(used / size)", "atMost": 0.9, "for": "10m"}


def judge(results, *, percent=10, every=30, changes=(), **query):
    """Check the query once for each result; None is a check without data. `changes` apply from a check on."""
    gates, found = (), []
    for number, result in enumerate(results):
        for since, change in changes:
            query |= change if number >= since else {}
        a_spec = spec("run_aaaaaaaa_1", gates={"queries": [POOL | query]}, analysis={"interval": "30s"})
        now = NOW + timedelta(seconds=every * number)
        read = {"saturation": NO_DATA if result is None else result}
        gates = judge_queries(a_spec, percent=percent, results=read, before=gates, now=now)
        # As the operator keeps it from check to check, also over a restart.
        gates = Status.model_validate(condensed(Status(gates=gates))).gates
        found.append(gates[0].verdict if gates else None)
    return gates[0] if gates else None, found


def test_a_bound_that_is_met_at_every_check_passes_after_its_time_and_not_before():
    _, verdicts = judge([0.5] * 21)
    assert set(verdicts[:20]) == {Verdict.INCONCLUSIVE}
    assert verdicts[20] is Verdict.PASS


def test_a_bound_that_is_violated_at_every_check_fails_after_its_time_and_not_before():
    gate, verdicts = judge([0.95] * 21)
    assert set(verdicts[:20]) == {Verdict.INCONCLUSIVE}
    assert verdicts[20] is Verdict.FAIL
    assert messages.describe(gate) == ("saturation 0.95 (at most 0.9 for 10m; violated since 2026-01-01 12:00:00 UTC)")


def test_the_bound_itself_is_met():
    assert judge([0.9] * 21)[1][-1] is Verdict.PASS
    assert judge([3, 3], **{"atMost": None, "atLeast": 3, "for": "0s"})[1] == [Verdict.PASS] * 2


@pytest.mark.parametrize("between", [0.5, None])
def test_one_check_that_is_not_violated_begins_the_time_again(between):
    _, verdicts = judge([0.95] * 20 + [between] + [0.95] * 20)
    assert Verdict.FAIL not in verdicts
    assert judge([0.95] * 20 + [between] + [0.95] * 21)[1][-1] is Verdict.FAIL


def test_no_data_neither_passes_nor_fails_and_takes_a_verdict_away():
    gate, verdicts = judge([0.5] * 21 + [None])
    assert verdicts[-2:] == [Verdict.PASS, Verdict.INCONCLUSIVE]
    assert (gate.reason, gate.has_data) == ("NoData", False)
    assert judge([None] * 100)[1][-1] is Verdict.INCONCLUSIVE


def test_a_pause_longer_than_stale_counts_begins_the_time_again():
    assert judge([0.95] * 6, every=120)[1][-1] is Verdict.FAIL
    assert judge([0.95] * 6, every=121)[1][-1] is Verdict.INCONCLUSIVE


def test_a_clock_that_jumps_back_begins_the_time_again():
    a_spec = spec("run_aaaaaaaa_1", gates={"queries": [POOL]})
    read = {"saturation": 0.95}
    later = judge_queries(a_spec, percent=0, results=read, before=(), now=NOW + timedelta(hours=1))
    back = judge_queries(a_spec, percent=0, results=read, before=later, now=NOW)
    assert back[0].query.violated_since == NOW


@pytest.mark.parametrize("change", [{"query": "max(other)"}, {"atMost": 0.5}])
def test_another_query_or_bound_begins_the_time_again(change):
    assert judge([0.95] * 21, changes=[(10, change)])[1][-1] is Verdict.INCONCLUSIVE


def test_a_shorter_time_applies_at_once():
    assert judge([0.95] * 11, changes=[(10, {"for": "5m"})])[1][-1] is Verdict.FAIL


def test_mode_and_stages():
    gate, _ = judge([0.95] * 21, mode="DryRun")
    assert (gate.role, gate.verdict) == (GateRole.DRY_RUN, Verdict.FAIL)
    assert judge([0.95], mode="Off")[0] is None
    assert judge([0.95], stages=[50, 100])[0] is None
    assert judge([0.95], stages=[10])[0] is not None


def test_a_query_that_was_not_sent_holds():
    a_spec = spec("run_aaaaaaaa_1", gates={"queries": [POOL]})
    gate = judge_queries(a_spec, percent=0, results={}, before=(), now=NOW)[0]
    assert (gate.verdict, gate.reason) == (Verdict.INCONCLUSIVE, "NotAsked")


def test_what_explain_says():
    def explained(results, **query):
        return messages.explain(judge(results, **query)[0], age=timedelta(hours=1))

    kind = "Checked like an alert rule, not statistically tested."
    assert explained([0.95]) == (
        "saturation: 0.95, violated since 2026-01-01 12:00:00 UTC; needs at most 0.9 for 10m: "
        f"fails at 12:10:00 UTC if that stays so. {kind}"
    )
    assert explained([0.5]).endswith(f"passes at 12:10:00 UTC if that stays so. {kind}")
    assert explained([0.5] * 21).endswith(f": passes. {kind}")
    assert explained([0.95] * 21, mode="DryRun").startswith("saturation (dry run): 0.95")
    assert explained([None]).startswith("saturation: no result (the query returned no data: nothing matches it now)")
    assert explained([SEVERAL]) == (
        "saturation: no result (the query returned several series; wrap it in max() or sum()); "
        f"needs at most 0.9 for 10m. {kind}"
    )


def test_the_short_view_names_it_as_checked():
    gate, _ = judge([0.95] * 21)
    assert condensed(Status(gates=(gate,)))["gates"] == ["saturation: Fail, 0.95 (checked, not statistically tested)"]
