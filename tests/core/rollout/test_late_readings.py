"""Passes without new counts: they decide all that needs none, and change nothing about gates."""

from itertools import count

import pytest
from models.parts import spec
from models.starting import B, has_percent, has_phase, new_world

from serin_core.api.status import CandidateState
from serin_core.rollout.observation import NOT_READ


def never():
    return False


def in_canary(verdict="unsure", **changes):
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B, **changes))
    at.settle(until=has_percent(10))
    at.verdict = verdict
    return at


def events(at):
    return [entry.event for entry in at.status.history]


@pytest.mark.parametrize("verdict", ["pass", "fail", "harm"])
def test_a_rollout_takes_the_same_way_if_counts_arrive_between_passes(verdict):
    at_once, late, passes = in_canary(verdict), in_canary(verdict), count()
    late.has_arrived = lambda: next(passes) % 3 == 0
    for at in (at_once, late):
        at.settle(rounds=150)
        at.assert_ended()
    assert events(late) == events(at_once)
    assert [entry.evidence for entry in late.status.history] == [entry.evidence for entry in at_once.status.history]


def test_no_stage_ends_by_counts_of_an_earlier_check():
    at = in_canary(
        "pass", canary={"shadowSoak": "1s", "steps": [{"percent": 10, "soak": "5s"}, {"percent": 100, "soak": "1s"}]}
    )
    at.settle(until=lambda seen: seen.status.gates and seen.status.gates[0].total)
    known = at.status
    assert known.candidate.percent == 10
    at.has_arrived = never
    at.settle(rounds=60)
    assert (at.status.gates, at.status.memory) == (known.gates, known.memory)
    assert (at.status.checkpoint, at.status.no_data_since) == (known.checkpoint, known.no_data_since)
    assert events(at)[-1] == "StageStarted"
    at.has_arrived = lambda: True
    at.settle(until=lambda seen: events(seen)[-1] != "StageStarted")
    assert events(at)[-1] == "StepAdvanced"


@pytest.mark.parametrize("analysis", [{"onInconclusive": "Rollback", "maxDuration": "1m"}, {"noDataTimeout": "5m"}])
def test_a_stage_runs_out_of_time_only_on_new_counts(analysis):
    at = in_canary("silent", analysis={"interval": "1s", "onNoData": "Rollback", "maxDuration": "2h"} | analysis)
    at.settle(rounds=5)
    at.has_arrived = never
    at.tick(3600)
    for pod in at.pods.values():
        at.asked[pod.uid] = pod.heard = at.now
    at.whole_pass(at.operators[0])
    assert at.status.candidate.state is CandidateState.RUNNING
    at.has_arrived = lambda: True
    at.whole_pass(at.operators[0])
    assert at.status.candidate.state is CandidateState.ROLLED_BACK


def test_an_abort_is_decided_without_counts():
    at = in_canary()
    at.has_arrived = never
    at.request("abort", f"{B} 2026-01-02T03:04:05Z")
    at.whole_pass(at.operators[0])
    assert at.status.candidate.state is CandidateState.ROLLED_BACK


def test_promote_full_needs_no_counts():
    at = in_canary()
    at.has_arrived = never
    at.request("promote-full", f"{B} 2026-01-02T03:04:05Z")
    at.settle(until=has_phase("Promoted"))
    assert at.status.stable.run_id == B


def test_gates_of_a_stage_whose_counts_have_not_arrived_yet_are_shown():
    at = new_world()
    at.has_arrived = never
    at.settle(until=lambda seen: seen.status and seen.status.gates)
    assert {(gate.reason, gate.detail, gate.total) for gate in at.status.gates} == {
        (NOT_READ.reason, NOT_READ.message, None)
    }
    at.settle(rounds=20)
    assert (events(at)[-1], at.status.no_data_since) == ("StageStarted", None)
