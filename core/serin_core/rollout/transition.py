"""A transition: what a rule of the table returns, and texts that several rules use."""

import hashlib
from dataclasses import dataclass
from typing import Final

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate, CandidateState, Status
from serin_core.rollout.canary_steps import at_stage

ALL_USERS: Final = 100.0
"""Percent at which a run serves every user."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The status that follows, and how it is reported."""

    status: Status
    run_id: str
    message: str
    """What happened, without a full stop: Event and history add the run and the evidence."""
    by: str = "operator"
    is_warning: bool = False
    is_proven: bool = False
    """Whether the stage passed its gates: their numbers are added to the message."""


def source_of(spec: SuggestionModelSpec) -> str:
    """Return a hash of the registry; a rollout starts again when it changes."""
    return hashlib.sha256(spec.registry.model_dump_json(exclude_none=True).encode()).hexdigest()[:12]


def serving(status: Status) -> str:
    """Return who serves all users that are not in a canary: `run_X serves all users`."""
    return "the rules serve all users" if status.stable is None else f"{status.stable.run_id} serves all users"


def place(candidate: Candidate) -> str:
    """Return how far a rollout has come: `at 10 %`, `in shadow`, in the bake, or before that."""
    if candidate.bake is not None:
        return "in the bake"
    return at_stage(candidate.percent) if candidate.state is CandidateState.RUNNING else "before shadow"


def timer(candidate: Candidate) -> str:
    """Return what is stopped while a rollout is suspended or paused."""
    return "the soak timer" if candidate.bake is None else "the timer of the bake"
