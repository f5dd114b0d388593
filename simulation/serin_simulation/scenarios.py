"""Many rollouts of one resource, each by its number, so that they can run anywhere and in any order."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol

from serin_core.api.gates import GateName
from serin_core.gates.active import active_gates
from serin_core.rollout.canary_steps import effective_steps
from serin_simulation.baselines import Argo, Flagger, Rule, play_by
from serin_simulation.fake_cluster import Cluster
from serin_simulation.replay import Record, ReplaySource
from serin_simulation.rollout import Outcome, Setting, first_stage, play
from serin_simulation.traffic import Traffic, TrafficSource

OTHERS: Final[tuple[Rule, ...]] = (Flagger(), Argo(), Argo(failure_limit=3))


class Plan(Protocol):
    """Rollouts by number."""

    def play(self, number: int) -> Outcome:
        """Run the rollout of this number; the outcome is always the same."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Rollouts of a resource against described traffic."""

    setting: Setting
    traffic: Traffic
    seed: int
    first: Cluster

    def play(self, number: int) -> Outcome:
        """Run the rollout of this number."""
        source = TrafficSource(self.traffic, _random(self.seed, number), first=self.setting.start)
        return play(self.setting, source, first=self.first)


@dataclass(frozen=True, slots=True)
class ByRule:
    """The same stages under another tool's rule."""

    setting: Setting
    traffic: Traffic
    seed: int
    rule: Rule

    def play(self, number: int) -> Outcome:
        """Run the rollout of this number."""
        return play_by(self.rule, self.setting, self.traffic, _random(self.seed, number))


@dataclass(frozen=True, slots=True)
class Replayed:
    """Rollouts of a resource against recorded counts."""

    setting: Setting
    record: Record
    seed: int
    first: Cluster

    def play(self, number: int) -> Outcome:
        """Run the rollout of this number."""
        source = ReplaySource(self.record, _random(self.seed, number), first=self.setting.start)
        return play(self.setting, source, first=self.first)


def simulated(setting: Setting, traffic: Traffic, *, seed: int) -> tuple[Simulated, tuple[ByRule, ...]]:
    """Return the plan for a resource, and plans for the same stages under the rules of other tools."""
    percents = (0.0, *effective_steps(setting.spec.canary))
    names = {gate.name for percent in percents for gate in active_gates(setting.spec, percent=percent)}
    # What no gate reads is not drawn.
    needed = traffic if GateName.PER_CLASS in names else replace(traffic, classes=0)
    mine = Simulated(setting, needed, seed, first_stage(setting))
    return mine, tuple(ByRule(setting, replace(needed, classes=0), seed, rule) for rule in OTHERS)


def _random(seed: int, number: int) -> Random:
    return Random(f"{seed}/{number}")  # noqa: S311 - draws that can be repeated, no secrets
