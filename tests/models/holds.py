"""Invariant (i): nothing moves forward under a hold, and no hold delays a rollback."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from models.parts import Broken, ProtocolRules

from serin_core.api.resource import Resource
from serin_core.api.spec import Canary
from serin_core.api.status import HistoryEntry, Status
from serin_core.api.waiting import Window
from serin_core.rollout.decide import Decision, decide
from serin_core.rollout.observation import Observed
from serin_core.rollout.table import TABLE, State

_ROLLBACKS = {row.event for row in TABLE if row.target in (State.ROLLED_BACK, State.REFUSED)}


class Holds:
    """What users have put on hold, as the model saw it happen."""

    def __init__(self) -> None:
        self.paused: tuple[str, int] | None = None
        """Run and attempt that are paused."""

    def record(self, entry: HistoryEntry, status: Status) -> None:
        """Take in a request that acted."""
        action, rollout = entry.by.partition(" ")[0], status.rollout
        if action == "pause" and rollout is not None:
            self.paused = (rollout.run_id, rollout.attempt)
        if action == "resume":
            self.paused = None

    def check_forward(self, before: Status, after: Status, truth: Mapping[str, Any]) -> None:
        """Raise Broken if a step begins, or a run is promoted, under a hold. `truth` is that of the decision."""
        rollout, resource = before.rollout, truth["resource"]
        if any(freeze.starts <= truth["now"] < freeze.ends for freeze in truth["freezes"]):
            raise Broken("(i) moved forward during a freeze")
        is_by_a_user = after.history[-1].by != "operator" or (rollout is not None and rollout.promote_full)
        if not is_by_a_user and after.rollout is not None and _is_manual(resource.spec.canary, after.rollout.percent):
            raise Broken(f"(i) moved to {after.rollout.percent:g} % without an approval")
        if not is_by_a_user and not _is_open(resource.spec.canary, truth["now"]):
            raise Broken("(i) moved forward while all windows were closed")
        if resource.spec.suspend:
            raise Broken("(i) moved forward while suspended")
        if rollout is not None and self.paused == (rollout.run_id, rollout.attempt):
            raise Broken(f"(i) moved forward while {rollout.run_id} is paused: {after.history[-1].message}")


def check_rollback(
    resource: Resource, observed: Observed, decision: Decision, rules: ProtocolRules, *, now: datetime
) -> None:
    """Raise Broken if the same pass without any hold would have rolled back, and this one has not."""
    free = _without_holds(resource)
    if free == resource and not observed.freezes:
        return
    open_now = replace(observed, freezes=())
    other = decide(free, open_now, now, protocol=rules.protocol, table=rules.table)
    expected = _rollback_in(free.status, other.status)
    if expected and _rollback_in(resource.status, decision.status) != expected:
        raise Broken(f"(i) a hold delayed {expected}")


def _is_manual(canary: Canary, percent: float) -> bool:
    own = {step.percent: step.approval for step in canary.steps}.get(percent)
    return (own or canary.approval) == "Manual"


def _is_open(canary: Canary, now: datetime) -> bool:
    """Return whether a window is open, of those that the scenarios have: over midnight only on every day."""

    def is_open(window: Window) -> bool:
        local = now.astimezone(ZoneInfo(window.zone_name))
        is_today = window.days is None or f"{local:%a}" in window.days
        if window.opens > window.closes:
            return not window.closes <= f"{local:%H:%M}" < window.opens
        return is_today and window.opens <= f"{local:%H:%M}" < window.closes

    return not canary.windows or any(map(is_open, canary.windows))


def _without_holds(resource: Resource) -> Resource:
    status = resource.status
    if status is not None and status.candidate is not None:
        status = status.changed(candidate=status.candidate.changed(pause=None))
    steps = tuple(step.model_copy(update={"approval": None}) for step in resource.spec.canary.steps)
    canary = resource.spec.canary.model_copy(update={"approval": "Automatic", "windows": (), "steps": steps})
    spec = resource.spec.model_copy(update={"suspend": False, "canary": canary})
    return replace(resource, spec=spec, status=status)


def _rollback_in(before: Status | None, after: Status) -> str:
    """Return the event of the rollback that a pass decided, "" if none."""
    last = after.history[-1] if after.history else None
    is_new = last is not None and (before is None or before.history[-1:] != (last,))
    return last.event if last is not None and is_new and last.event in _ROLLBACKS else ""
