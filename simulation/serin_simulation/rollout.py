"""One rollout in virtual time: the operator's `decide`, check by check, with counts from a source.

Only the decision logic is simulated: pods confirm a routing after a given delay and never fail; nothing is written.
`decide` is not called for checks that cannot move the rollout (stage_checks.py), unless `skips` is false; the outcome
is the same.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from serin_core.api.gate_status import GateRole, GateStatus, OwnCounts, OwnSeries, ProcessCounts
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import CandidateState, HistoryEntry, Status
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import StageCounts
from serin_core.evidence.counts import Verdict
from serin_core.gates.active import acting_gates, active_gates
from serin_core.rollout.canary_steps import soak_of
from serin_core.rollout.decide import Decision, decide
from serin_simulation.fake_cluster import Cluster, is_counting
from serin_simulation.stage_checks import Pairs, StageChecks

MIDNIGHT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST_CHECKS: Final = 20


class Source(Protocol):
    """Where counts come from: drawn, or recorded."""

    def begin(self, percent: float, now: datetime) -> None:
        """A stage begins: all counts start from zero."""

    def read(self, now: datetime) -> Pairs | Unreadable:
        """Return good and total of every key since the stage began, or why there are none."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a finished rollout."""

    percent: float
    seconds: float
    checks: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """End of one rollout (Promoted, AtCap, RolledBack or Held), and why."""

    end: str
    why: str
    stays: tuple[StageRun, ...]
    history: tuple[HistoryEntry, ...] = ()
    made: int = 0
    """How many of its checks called `decide`."""

    @property
    def seconds(self) -> float:
        """Return the duration from the beginning of the first stage."""
        return sum(stay.seconds for stay in self.stays)

    @property
    def checks(self) -> int:
        """Return the number of checks."""
        return sum(stay.checks for stay in self.stays)


@dataclass(frozen=True, slots=True)
class Setting:
    """Resource and conditions of a simulated rollout."""

    spec: SuggestionModelSpec
    promised: float = 1.0
    begins: timedelta = timedelta(hours=9)
    """Time of day at which the first stage begins."""
    confirms_after: timedelta = timedelta(seconds=2)
    skips: bool = True
    longest: timedelta = timedelta(days=366)
    """From the beginning of the first stage: then the rollout is Held."""

    def __post_init__(self) -> None:
        """Approve every step at once: nobody could do it later."""
        canary = self.spec.canary
        steps = tuple(step.model_copy(update={"approval": None}) for step in canary.steps)
        approved = canary.model_copy(update={"approval": "Automatic", "steps": steps})
        object.__setattr__(self, "spec", self.spec.model_copy(update={"canary": approved}))

    @property
    def start(self) -> datetime:
        """Return when the first stage begins."""
        return MIDNIGHT + self.begins

    @property
    def deadline(self) -> datetime:
        """Return the time after which an unfinished rollout is Held."""
        return self.start + self.longest


def play(setting: Setting, source: Source, *, first: Cluster) -> Outcome:
    """Play one rollout from its `first_stage` to its end: promoted, at its cap, rolled back, or held at maxDuration."""
    cluster, stays, made = first, [], 0
    while True:
        stage = _Stage(setting, cluster, source)
        ended = stage.play()
        made += stage.made
        stays.append(StageRun(stage.percent, (ended - stage.began).total_seconds(), stage.count))
        end = _end_of(stage.cluster.status, was_held=stage.was_held)
        if end is not None:
            history = stage.cluster.status.history if stage.cluster.status else ()
            return Outcome(*end, tuple(stays), history=history, made=made)
        cluster, more = _settle(stage.cluster, ended + setting.confirms_after)
        made += more


def first_stage(setting: Setting) -> Cluster:
    """Return the cluster at the beginning of the first stage of a new resource: the same for every rollout."""
    return _settle(Cluster(setting.spec, setting.promised), setting.start)[0]


def _settle(cluster: Cluster, now: datetime) -> tuple[Cluster, int]:
    """Call `decide` until a stage counts. Raises RuntimeError if none begins, because the spec has none."""
    for made in range(1, _FIRST_CHECKS):
        cluster = cluster.after(decide(cluster.resource, cluster.observe(), now))
        if is_counting(cluster.status):
            return cluster, made
    raise RuntimeError(f"no stage begins: {cluster.status.history[-1].message if cluster.status else 'no status'}")


