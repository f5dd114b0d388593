"""Agreement by class in the running stage, from the counts of the gate perClass. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from serin_cli.resource import Live, candidate_of, is_running, status_of
from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint, GateStatus
from serin_core.counting.server_counters import StageCounts
from serin_core.evidence.confidence_sequence import confidence_sequence
from serin_core.evidence.counts import Counts
from serin_core.gates.formatting import count, percent
from serin_core.rollout.stage_evidence import CHECKPOINT_EVERY
from serin_dashboard.charts import Bar, limits_of, rate_bar

_ALPHA: Final = 0.05
_NOT_RUNNING: Final = "Not known: no stage is running, and classes are counted in one."
_OFF: Final = (
    "Not known: the gate perClass is off. With spec.gates.perClass: {mode: DryRun}, each class is counted without any "
    "effect on the rollout."
)
_NOT_COUNTED: Final = (
    "Not known yet: no request of this stage has been counted by class. These counts are kept every "
    f"{CHECKPOINT_EVERY.total_seconds() / 60:g} minutes."
)
_UNREADABLE: Final = "Not known: the counts by class are in a form that this version of Serin cannot read."


@dataclass(frozen=True, slots=True)
class ClassView:
    """Agreement in one class: how many answers equal those of the control group."""

    name: str
    agreement: str
    interval: str
    total: str
    bar: Bar | None
    """None for a class without traffic."""


@dataclass(frozen=True, slots=True)
class ClassesView:
    """Agreement by class, or why it is not known."""

    rows: tuple[ClassView, ...] = ()
    limit: str = ""
    """What the gate requires."""
    as_of: datetime | None = None
    """Time of the counts: they are kept less often than those of the gates."""
    unknown: str = ""
    """Why it is not known, "" if it is."""


def classes_of(live: Live, gates: list[GateStatus]) -> ClassesView:
    """Return the agreement by class, lowest first and those without traffic last. `gates` are those of the stage."""
    if not is_running(live) or not candidate_of(live).get("stageStartedAt"):
        return ClassesView(unknown=_NOT_RUNNING)
    gate = next((one for one in gates if one.name == GateName.PER_CLASS), None)
    if gate is None:
        return ClassesView(unknown=_OFF)
    try:
        checkpoint = _checkpoint(live)
    except ValidationError:
        return ClassesView(unknown=_UNREADABLE)
    counted = {} if checkpoint is None else _counted(checkpoint)
    if not any(counts.total for counts in counted.values()):
        return ClassesView(unknown=_NOT_COUNTED)
    limits = limits_of(gate)
    rates = [rate for rate, _ in limits]
    order = sorted(counted, key=lambda name: (not counted[name].total, _rate(counted[name]), name))
    return ClassesView(
        rows=tuple(_row(name, counted[name], rates) for name in order),
        limit=", ".join(label for _, label in limits),
        as_of=None if checkpoint is None else checkpoint.at,
    )


def _checkpoint(live: Live) -> Checkpoint | None:
    """Return the counts that the status keeps, None if there are none yet. Raises ValidationError."""
    found = status_of(live).get("checkpoint")
    return None if found is None else Checkpoint.model_validate(found)


def _counted(checkpoint: Checkpoint) -> dict[str, Counts]:
    """Return the counts by class, summed over server processes."""
    parts = StageCounts(checkpoint.counts).parts_of(GateName.PER_CLASS)
    return {name: counts for name, counts in parts.items() if isinstance(counts, Counts)}


def _rate(counts: Counts) -> float:
    return counts.good / counts.total if counts.total else 0.0


def _row(name: str, counts: Counts, limits: list[float]) -> ClassView:
    if not counts.total:
        return ClassView(name, "no traffic", "", "0", None)
    low, high = confidence_sequence(counts, _ALPHA)
    return ClassView(
        name=name,
        agreement=percent(_rate(counts)),
        interval=f"{percent(low)} to {percent(high)}",
        total=count(counts.total),
        bar=rate_bar(low, _rate(counts), high, limits),
    )
