"""The spec of a `SuggestionModel`, as users write it: the source of the CRD's schema (see crd.py).

Every field has a description for `kubectl explain`. Every static rule is defined beside its field, as CEL for the API
server and as a validator for `serin lint`. The operator never modifies a spec.
"""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, StrictBool, model_validator

from serin_core.api.bake import HOLDBACK_RULE, HOLDBACK_TOO_LARGE, Bake
from serin_core.api.base import Name, Percent, Share, SpecModel, rules
from serin_core.api.control_group import CONTROL_GROUP_RULE, NO_CONTROL_GROUP, has_control_group
from serin_core.api.delays import DELAY_RULES, delay_problem
from serin_core.api.durations import Duration
from serin_core.api.gates import Gates
from serin_core.api.notifications import Destinations
from serin_core.api.progress import DEFAULT_DEADLINE, OnProgressDeadline, ProgressDeadline
from serin_core.api.registry_volume import VOLUME_RULE
from serin_core.api.rollback import Rollback
from serin_core.api.server import Server
from serin_core.api.supervision import SUPERVISION_TIMEOUT, SupervisionTimeout
from serin_core.api.waiting import MAX_WINDOWS, Approval, Window

RUN_PATTERN = r"^run_[0-9a-f]{8}_[0-9]{1,12}$"
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
MAX_NAME_LENGTH = 44
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""Names that the API server takes; that of the Service is made from any of them."""


class RegistryVolume(SpecModel):
    """Volume that holds the registry, mounted read-only at /registry in every server pod: a claim or an image."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.claimName) != has(self.image)", "set exactly one of claimName and image"),
        )
    )

    claim_name: Name | None = Field(None, description="A PersistentVolumeClaim in this namespace.")
    image: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="An OCI image mounted as a volume (Kubernetes 1.35 and newer)."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.claim_name is None) == (self.image is None):
            raise ValueError("set exactly one of claimName and image")
        return self


# The API server checks the default {} before it fills in the defaults of its fields: hence has().
_IS_DIRECTORY = "(!has(self.uri) || self.uri.startsWith('/') || self.uri.startsWith('file:'))"
_IS_ON_VOLUME = "(!has(self.uri) || self.uri.matches('^(file://)?/registry(/|$)'))"
_VOLUME_OF_DIRECTORY = "a volume needs a uri that is a directory, for example /registry"
_URI_ON_VOLUME = "the volume is mounted at /registry: uri must be /registry or a directory below it"
_SECRET_OF_STORE = "a secretName needs a uri that is s3://, gs://, az:// or https://"  # noqa: S105 - a message