class _Stage:
    """One stage, from its beginning until the next one, or until the rollout is held."""

    def __init__(self, setting: Setting, cluster: Cluster, source: Source) -> None:
        rollout = None if cluster.status is None else cluster.status.rollout
        self.setting, self.cluster, self.source = setting, cluster, source
        self.percent = 0.0 if rollout is None else rollout.percent
        self.began = is_counting(cluster.status) or setting.start
        self.checks = StageChecks(setting.spec, self.percent, self.began, round(1 - setting.promised, 12))
        self.count = self.made = 0
        self.was_held = False
        self.had_data = self.was_silent = False
        """Whether the last check had counts; whether `decide` was called for a last one that had none."""

    def play(self) -> datetime:
        """Check until the stage ends and return the time."""
        spec, now, analysis = self.setting.spec, self.began, self.setting.spec.analysis
        self.source.begin(self.percent, now)
        patience = max(analysis.max_duration, soak_of(spec.canary, percent=self.percent))
        is_judged = bool(acting_gates(spec, percent=self.percent))
        while True:
            self.count += 1
            found, had_data = self.source.read(now), self.had_data
            self.had_data = not isinstance(found, Unreadable) and any(total for _, total in found.values())
            if self._may_be_skipped(found, now):
                self._record(found, now)
                now += self.checks.next_check(now)
                continue
            before = self.cluster.status
            decision = self._decide(found, now, had_data=had_data)
            self._record(found, now)
            if _has_left(before, decision.status):
                return now
            if now >= self.setting.deadline or not is_judged or now - self.began >= patience:
                self.was_held = True
                return now
            now += decision.requeue_after or self.checks.next_check(now)

    def _may_be_skipped(self, found: Pairs | Unreadable, now: datetime) -> bool:
        if not self.setting.skips or now >= self.setting.deadline:
            return False
        analysis = self.setting.spec.analysis
        if analysis.on_no_data == "Rollback" and (not self.had_data or self.was_silent):
            # `decide` records when data disappears and when it is back.
            self.was_silent = not self.had_data
            return False
        if isinstance(found, Unreadable):
            return now - self.began < analysis.max_duration
        return not self.checks.can_move(found, now)

    def _record(self, found: Pairs | Unreadable, now: datetime) -> None:
        if self.setting.skips and not isinstance(found, Unreadable):
            self.checks.record(found, now)

    def _decide(self, found: Pairs | Unreadable, now: datetime, *, had_data: bool) -> Decision:
        self.made += 1
        if self.setting.skips and self.cluster.status is not None and self.checks.has_counts:
            status = self.cluster.status.changed(memory=self.checks.memory(), checkpoint=None)
            status = status.changed(no_data_since=None) if had_data else status
            self.cluster = replace(self.cluster, status=status)
        reading = found if isinstance(found, Unreadable) else stage_counts(self.setting.spec, self.percent, found)
        decision = decide(self.cluster.resource, self.cluster.observe(reading), now)
        self.cluster = self.cluster.after(decision)
        return decision


def stage_counts(spec: SuggestionModelSpec, percent: float, found: Pairs) -> StageCounts:
    """Return counts as the operator would read them: from one process that counts every user once."""
    custom = {gate.name: gate.custom_key for gate in active_gates(spec, percent=percent) if gate.custom_key}
    return StageCounts(
        {key: {"simulated": ProcessCounts(good=s, total=n)} for key, (s, n) in found.items() if key not in custom},
        has_shared_store=True,
        custom={custom[key]: _custom(*pair) for key, pair in found.items() if key in custom},
    )


def _custom(good: float, total: float) -> OwnCounts:
    def one(gained: float) -> dict[str, OwnSeries]:
        return {"simulated": OwnSeries(at=0, last=gained, gained=gained)}

    return OwnCounts(good=one(good), total=one(total))


def _has_left(before: Status | None, after: Status) -> bool:
    """Return whether the stage has ended: another one follows, or it is proven at the cap."""
    rollout = after.rollout
    return rollout is None or is_counting(after) != is_counting(before) or rollout.proven_at is not None


def _end_of(status: Status | None, *, was_held: bool) -> tuple[str, str] | None:
    """Return how the rollout ended, and why; None if it continues."""
    if status is None:
        return None
    if status.candidate is None:
        return "Promoted", ""
    if status.candidate.state is CandidateState.ROLLED_BACK:
        return "RolledBack", _why_rolled_back(status)
    if status.candidate.proven_at is not None:
        return "AtCap", ""
    return ("Held", _waiting_for(status.gates)) if was_held else None


def _why_rolled_back(status: Status) -> str:
    failed = [gate.name for gate in status.gates if gate.verdict is Verdict.FAIL and gate.role is not GateRole.DRY_RUN]
    event = status.history[-1].event
    return ", ".join(failed) or {"StageTimedOut": "no verdict", "NoDataTimedOut": "no data"}.get(event, event)


def _waiting_for(gates: tuple[GateStatus, ...]) -> str:
    acting = [gate for gate in gates if gate.role is GateRole.ACTING]
    return ", ".join(gate.name for gate in acting if gate.verdict is not Verdict.PASS) or "no gate"
