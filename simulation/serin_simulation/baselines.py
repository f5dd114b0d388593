"""The same stages under the rules of two other tools, as their sources and documentation state them.

Flagger, commit 15bd6ad (21 July 2026), pkg/controller/scheduler.go lines 431 and 461-462: every analysis that fails
adds one to `failedChecks`, which is never lowered while the analysis lasts; at `threshold` of them the canary is rolled
back. Each analysis that passes moves on by one step: a mirrored one (`mirror: true`) first, then `stepWeights`, then
the promotion. scheduler_metrics.go: the one value of a query is compared with `thresholdRange`; no value is a failed
check.
(https://docs.flagger.app/usage/how-it-works)

Argo Rollouts, commit 9f8d111 (17 August 2026), analysis/analysis.go lines 613-680: a metric is Failed once more than
`failureLimit` (0 by default) measurements have failed, in all; Error once more than `consecutiveErrorLimit` (4) in a
row gave no value; Successful once `count` measurements are done. A failed analysis aborts the rollout.
(https://argo-rollouts.readthedocs.io/en/stable/features/analysis/)

Both use one number per check: here the share of good among the requests since the last check. Both support custom
analyses; this is their default behaviour. Durations that their users would choose are not compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Final

from serin_core.api.gate_status import GateRole
from serin_core.contract.gate_catalog import LOW_CONFIDENCE_TOLERANCE, AsReported, NotWorseThanControl
from serin_core.counting.reading import Unreadable
from serin_core.evidence.bounds import AtLeast, AtMost, Within
from serin_core.gates.active import ActiveGate, active_gates
from serin_core.rollout.canary_steps import effective_steps
from serin_simulation.rollout import Outcome, Setting, StageRun
from serin_simulation.stage_checks import Pairs
from serin_simulation.traffic import Traffic, TrafficSource

EVERYBODY: Final = 100.0


class Measured(Enum):
    """Result of one check."""

    PASSED = auto()
    FAILED = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Flagger:
    """Flagger's rule: a number of failed checks rolls back."""

    threshold: int = 5

    def __str__(self) -> str:
        return f"Flagger, threshold {self.threshold}"

    def leaves(self, found: Iterator[Measured], failed: int) -> tuple[bool, int, int]:
        """Return whether the next stage follows, after how many checks, and how many checks have failed so far."""
        for checks, one in enumerate(found, 1):
            if one is Measured.PASSED:
                return True, checks, failed
            failed += 1
            if failed >= self.threshold:
                return False, checks, failed
        return False, 0, failed


@dataclass(frozen=True, slots=True)
class Argo:
    """Argo's rule: an analysis of `count` measurements, and how many may fail, or give no value in a row."""

    failure_limit: int = 0
    count: int = 10
    error_limit: int = 4

    def __str__(self) -> str:
        return f"Argo Rollouts, failureLimit {self.failure_limit}, count {self.count}"

    def leaves(self, found: Iterator[Measured], _failed: int) -> tuple[bool, int, int]:
        """Return the same; each stage has its own analysis, so earlier failures do not count."""
        failed = errors = 0
        for checks, one in enumerate(found, 1):
            errors = errors + 1 if one is Measured.NOTHING else 0
            failed += one is Measured.FAILED
            if failed > self.failure_limit or errors > self.error_limit:
                return False, checks, 0
            if checks >= self.count:
                return True, checks, 0
        return False, 0, 0


Rule = Flagger | Argo


def run_through(rule: Rule, stages: int, measure: Callable[[int], Measured]) -> tuple[bool, tuple[int, ...]]:
    """Return whether all stages are passed, and how many checks each took. `measure` gets the number of the stage."""
    failed, took = 0, []
    for stage in range(stages):
        is_left, checks, failed = rule.leaves(_measurements(measure, stage), failed)
        took.append(checks)
        if not is_left:
            return False, tuple(took)
    return True, tuple(took)


def _measurements(measure: Callable[[int], Measured], stage: int) -> Iterator[Measured]:
    while True:
        yield measure(stage)


def play_by(rule: Rule, setting: Setting, traffic: Traffic, rng: Random) -> Outcome:
    """Play one rollout by this rule: a mirrored stage, then every step below 100 %, a check every interval."""
    percents = (0.0, *(step for step in effective_steps(setting.spec.canary) if step < EVERYBODY))
    source = TrafficSource(traffic, rng, first=setting.start, by_request=True)
    interval = setting.spec.analysis.interval
    clock = [setting.start]
    failed: list[str] = []

    def measure(stage: int) -> Measured:
        source.begin(percents[stage], clock[0])
        clock[0] += interval
        return _measured(setting, percents[stage], source.read(clock[0]), failed)

    is_promoted, took = run_through(rule, len(percents), measure)
    stages = tuple(
        StageRun(percent, checks * interval.total_seconds(), checks)
        for percent, checks in zip(percents, took, strict=False)
    )
    return Outcome("Promoted" if is_promoted else "RolledBack", "" if is_promoted else failed[-1], stages)


def _measured(setting: Setting, percent: float, found: Pairs | Unreadable, failed: list[str]) -> Measured:
    if isinstance(found, Unreadable):
        failed.append("no data")
        return Measured.NOTHING
    for gate in active_gates(setting.spec, percent=percent):
        good, total = found.get(gate.name, (0.0, 0.0))
        if gate.role is not GateRole.ACTING or gate.name not in found:
            continue
        if not total:
            failed.append("no data")
            return Measured.NOTHING
        if not _is_within(good / total, gate, expected_low_confidence=1 - setting.promised):
            failed.append(gate.name)
            return Measured.FAILED
    return Measured.PASSED


def _is_within(rate: float, gate: ActiveGate, *, expected_low_confidence: float) -> bool:
    match gate.criterion:
        case AtLeast(p=p):
            return rate >= p
        case AtMost(u=u):
            return rate <= u
        case Within(low=low, high=high):
            return low <= rate <= high
        case AsReported():
            return rate <= expected_low_confidence + LOW_CONFIDENCE_TOLERANCE
        case NotWorseThanControl():
            return True