class Registry(SpecModel):
    """Registry that the server pods load runs from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (f"!has(self.volume) || {_IS_DIRECTORY}", _VOLUME_OF_DIRECTORY),
            (f"!has(self.volume) || !{_IS_DIRECTORY} || {_IS_ON_VOLUME}", _URI_ON_VOLUME),
            (f"!has(self.secretName) || !{_IS_DIRECTORY}", _SECRET_OF_STORE),
        )
    )

    uri: str = Field(
        "/registry",
        max_length=512,
        pattern=r"^(/|file:///|(s3|gs|az|https)://[^/?#@ ]+(/[^?#@ ]*)?$)",
        description="Address of the registry: a directory in the server pods (/registry or below it if volume is "
        "set), or "
        "s3://, gs://, az://, https:// without credentials. Runs are in its folder ledger_suggestions. Default: "
        "/registry.",
    )
    volume: RegistryVolume | None = Field(
        None, description="Volume to mount at /registry. Required unless uri is an object store."
    )
    secret_name: Name | None = Field(
        None,
        description="Secret in this namespace whose keys are set as environment variables of the server: credentials "
        "of "
        "the object store, for example AWS_ACCESS_KEY_ID.",
    )

    @model_validator(mode="after")
    def _fits_its_uri(self) -> Self:
        if self.is_directory and self.secret_name is not None:
            raise ValueError(_SECRET_OF_STORE)
        if not self.is_directory and self.volume is not None:
            raise ValueError(_VOLUME_OF_DIRECTORY)
        if self.volume is not None and not re.match("^(file://)?/registry(/|$)", self.uri):
            raise ValueError(_URI_ON_VOLUME)
        return self

    @property
    def is_directory(self) -> bool:
        """Whether the registry is a directory and not an object store."""
        return self.uri.startswith(("/", "file:"))


class Step(SpecModel):
    """One stage of the canary."""

    percent: Annotated[float, Strict(), Field(gt=0, le=100)] = Field(
        description="Percent of users served by the candidate in this stage."
    )
    soak: Duration = Field(timedelta(hours=24), description="Minimum time in this stage. Default: 24h.")
    approval: Approval | None = Field(
        None,
        description="Manual: this stage begins when a user approves it (`kubectl serin promote NAME`). Automatic: "
        "without. Default: that of spec.canary.approval.",
    )


def _increasing(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    percents = [step.percent for step in steps]
    if percents != sorted(set(percents)):
        raise ValueError("steps must be strictly increasing in percent, for example 10, 50, 100")
    return steps


DEFAULT_STEPS = tuple(Step(percent=percent, soak=timedelta(hours=24)) for percent in (10, 50, 100))


class Canary(SpecModel):
    """Stages of a rollout: shadow, which no user sees, then increasing shares of users, each judged by the gates."""

    percent: Percent = Field(
        100,
        description="Maximum percent of users. Steps above it are replaced by one step at it. 0: shadow only; for a "
        "run that "
        "is already promoted, 0 is the emergency stop: it is rolled back at once. Default: 100.",
    )
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20), AfterValidator(_increasing)] = Field(
        DEFAULT_STEPS,
        description="Stages after the shadow, strictly increasing in percent. Default: 10, 50 and 100 percent, 24h "
        "each.",
        json_schema_extra=rules(
            (
                "self.all(a, self.exists_one(b, b.percent == a.percent)) && self.map(s, double(s.percent)).isSorted()",
                "steps must be strictly increasing in percent, for example 10, 50, 100",
            ),
        )
        | {"x-kubernetes-list-type": "atomic"},
    )
    shadow_soak: Duration = Field(
        timedelta(hours=24), description="Minimum time in shadow, before the first step. Default: 24h."
    )
    supervision_timeout: SupervisionTimeout = SUPERVISION_TIMEOUT
    approval: Approval = Field(
        "Automatic",
        description="Manual: each step begins when a user approves it, after the soak and the gates of the stage "
        "before. Promotion after the last step needs no approval. Default: Automatic.",
    )
    windows: Annotated[tuple[Window, ...], Field(max_length=MAX_WINDOWS)] = Field(
        (),
        description="Windows in which a step, or the promotion after the last one, may begin. They delay neither "
        "evidence nor a rollback. Default: none, always open.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class Thresholds(SpecModel):
    """Minimum calibrated confidence, from 0 to 1, at which a model's answer is used."""

    default: Share = Field(0.70, description="Threshold of every class that is not listed in perClass. Default: 0.70.")
    per_class: Annotated[dict[Annotated[str, Field(max_length=128)], Share], Field(max_length=256)] = Field(
        {}, description="Thresholds by class, for example {Groceries: 0.65}."
    )


class Analysis(SpecModel):
    """Analysis of the metrics: where they are read, how often, and with which error rates."""

    prometheus: Name = Field(
        "default", description="Name of a Prometheus endpoint in the operator's configuration. Default: default."
    )
    interval: Duration = Field(
        timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="Time between two checks of the gates, at least 1s. Checking more often does not increase the "
        "error "
        "rates. Default: 30s.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "must be at least 1s")),
    )
    alpha_promote: Annotated[float, Strict(), Field(gt=0, le=0.5)] = Field(
        0.05,
        description="Maximum probability that a stage passes a gate although the run is below its bound. "
        "Default: 0.05.",
    )
    alpha_rollback: Annotated[float, Strict(), Field(gt=0, le=0.5)] = Field(
        0.05,
        description="Maximum probability, over the whole rollout, that a run within all bounds is rolled back. "
        "Default: 0.05.",
    )
    max_duration: Duration = Field(
        timedelta(hours=336),
        ge=timedelta(seconds=1),
        description="Maximum time of a stage without a verdict, from its start; then onInconclusive applies. Default: "
        "336h.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "must be at least 1s")),
    )
    on_inconclusive: Literal["Hold", "Rollback", "Promote"] = Field(
        "Hold",
        description="What happens after maxDuration without a verdict. Hold (default): wait. Rollback: roll back. "
        "Promote: "
        "advance without proof, but never while an estimate is on the wrong side of its bound.",
    )
    no_data_timeout: Duration = Field(
        timedelta(minutes=10),
        ge=timedelta(seconds=1),
        description="Maximum time of a stage without data from Prometheus; then onNoData applies. Default: 10m.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "must be at least 1s")),
    )
    on_no_data: Literal["Hold", "Rollback"] = Field(
        "Hold",
        description="What happens after noDataTimeout without data. Hold (default): keep the share. Rollback: roll "
        "back.",
    )


