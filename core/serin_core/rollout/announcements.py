"""Events of one pass: the transition that was taken, and conditions that need attention."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.api.status import Phase, Status
from serin_core.rollout import check_messages, hold_reasons
from serin_core.rollout.class_names import UNKNOWN_CLASSES
from serin_core.rollout.conditions import BEHIND, OVERRIDDEN, REDUCED, UNREACHABLE
from serin_core.rollout.destinations import FAILING
from serin_core.rollout.drift import DRIFTED
from serin_core.rollout.protocol import Context
from serin_core.rollout.table import TABLE, Row, State
from serin_core.rollout.transition import Transition, place, timer

PROBLEMS: Final = frozenset(
    {
        "MetricsUnavailable",
        "NoGate",
        "CheckEndpointUnknown",
        "RegistryUnavailable",
        "RunNotFound",
        "ProgressDeadlineExceeded",
        "PodsUnavailable",
        "RulesUnavailable",
        "ImageRefused",
        "AnnotationRefused",
        "ChildConflict",
        "ChildRefused",
    }
)
"""Reasons of the condition Ready that are announced when they begin and when they end."""
NAMING: Final = (REDUCED, UNREACHABLE, BEHIND, OVERRIDDEN, UNKNOWN_CLASSES, FAILING, DRIFTED)
"""Types of conditions that are announced whenever they name something else."""
HOLDS: Final = frozenset({"AwaitingApproval", "OutsideWindow", "Frozen"})
"""Holds of the next step, which are announced when they begin; what ends them is an Event of its own."""
HOLD_ENDED: Final = "HoldEnded"
KINDS: Final = frozenset(row.event for row in TABLE) | (
    PROBLEMS | HOLDS | {"Suspended", "Resumed", "CheckRequested", "CheckPending", HOLD_ENDED, *NAMING} - {FAILING}
)
"""Reasons of Events that destinations of notifications can choose from."""


_OF_TARGETS: Final = {
    State.ROLLED_BACK: "RollBack",
    State.REFUSED: "Refuse",
    State.STOPPED: "RollBack",
    State.DRAINING: "StartRollout",
    State.LOADING: "StartRollout",
}
_ACTIONS: Final = {row.event: _OF_TARGETS[row.target] for row in TABLE if row.target in _OF_TARGETS} | dict.fromkeys(
    ("StageStarted", "StepAdvanced", "AtCap", "BakeStarted", "Promoted", "RunRestored", "EmergencyStopEnded"), "Advance"
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Event to post on the resource."""

    reason: str
    message: str
    is_warning: bool = False

    @property
    def action(self) -> str:
        """The action that the Event reports: RollBack, Refuse, StartRollout, Advance, or else Reconcile."""
        return _ACTIONS.get(self.reason, "Reconcile")


def announcements(
    context: Context, *, before: Status, taken: tuple[Row, Transition] | None
) -> tuple[Announcement, ...]:
    """Return the Events of a pass in the order in which things happened."""
    found: list[Announcement] = []
    if taken is not None:
        row, transition = taken
        message = _named(context.status.history[-1].message, transition.run_id)
        found.append(Announcement(row.event, message, transition.is_warning))
    found += _suspension(context.status, before)
    found += _checks(context.status, before)
    found += _named_objects(context.status, before)
    found += _hold(context, before)
    return (*found, *_ended_hold(context, before, taken), *_problems(context.status, before))


def _named(message: str, run_id: str) -> str:
    """Return a message that names its run."""
    return message if not run_id or run_id in message else f"{run_id}: {message}"


def _suspension(status: Status, before: Status) -> list[Announcement]:
    rollout, was_suspended = status.rollout, before.phase is Phase.SUSPENDED
    if rollout is None or was_suspended is (status.phase is Phase.SUSPENDED):
        return []
    where = f"Rollout of {rollout.run_id} {{}} {place(rollout)}"
    if was_suspended:
        ended = "is not suspended any more, but still paused," if rollout.pause is not None else "resumed"
        return [Announcement("Resumed", where.format(ended))]
    return [Announcement("Suspended", f"{where.format('suspended')} (spec.suspend): {timer(rollout)} is stopped")]


def _hold(context: Context, before: Status) -> list[Announcement]:
    """Return an Event where a hold of the next step begins."""
    rollout, known = context.status.rollout, None if before.rollout is None else before.rollout.hold
    if rollout is None or rollout.hold is None or rollout.hold == known:
        return []
    return [Announcement(rollout.hold.reason, _named(hold_reasons.describe_hold(context), rollout.run_id))]


def _named_objects(status: Status, before: Status) -> list[Announcement]:
    """Return an Event where a condition names another object or field than before, or its first one."""
    known = {(one.type, one.message) for one in before.conditions}
    return [
        Announcement(one.type, one.message, is_warning=True)
        for one in status.conditions
        if one.type in NAMING and one.status == "True" and (one.type, one.message) not in known
    ]


def _ended_hold(context: Context, before: Status, taken: tuple[Row, Transition] | None) -> list[Announcement]:
    """Return an Event where a problem that was announced has ended otherwise than with the rollout."""
    if taken is not None and taken[0].target in (State.ROLLED_BACK, State.REFUSED):
        return []
    reasons = [status.ready_reason for status in (before, context.status)]
    if reasons[0] not in PROBLEMS or reasons[0] == reasons[1]:
        return []
    since, run_id = before.ready_reason_since, "" if before.candidate is None else before.candidate.run_id
    lasted = "" if since is None else f" after {format_duration(_in_seconds(context.now - since))}"
    return [Announcement(HOLD_ENDED, _named(f"{reasons[0]} ended{lasted}; now {reasons[1]}", run_id))]


def _in_seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=round(duration.total_seconds()))


def _checks(status: Status, before: Status) -> list[Announcement]:
    """Return an Event for each check that begins, and where what holds a step changes."""
    if status.rollout is None:
        return []
    run_id, known, found = status.rollout.run_id, {entry.id: entry for entry in before.checks}, []
    for entry in status.checks:
        earlier = known.get(entry.id)
        if earlier is None:
            asked = f"Asked endpoint {entry.endpoint} for check {entry.name} before {entry.before:g} %"
            found.append(Announcement("CheckRequested", _named(asked, run_id)))
        elif entry.is_open and (entry.verdict, entry.message) != (earlier.verdict, earlier.message):
            text = f"On hold {place(status.rollout)}: {check_messages.describe(entry)}"
            found.append(Announcement("CheckPending", _named(text, run_id), is_warning=entry.verdict is None))
    return found


def _problems(status: Status, before: Status) -> list[Announcement]:
    known = {condition.reason for condition in before.conditions}
    run_id = "" if status.rollout is None else status.rollout.run_id
    return [
        Announcement(condition.reason, _named(condition.message, run_id), is_warning=True)
        for condition in status.conditions
        if condition.type == "Ready" and condition.reason in PROBLEMS and condition.reason not in known
    ]
