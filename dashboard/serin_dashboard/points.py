"""Points of curves that the page has seen since it was opened, after those of the trial record. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from serin_cli.resource import Live, candidate_of, is_running, status_of
from serin_core.api.gate_status import GateStatus
from serin_core.api.record import CurvePoint
from serin_core.evidence.counts import Verdict
from serin_core.rollout.recording import thinned

_MOST: Final = 120
"""Points of a gate above which they are thinned."""
_KEPT: Final = 60
_PARTS: Final = 6
"""Numbers of a point as a record has it."""

SeenPoint = tuple[float, float, float, float, float | None, float | None, Verdict]
"""A point of a record, its time in Unix seconds, and the verdict at that time."""


@dataclass(frozen=True, slots=True)
class SeenCurves:
    """The curves of one trial."""

    trial: tuple[str, str] = ("", "")
    """Run and start of the attempt."""
    gates: tuple[tuple[str, tuple[SeenPoint, ...]], ...] = ()

    def extended(self, live: Live, *, at: datetime) -> "SeenCurves":
        """Return them with the counts of a resource as it is `at` a time; those of another trial are dropped."""
        candidate = candidate_of(live)
        if not is_running(live):
            return self
        trial = (str(candidate.get("runID", "")), str(candidate.get("attemptStartedAt", "")))
        curves = dict(self.gates) if trial == self.trial else {}
        if candidate.get("stageStartedAt"):
            for one in status_of(live).get("gates", []):
                gate = GateStatus.model_validate(one)
                point = _point(gate, live, at)
                if point is not None:
                    curves[gate.name] = _added(curves.get(gate.name, ()), point)
        return SeenCurves(trial, tuple(curves.items()))

    def after(self, name: str, start: datetime, last: float) -> tuple[SeenPoint, ...]:
        """Return the points of a gate, in seconds since `start`, that are later than `last`."""
        began = start.timestamp()
        shifted = ((point[0] - began, *point[1:]) for point in dict(self.gates).get(name, ()))
        return tuple(point for point in shifted if point[0] > last)


def _point(gate: GateStatus, live: Live, at: datetime) -> SeenPoint | None:
    # The checkpoint's time is not that of the gates: it is written every few minutes, they are with every check.
    if gate.good is None or gate.total is None:
        return None
    percent = float(candidate_of(live).get("percent", 0))
    return (at.timestamp(), percent, gate.good, gate.total, gate.lower, gate.upper, gate.verdict)


def _added(known: tuple[SeenPoint, ...], point: SeenPoint) -> tuple[SeenPoint, ...]:
    if known and (known[-1][1:4] == point[1:4] or known[-1][0] >= point[0]):
        # The same counts; a verdict may be newer than they are.
        return (*known[:-1], (*known[-1][:-1], point[-1])) if known[-1][1:4] == point[1:4] else known
    if len(known) < _MOST:
        return (*known, point)
    kept = {one[0] for one in thinned([as_recorded(one) for one in known], to=_KEPT, above=_KEPT)}
    return (*(one for one in known if one[0] in kept), point)


def as_recorded(point: SeenPoint) -> CurvePoint:
    """Return a point as a record has it."""
    return point[:_PARTS]
