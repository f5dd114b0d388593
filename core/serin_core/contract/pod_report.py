"""The report of a server pod: the schema that the server writes and the operator reads.

It is the response to `GET /ml/status` and to `POST /ml/routing`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from serin_core.api.base import shortened
from serin_core.api.revisions import MAX_REVISION

MAX_REASON: Final = 1000
"""Characters of a reason that are kept: it is written into a status."""
_Share = Annotated[float, Field(ge=0, le=1)]
# Within these bounds every value can be counted with and written into a status, whatever a pod reports.
_Seconds = Annotated[float, Field(ge=0, le=1e9)]
_Whole = Annotated[int, Field(ge=0, le=MAX_REVISION)]
_Text = Annotated[str, AfterValidator(lambda text: shortened(text, MAX_REASON))]
_THRESHOLD: Final = r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$"
ThresholdName = Annotated[str, Field(pattern=_THRESHOLD)]
"""A threshold as reports of training name it, such as 0.70."""
_AS_NAMED: Final = ConfigDict(extra="ignore")
"""The names of reports of training, which have these figures, too."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage and precision at a threshold, on held-out rows: a run has some for each class, so they are small."""

    __pydantic_config__: ClassVar[ConfigDict] = _AS_NAMED
    coverage: _Share
    """Share of rows whose confidence reaches the threshold."""
    precision: _Share
    """Share of those that are classified correctly; 0 if there are none."""


@dataclass(frozen=True, slots=True)
class ClassCoverage:
    """Coverage of one predicted class, on held-out rows."""

    __pydantic_config__: ClassVar[ConfigDict] = _AS_NAMED
    share: _Share
    """Share of all rows that are classified as this class."""
    by_threshold: dict[ThresholdName, Coverage]


class LoadState(StrEnum):
    """State of a run on a pod."""

    LOADING = "loading"
    LOADED = "loaded"
    REFUSED = "refused"


class _Report(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, serialize_by_alias=True
    )


class RunQuality(_Report):
    """The figures of the run's training report that the operator's gates and `kubectl serin doctor` use."""

    f1_macro: _Share
    f1_min: _Share
    coverage: dict[str, ClassCoverage] = Field(default_factory=dict)
    """By predicted class, its share of predictions and coverage at each threshold; for the gate lowConfidence."""
    classes: tuple[str, ...] = ()
    """All classes of the run, also those without a row in the test set; none if an older server reports it."""
    calibration_error: _Share | None = None
    """Expected calibration error with calibration; None if the run has none, or if an older server reports it."""
    uncalibrated_error: _Share | None = None
    """The same without calibration."""


class RunOnPod(_Report):
    """A run on a pod. `digest` and `quality` are set once the pod has read the run.

    `absent` is whether the registry could be read and does not have the run; it is loading then, and is read again.
    """

    run: str
    state: LoadState
    absent: bool = False
    digest: str | None = None
    reason: _Text = ""
    quality: RunQuality | None = None


class SupervisionReport(_Report):
    """Whether the operator watches a pod, as it was before the request that is answered."""

    silence_seconds: _Seconds = 0.0
    """Time since the operator asked before, or since the pod's start."""
    is_lapsed: bool = False
    """Whether the pod answered without the candidate, because the operator had not asked for too long."""
    lapsed_seconds: _Seconds = 0.0
    """Time for which it has done so since its start, all in all."""


class PodReport(_Report):
    """What a pod serves at present.

    `revision` and `hash` are those of the routing document in use; -1 and "" before the first one.
    `attempt` is that of the model document with which the pod was started.
    """

    uid: str
    process: str
    revision: Annotated[int, Field(ge=-1, le=MAX_REVISION)] = -1
    hash: str = ""
    attempt: _Whole = 0
    runs: tuple[RunOnPod, ...] = Field(default_factory=tuple)
    supervision: SupervisionReport = SupervisionReport()
    refusal: _Text = ""
    """Why the routing document that arrived last cannot be read, "" if it can."""
    routing_key: str = ""
    """Id of the key (`pushed_routing.key_id`) by which routing must be signed that is sent to it; "" for none."""

    def run(self, name: str) -> RunOnPod | None:
        """Return the report on one run, None if the pod does not know it."""
        return next((run for run in self.runs if run.run == name), None)

    def quality(self) -> dict[str, RunQuality]:
        """Return the quality of the runs that it is reported for, by their digests."""
        return {run.digest: run.quality for run in self.runs if run.digest is not None and run.quality is not None}

    def without_quality(self, digests: Collection[str]) -> Self:
        """Return the report without the quality of runs with these digests: most of its bytes."""
        runs = (run.model_copy(update={"quality": None}) if run.digest in digests else run for run in self.runs)
        return self.model_copy(update={"runs": tuple(runs)})

    def with_quality(self, known: Mapping[str, RunQuality]) -> Self:
        """Return the report with the quality of runs that were left out, by their digests."""
        runs = (run.model_copy(update={"quality": run.quality or known.get(run.digest or "")}) for run in self.runs)
        return self.model_copy(update={"runs": tuple(runs)})
