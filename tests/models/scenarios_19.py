"""Scenarios that need rule 19 of docs/contracts.md: what a check without new counts may decide."""

from models.parts import spec
from models.starting import A, has_percent, has_phase

CANARY = {"shadowSoak": "1s", "steps": [{"percent": 10, "soak": "5s"}, {"percent": 100, "soak": "1s"}]}


def _in_a_stage_whose_counts_stop(at):
    at.edit(spec(A, canary=CANARY))
    at.settle(until=has_percent(10))
    at.settle(until=lambda seen: bool(seen.status.gates and seen.status.gates[0].total))
    at.has_arrived = lambda: False


def stage_whose_counts_turn_bad_while_they_do_not_arrive(at):
    """19: no step begins on counts of an earlier check, which may be outdated."""
    _in_a_stage_whose_counts_stop(at)
    at.verdict = "fail"
    at.settle(rounds=30)
    at.has_arrived = lambda: True
    at.settle(rounds=3)
    at.assert_ended()


def promotion_that_is_requested_while_counts_do_not_arrive(at):
    """19: what needs no counts does not wait for them."""
    _in_a_stage_whose_counts_stop(at)
    at.request("promote-full", f"{A} 2026-01-02T03:04:05Z")
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()
