"""How scenarios start, and what they wait for."""

from collections.abc import Callable

from models.parts import ProtocolRules, spec
from models.world import World

A, B, C = (f"run_{letter * 8}_1" for letter in "abc")
DIGESTS = {run: "sha256:" + run[4] * 64 for run in (A, B, C)}


def new_world(run: str = A, *, protocol_rules: ProtocolRules | None = None, **changes: object) -> World:
    made = World(spec(run, **changes), protocol_rules=protocol_rules)
    made.registry = dict(DIGESTS)
    return made


def has_percent(percent) -> Callable[[World], bool]:
    def holds(at: World) -> bool:
        rollout = at.status and at.status.rollout
        return bool(rollout and rollout.percent == percent and rollout.stage_started_at)

    return holds


def has_phase(*phases) -> Callable[[World], bool]:
    return lambda at: at.status is not None and at.status.phase in phases and at.status.propagation.confirmed


def one_pod(at):
    return at.pods[min(at.pods)]
