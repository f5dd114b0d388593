"""Many rollouts of one resource, each by its number, so that they can run anywhere and in any order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.gates.active import active_gates
from serin_core.rollout.canary_steps import stages_of
from serin_simulation.baselines import Argo, Flagger, Rule, play_by
from serin_simulation.fake_cluster import Cluster
from serin_simulation.replay import Record, ReplaySource
from serin_simulation.rollout import Outcome, Setting, Source, first_stage, play
from serin_simulation.traffic import Traffic, TrafficSource

MINE: Final = "this resource"
OTHERS: Final[tuple[Rule, ...]] = (Flagger(), Argo(), Argo(failure_limit=3))


@dataclass(frozen=True, slots=True)
class Plan:
    """Rollouts by number."""

    seed: int
    rollout: Callable[[Random], Outcome]

    def play(self, number: int) -> Outcome:
        """Run the rollout of this number; the outcome is always the same."""
        return self.rollout(Random(f"{self.seed}/{number}"))  # noqa: S311 - draws that can be repeated, no secrets


def simulated(setting: Setting, traffic: Traffic, *, seed: int) -> dict[str, Plan]:
    """Return plans against described traffic: of the resource, and of the same stages under rules of other tools."""
    spec = setting.spec
    names = {gate.name for percent in stages_of(spec.canary) for gate in active_gates(spec, percent=percent)}
    # What no gate reads is not drawn.
    without_classes = replace(traffic, classes=0)
    mine = _plan(setting, partial(TrafficSource, traffic if GateName.PER_CLASS in names else without_classes), seed)
    return {MINE: mine} | {str(rule): Plan(seed, partial(play_by, rule, setting, without_classes)) for rule in OTHERS}


def replayed(setting: Setting, record: Record, *, seed: int) -> dict[str, Plan]:
    """Return the plan of a resource against recorded counts."""
    return {MINE: _plan(setting, partial(ReplaySource, record), seed)}


def _plan(setting: Setting, source: Callable[..., Source], seed: int) -> Plan:
    return Plan(seed, partial(_play, setting, source, first_stage(setting)))


def _play(setting: Setting, source: Callable[..., Source], first: Cluster, rng: Random) -> Outcome:
    return play(setting, source(rng, first=setting.start), first=first)
