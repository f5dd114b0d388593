"""One rollout in virtual time: the operator's `decide`, look by look, against counts from a source.

What is simulated is what decides: pods confirm a routing after a stated delay and never fail; nothing is written.
A look that cannot move anything is not made (watching.py says why that changes nothing), unless `skips` is false: then
every look is, and the outcome is the same.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import (
    CandidateState,
    GateRole,
    GateStatus,
    HistoryEntry,
    OwnCounts,
    OwnSeries,
    ProcessCounts,
    Status,
)
from serin_core.counting import StageCounts, Unreadable
from serin_core.evidence import Verdict
from serin_core.gates import acting_gates, active_gates
from serin_core.rollout.canary_steps import soak_of
from serin_core.rollout.decide import Decision, decide
from serin_simulation.fake_cluster import Cluster, is_counting
from serin_simulation.watching_stage import Pairs, StageWatch

MIDNIGHT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST_LOOKS: Final = 20


class Source(Protocol):
    """Where counts come from: drawn, or recorded."""

    def begin(self, percent: float, now: datetime) -> None:
        """A stage begins: all counts start from zero."""

    def read(self, now: datetime) -> Pairs | Unreadable:
        """Answer good and total of every key since the stage began."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage that a rollout went through."""

    percent: float
    seconds: float
    looks: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one rollout ended: Promoted, AtCap, RolledBack or Held, and why."""

    end: str
    why: str
    stays: tuple[StageRun, ...]
    history: tuple[HistoryEntry, ...] = ()
    made: int = 0
    """How many of its looks were really made, by `decide`."""

    @property
    def seconds(self) -> float:
        """Answer how long it took, from the beginning of the first stage."""
        return sum(stay.seconds for stay in self.stays)

    @property
    def looks(self) -> int:
        """Answer how many looks it took."""
        return sum(stay.looks for stay in self.stays)


@dataclass(frozen=True, slots=True)
class Setting:
    """What one rollout is played in."""

    spec: SuggestionModelSpec
    promised: float = 1.0
    begins: timedelta = timedelta(hours=9)
    """Time of day at which the first stage begins."""
    confirms_after: timedelta = timedelta(seconds=2)
    skips: bool = True
    longest: timedelta = timedelta(days=366)
    """From the beginning of the first stage: then the rollout is Held."""

    @property
    def start(self) -> datetime:
        """Answer when the first stage begins."""
        return MIDNIGHT + self.begins

    @property
    def deadline(self) -> datetime:
        """Answer when whoever has not ended is called Held."""
        return self.start + self.longest


def play(setting: Setting, source: Source, *, first: Cluster) -> Outcome:
    """Play one rollout from its `first_stage` to its end: promoted, at its cap, rolled back, or held at maxDuration."""
    cluster, stays, made = first, [], 0
    while True:
        stage = _Stage(setting, cluster, source)
        ended = stage.play()
        made += stage.made
        stays.append(StageRun(stage.percent, (ended - stage.began).total_seconds(), stage.looks))
        end = _end_of(stage.cluster.status, was_held=stage.was_held)
        if end is not None:
            history = stage.cluster.status.history if stage.cluster.status else ()
            return Outcome(*end, tuple(stays), history=history, made=made)
        cluster, more = _settle(stage.cluster, ended + setting.confirms_after)
        made += more


def first_stage(setting: Setting) -> Cluster:
    """Answer the cluster in which the first stage of a new resource has just begun: the same for every rollout."""
    return _settle(Cluster(setting.spec, setting.promised), setting.start)[0]


def _settle(cluster: Cluster, now: datetime) -> tuple[Cluster, int]:
    """Look until a stage counts. Raises RuntimeError where none begins: then the spec asks for none."""
    for made in range(1, _FIRST_LOOKS):
        cluster = cluster.after(decide(cluster.resource, cluster.observe(), now))
        if is_counting(cluster.status):
            return cluster, made
    raise RuntimeError(f"no stage begins: {cluster.status.history[-1].message if cluster.status else 'no status'}")


class _Stage:
    """One stage, from the start of its clock until it is left, or held for good."""

    def __init__(self, setting: Setting, cluster: Cluster, source: Source) -> None:
        rollout = None if cluster.status is None else cluster.status.rollout
        self.setting, self.cluster, self.source = setting, cluster, source
        self.percent = 0.0 if rollout is None else rollout.percent
        self.began = is_counting(cluster.status) or setting.start
        self.watch = StageWatch(setting.spec, self.percent, self.began, round(1 - setting.promised, 12))
        self.looks = self.made = 0
        self.was_held = False
        self.had_data = self.was_silent = False
        """Whether the last look had counts; whether `decide` knows of a last one that had none."""

    def play(self) -> datetime:
        """Look until something happens; answer when."""
        spec, now, analysis = self.setting.spec, self.began, self.setting.spec.analysis
        self.source.begin(self.percent, now)
        patience = max(analysis.max_duration, soak_of(spec.canary, percent=self.percent))
        is_judged = bool(acting_gates(spec, percent=self.percent))
        while True:
            self.looks += 1
            found, had_data = self.source.read(now), self.had_data
            self.had_data = not isinstance(found, Unreadable) and any(total for _, total in found.values())
            if self._may_be_skipped(found, now):
                now += self.watch.next_look(now)
                continue
            before = self.cluster.status
            decision = self._look(found, now, had_data=had_data)
            if _has_left(before, decision.status):
                return now
            if now >= self.setting.deadline or not is_judged or now - self.began >= patience:
                self.was_held = True
                return now
            now += decision.requeue_after or self.watch.next_look(now)

    def _may_be_skipped(self, found: Pairs | Unreadable, now: datetime) -> bool:
        if not self.setting.skips or now >= self.setting.deadline:
            return False
        analysis, is_blind = self.setting.spec.analysis, isinstance(found, Unreadable)
        if not isinstance(found, Unreadable):
            self.watch.see(found, now)
        if analysis.on_no_data == "Rollback" and (not self.had_data or self.was_silent):
            # When data went, and when they are back, is asked for: the looks that note it are made.
            self.was_silent = not self.had_data
            return False
        if is_blind:
            return now - self.began < analysis.max_duration
        return not self.watch.must_be_looked_at(now)

    def _look(self, found: Pairs | Unreadable, now: datetime, *, had_data: bool) -> Decision:
        self.made += 1
        if self.setting.skips and self.cluster.status is not None and self.watch.has_seen:
            status = self.cluster.status.changed(memory=self.watch.memory(), checkpoint=None)
            status = status.changed(no_data_since=None) if had_data else status
            self.cluster = replace(self.cluster, status=status)
        reading = found if isinstance(found, Unreadable) else tallies(self.setting.spec, self.percent, found)
        decision = decide(self.cluster.resource, self.cluster.observe(reading), now)
        self.cluster = self.cluster.after(decision)
        return decision


def tallies(spec: SuggestionModelSpec, percent: float, found: Pairs) -> StageCounts:
    """Answer counts as the operator would have read them: one process that counts every user once."""
    own = {gate.name: gate.own for gate in active_gates(spec, percent=percent) if gate.own}
    return StageCounts(
        {key: {"simulated": ProcessCounts(good=s, total=n)} for key, (s, n) in found.items() if key not in own},
        has_shared_store=True,
        own={own[key]: _own(*pair) for key, pair in found.items() if key in own},
    )


def _own(good: float, total: float) -> OwnCounts:
    def one(gained: float) -> dict[str, OwnSeries]:
        return {"simulated": OwnSeries(at=0, last=gained, gained=gained)}

    return OwnCounts(good=one(good), total=one(total))


def _has_left(before: Status | None, after: Status) -> bool:
    """Tell whether the stage is over: left for another, or proven for good at the cap."""
    rollout = after.rollout
    return rollout is None or is_counting(after) != is_counting(before) or rollout.proven_at is not None


def _end_of(status: Status | None, *, was_held: bool) -> tuple[str, str] | None:
    """Answer how the rollout ended, and why; None while it goes on."""
    if status is None:
        return None
    if status.candidate is None:
        return "Promoted", ""
    if status.candidate.state is CandidateState.ROLLED_BACK:
        return "RolledBack", _why_rolled_back(status)
    if status.candidate.proven_at is not None:
        return "AtCap", ""
    return ("Held", _waited_for(status.gates)) if was_held else None


def _why_rolled_back(status: Status) -> str:
    failed = [gate.name for gate in status.gates if gate.verdict is Verdict.FAIL and gate.role is not GateRole.DRY_RUN]
    event = status.history[-1].event
    return ", ".join(failed) or {"StageTimedOut": "no verdict", "NoDataTimedOut": "no data"}.get(event, event)


def _waited_for(gates: tuple[GateStatus, ...]) -> str:
    acting = [gate for gate in gates if gate.role is GateRole.ACTING]
    return ", ".join(gate.name for gate in acting if gate.verdict is not Verdict.PASS) or "no gate"
