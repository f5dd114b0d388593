"""What a server pod says of itself at `GET /ml/status`, and what the operator reads there: one schema for both.

Never asks a pod: that is the operator's adapter.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from serin_core.model.report import ClassCoverage


class LoadState(StrEnum):
    """How far a pod has come with one run."""

    LOADING = "loading"
    LOADED = "loaded"
    REFUSED = "refused"


class _Report(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, serialize_by_alias=True
    )


class RunQuality(_Report):
    """What the run's own training report promises, as far as the operator judges it by it (contracts, 5)."""

    f1_macro: float
    f1_min: float
    coverage: dict[str, ClassCoverage] = Field(default_factory=dict)
    """By class, the share of answers and how many of them each threshold leaves (contracts, `lowConfidence`)."""


class RunOnPod(_Report):
    """One run on one pod. `digest` and `quality` are what the pod found, once it has looked."""

    run: str
    state: LoadState
    digest: str | None = None
    reason: str = ""
    quality: RunQuality | None = None


class PodReport(_Report):
    """What one pod serves at this moment.

    `revision` and `hash` are those of the routing document in use, -1 and "" before the first one.
    `attempt` is the one of the model document that the pod was started with.
    """

    uid: str
    process: str
    revision: int = -1
    hash: str = ""
    attempt: int = 0
    runs: tuple[RunOnPod, ...] = Field(default_factory=tuple)

    def run(self, name: str) -> RunOnPod | None:
        """Answer what this pod says of one run."""
        return next((run for run in self.runs if run.run == name), None)
