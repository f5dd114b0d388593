"""Writes that did not take effect, so that they are not repeated in every pass: refused ones, and overridden applies.

A refused write is tried again after a growing delay. An apply that admission (a webhook or a policy) changed on its way
is not repeated until what is rendered or what was left of it changes. Kept in memory: a new operator tries once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from serin_core.backoff import backoff
from serin_core.contract import names
from serin_core.kubernetes import diff
from serin_core.rollout.observation import ChildSeen, Override
from serin_core.rollout.writes import AnnotatePod, ApplyChild, CreateChild, DeleteChild, PutStatus, RemovePod, Write

FIRST_RETRY: Final = timedelta(seconds=1)
MAX_RETRY: Final = timedelta(minutes=1)

Target = tuple[type[Write], str, str]
"""Kind of write, kind and name of the object."""


@dataclass(frozen=True, slots=True)
class Setback:
    """One write that was refused, with the API server's message, or that left differences."""

    write: Write
    refusal: str = ""
    differences: tuple[diff.Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    setback: Setback
    attempts: int
    retry_at: datetime


@dataclass
class Setbacks:
    """The setbacks of one resource that still stand in the way of its writes."""

    _known: dict[Target, _Known] = field(default_factory=dict)

    def refusals(self) -> tuple[str, ...]:
        """Return the API server's messages."""
        return tuple(one.setback.refusal for one in self._known.values() if one.setback.refusal)

    def overrides(self) -> tuple[Override, ...]:
        """Return the children that admission changed when they were applied."""
        return tuple(
            Override(f"{kind} {name}", one.setback.differences)
            for (_, kind, name), one in self._known.items()
            if not one.setback.refusal
        )

    def next_retry(self, now: datetime) -> timedelta | None:
        """Return the delay until a refused write is tried again, None if none is."""
        due = [one.retry_at for one in self._known.values() if one.setback.refusal]
        return max(min(due) - now, timedelta()) if due else None

    def due(
        self, writes: Iterable[Write], children: Mapping[tuple[str, str], ChildSeen], now: datetime
    ) -> tuple[Write, ...]:
        """Return the writes to perform now, and forget the setbacks of those that are no longer wanted."""
        wanted = {_target(write): write for write in writes}
        self._known = {target: one for target, one in self._known.items() if target in wanted}
        return self.not_withheld(wanted.values(), children, now)

    def not_withheld(
        self, writes: Iterable[Write], children: Mapping[tuple[str, str], ChildSeen], now: datetime
    ) -> tuple[Write, ...]:
        """Return the writes that no setback holds up now."""
        return tuple(write for write in writes if not self._is_withheld(_target(write), write, children, now))

    def _is_withheld(
        self, target: Target, write: Write, children: Mapping[tuple[str, str], ChildSeen], now: datetime
    ) -> bool:
        known = self._known.get(target)
        if known is None or _request(known.setback.write) != _request(write):
            return False
        if known.setback.refusal:
            return now < known.retry_at
        child = children.get(target[1:])
        return child is not None and diff.differences(child.live, _request(write)) == known.setback.differences

    def record(self, write: Write, setback: Setback | None, now: datetime) -> None:
        """Remember what a write left undone; None: it took effect."""
        target, attempts = _target(write), 1
        known = self._known.pop(target, None)
        if setback is None:
            return
        if known is not None and _request(known.setback.write) == _request(write):
            attempts = known.attempts + 1
        self._known[target] = _Known(setback, attempts, now + backoff(FIRST_RETRY, MAX_RETRY, failures=attempts))


def _target(write: Write) -> Target:
    match write:
        case CreateChild(rendered=rendered) | ApplyChild(rendered=rendered):
            return type(write), rendered["kind"], rendered["metadata"]["name"]
        case DeleteChild(kind=kind, name=name):
            return DeleteChild, kind, name
        case AnnotatePod(name=name) | RemovePod(name=name):
            return type(write), "Pod", name
        case PutStatus():
            return PutStatus, names.KIND, ""


def _request(write: Write) -> object:
    """Return what the write asks for, without the version that it is based on."""
    match write:
        case CreateChild(rendered=rendered) | ApplyChild(rendered=rendered):
            return rendered
        case AnnotatePod(annotations=annotations, announced=announced):
            return annotations.get(names.ANNOTATION_REVISION, announced)
        case _:
            return None
