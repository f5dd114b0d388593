"""A move: what a rule of the transition table answers, and the few changes of status that several rules make."""

import hashlib
from dataclasses import dataclass

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate, Status
from serin_core.rollout.protocol import Context

EVERYBODY = 100.0
"""The share, in percent, at which a run answers every user."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A status to go to, and how to tell it: the run, one sentence, who asked, whether it is bad news."""

    status: Status
    run_id: str
    message: str
    by: str = "operator"
    is_warning: bool = False


def source_of(spec: SuggestionModelSpec) -> str:
    """Answer a hash of where runs are read from: a change of it starts a trial over."""
    return hashlib.sha256(spec.registry.model_dump_json(exclude_none=True).encode()).hexdigest()[:12]


STAGE_RESET = {"stage": None, "stage_started_at": None, "soak_elapsed": 0.0, "soaking_since": None, "proven_at": None}
NO_EVIDENCE: dict[str, object] = {"gates": (), "memory": {}, "checkpoint": None, "no_data_since": None}
"""What a status says of a stage that has counted nothing yet."""
TRIAL_ENDED = STAGE_RESET | {"percent": 0.0, "promote_full": False}


def on_trial(context: Context, candidate: Candidate) -> Status:
    """Answer the status with a candidate whose counts, if it starts a stage, are gone."""
    fresh = NO_EVIDENCE if candidate.stage_started_at is None else {}
    return context.status.model_copy(update={"candidate": candidate, **fresh})
