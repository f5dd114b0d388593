"""Scenarios that need rule 14 of docs/contracts.md: approval, windows and freezes."""

from datetime import timedelta

from models.parts import spec
from models.starting import A, has_percent, has_phase

from serin_core.rollout.holds import Freeze

STEPS = [{"percent": percent, "soak": "1s"} for percent in (10, 50, 100)]
MORNING = {"from": "09:00", "to": "10:00"}


def canary(**changes):
    return {"shadowSoak": "1s", "steps": STEPS} | changes


def step_that_nobody_has_approved(at):
    """14: a step that needs an approval waits for it."""
    at.edit(spec(A, canary=canary(approval="Manual")))
    at.settle(rounds=30)
    for percent in (0, 10, 50):
        at.request("promote", f"{A} {percent} looks fine")
        at.settle(rounds=10)
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def step_at_night(at):
    """14: a step waits for its window."""
    at.edit(spec(A, canary=canary(windows=[MORNING])))
    at.settle(rounds=30)
    at.tick(9 * 3600)
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def step_during_a_freeze(at):
    """14: no step begins during a freeze, not even one that a user requests."""
    at.freezes = (Freeze(at.now, at.now + timedelta(hours=1), "year end"),)
    at.settle(until=has_percent(0))
    at.request("promote", f"{A} 0 now")
    at.settle(rounds=30)
    at.tick(3600)
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def gate_that_fails_while_a_step_waits(at):
    """14: no hold delays a rollback."""
    at.freezes = (Freeze(at.now, at.now + timedelta(hours=1), "year end"),)
    at.edit(spec(A, canary=canary(approval="Manual", windows=[MORNING])))
    at.settle(rounds=30)
    at.verdict = "harm"
    at.settle(rounds=3)
    at.assert_ended()
