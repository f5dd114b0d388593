"""Invariant (i): nothing moves forward under a hold, and no hold delays a rollback."""

from dataclasses import replace

from models.parts import Broken, ProtocolRules

from serin_core.api.resource import Resource
from serin_core.api.status import HistoryEntry, Status
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

    def check_forward(self, before: Status, after: Status, resource: Resource) -> None:
        """Raise Broken if a step begins, or a run is promoted, under a hold."""
        rollout = before.rollout
        if resource.spec.suspend:
            raise Broken("(i) moved forward while suspended")
        if rollout is not None and self.paused == (rollout.run_id, rollout.attempt):
            raise Broken(f"(i) moved forward while {rollout.run_id} is paused: {after.history[-1].message}")


def check_rollback(
    resource: Resource, observed: Observed, decision: Decision, rules: ProtocolRules, *, now: object
) -> None:
    """Raise Broken if the same pass without any hold would have rolled back, and this one has not."""
    free = _without_holds(resource)
    if free == resource:
        return
    other = decide(free, observed, now, protocol=rules.protocol, table=rules.table)  # type: ignore[arg-type]
    expected = _rollback_in(free.status, other.status)
    if expected and _rollback_in(resource.status, decision.status) != expected:
        raise Broken(f"(i) a hold delayed {expected}")


def _without_holds(resource: Resource) -> Resource:
    status = resource.status
    if status is not None and status.candidate is not None:
        status = status.changed(candidate=status.candidate.changed(pause=None))
    return replace(resource, spec=resource.spec.model_copy(update={"suspend": False}), status=status)


def _rollback_in(before: Status | None, after: Status) -> str:
    """Return the event of the rollback that a pass decided, "" if none."""
    last = after.history[-1] if after.history else None
    is_new = last is not None and (before is None or before.history[-1:] != (last,))
    return last.event if last is not None and is_new and last.event in _ROLLBACKS else ""