class SuggestionModelSpec(SpecModel):
    """Desired state, set by users. The operator never modifies it."""

    model_config = ConfigDict(json_schema_extra=rules(HOLDBACK_RULE, CONTROL_GROUP_RULE, *DELAY_RULES, VOLUME_RULE))

    run_id: Annotated[str, Field(pattern=RUN_PATTERN, max_length=32)] = Field(
        alias="runID",
        description="Run to roll out: its full name as `serin runs list` prints it, for example "
        "run_1a2b3c4d_1767225600.",
    )
    digest: Annotated[str, Field(pattern=DIGEST_PATTERN, max_length=71)] | None = Field(
        None,
        description="Expected sha256 of the run's manifest. Default: the first digest that the pods report is pinned "
        "in status.",
    )
    registry: Registry = Field(Registry(), description="Registry that the server pods load runs from.")
    shadow: StrictBool = Field(
        default=True,
        description="Compare the model with the current answer on every request without showing it. Always on during a "
        "rollout; false saves the comparison after promotion. Default: true.",
    )
    canary: Canary = Field(Canary(), description="Stages of a rollout.")
    bake: Bake = Field(Bake(), description="Time after the last step in which gates can still roll back.")
    thresholds: Thresholds = Field(
        Thresholds(), description="Minimum calibrated confidence at which a model's answer is used."
    )
    calibration: StrictBool = Field(default=True, description="Apply the run's isotonic calibrators. Default: true.")
    gates: Gates = Field(Gates(), description="Criteria that a run must meet.")
    analysis: Analysis = Field(Analysis(), description="Analysis of the metrics.")
    progress_deadline: ProgressDeadline = DEFAULT_DEADLINE
    on_progress_deadline: OnProgressDeadline = "Hold"
    rollback: Rollback = Field(Rollback(), description="What serves users after a rollback, and what can be restored.")
    notifications: Destinations = Field(
        (),
        description="Names of destinations in the operator's configuration that are notified of what happens. "
        "Default: none.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    suspend: StrictBool = Field(
        default=False,
        description="Pause the rollout: no promotion, the soak timer is stopped. Failing gates still roll back. "
        "Default: false.",
    )
    history_limit: Annotated[int, Strict(), Field(ge=0, le=100)] = Field(
        10,
        description="Number of trial records that are kept, each in a ConfigMap NAME-trial-NUMBER; the oldest are "
        "deleted. 0: none are written. Default: 10.",
    )
    server: Server = Field(description="The server pods.")

    @model_validator(mode="after")
    def _holds_back_little(self) -> Self:
        if not self.bake.leaves_enough(tuple(step.percent for step in self.canary.steps)):
            raise ValueError(HOLDBACK_TOO_LARGE)
        return self

    @model_validator(mode="after")
    def _has_control_group(self) -> Self:
        if not has_control_group(self.gates, self.bake):
            raise ValueError(NO_CONTROL_GROUP)
        return self

    @model_validator(mode="after")
    def _has_time_for_delays(self) -> Self:
        soaks = {step.percent: step.soak for step in self.canary.steps}
        if problem := delay_problem(self.gates, self.canary.shadow_soak, soaks):
            raise ValueError(problem)
        return self
