"""The resource `SuggestionModel`: its spec, as a person writes it. The one source of the CRD's schema (see crd.py).

Every field has a description for `kubectl explain`; every static rule stands beside its field, once as CEL for the
API server. The operator never writes here.
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, StrictBool, model_validator

from serin_core.api.base import Percent, Share, SpecModel, rules
from serin_core.api.durations import Duration
from serin_core.api.gates import Gates
from serin_core.contract.documents import Thresholds as ServedThresholds
from serin_core.kubernetes.diff import quantity

RUN_PATTERN = r"^run_[0-9a-f]{8}_[0-9]{1,12}$"
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
RETENTION_PATTERN = r"^[1-9][0-9]{0,4}d$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
LONGEST_NAME = 44

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_PATTERN)]


class RegistryVolume(SpecModel):
    """The volume that holds the registry, mounted read-only at /registry in every server pod: a claim or an image."""

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
_VOLUME_OF_DIRECTORY = "a volume needs a uri that is a directory, for example /registry"
_SECRET_OF_STORE = "a secretName needs a uri that is s3://, gs://, az:// or https://"  # noqa: S105 - a message


class Registry(SpecModel):
    """Where runs are kept."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (f"!has(self.volume) || {_IS_DIRECTORY}", _VOLUME_OF_DIRECTORY),
            (f"!has(self.secretName) || !{_IS_DIRECTORY}", _SECRET_OF_STORE),
        )
    )

    uri: str = Field(
        "/registry",
        max_length=512,
        pattern=r"^(/|file:///|(s3|gs|az|https)://[^/?#@ ]+(/[^?#@ ]*)?$)",
        description="A directory as the server pods see it, or s3://, gs://, az://, https:// without a password in it. "
        "Runs lie below it in ledger_suggestions/.",
    )
    volume: RegistryVolume | None = Field(None, description="The volume that holds the registry, if it is a directory.")
    secret_name: Name | None = Field(
        None,
        description="A Secret in this namespace whose keys become environment variables of the server: credentials "
        "of the object store, for example AWS_ACCESS_KEY_ID.",
    )

    @model_validator(mode="after")
    def _fits_its_uri(self) -> Self:
        if self.is_directory and self.secret_name is not None:
            raise ValueError(_SECRET_OF_STORE)
        if not self.is_directory and self.volume is not None:
            raise ValueError(_VOLUME_OF_DIRECTORY)
        return self

    @property
    def is_directory(self) -> bool:
        """Answer whether it is a directory, and no object store."""
        return self.uri.startswith(("/", "file:"))


class Step(SpecModel):
    """One stage of the canary."""

    percent: Annotated[float, Strict(), Field(gt=0, le=100)] = Field(
        description="Share of users, in percent, in this stage."
    )
    soak: Duration = Field(timedelta(hours=24), description="The least time in this stage.")


def _increasing(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    percents = [step.percent for step in steps]
    if percents != sorted(set(percents)):
        raise ValueError("steps must be strictly increasing in percent, for example 10, 50, 100")
    return steps


DEFAULT_STEPS = tuple(Step(percent=percent, soak=timedelta(hours=24)) for percent in (10, 50, 100))


class Canary(SpecModel):
    """How the share of users grows: shadow first (nobody sees the run), then step by step, each judged by the gates."""

    percent: Percent = Field(
        100,
        description="The cap, in percent of users. Steps above it become one step at it. 0: shadow only; for a run "
        "that is already promoted, 0 is the emergency brake: it is taken back at once.",
    )
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20), AfterValidator(_increasing)] = Field(
        DEFAULT_STEPS,
        description="The shares to pass through, strictly increasing. Default: 10, 50 and 100 percent, 24h each.",
        json_schema_extra=rules(
            (
                "self.all(a, self.exists_one(b, b.percent == a.percent)) && self.map(s, double(s.percent)).isSorted()",
                "steps must be strictly increasing in percent, for example 10, 50, 100",
            ),
        )
        | {"x-kubernetes-list-type": "atomic"},
    )
    shadow_soak: Duration = Field(timedelta(hours=24), description="The least time in shadow, before the first step.")


class Thresholds(SpecModel):
    """The least calibrated confidence, from 0 to 1, at which a model's answer is used."""

    default: Share = Field(0.70, description="For every class that is not named in perClass.")
    per_class: Annotated[dict[Annotated[str, Field(max_length=128)], Share], Field(max_length=256)] = Field(
        {}, description="By class, for example {Groceries: 0.65}."
    )

    def served(self) -> ServedThresholds:
        """Answer the same, as it stands in a routing document."""
        return ServedThresholds(default=self.default, per_class=dict(self.per_class))


class Analysis(SpecModel):
    """How evidence is gathered and how sure it must be."""

    prometheus: Name = Field(
        "default", description="The name of a Prometheus endpoint in the operator's configuration."
    )
    interval: Duration = Field(
        timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="Time between looks, at least 1s. Looking more often does not weaken the guarantee.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "must be at least 1s")),
    )
    alpha_promote: Annotated[float, Strict(), Field(gt=0, le=0.5)] = Field(
        0.05, description="Greatest chance that a stage passes a gate which the run does not deserve to pass."
    )
    alpha_rollback: Annotated[float, Strict(), Field(gt=0, le=0.5)] = Field(
        0.05, description="Greatest chance, over the whole rollout, that a sound run is rolled back."
    )
    max_duration: Duration = Field(
        timedelta(hours=336),
        ge=timedelta(seconds=1),
        description="How long a stage may stay without a verdict, from its start; then onInconclusive decides.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "must be at least 1s")),
    )
    on_inconclusive: Literal["Hold", "Rollback", "Promote"] = Field(
        "Hold",
        description="After maxDuration without a verdict. Hold: go on, until a person decides. Rollback: take the run "
        "back. Promote: the next step without proof, but never while an estimate lies on the bad side of its bound.",
    )
    no_data_timeout: Duration = Field(
        timedelta(minutes=10),
        ge=timedelta(seconds=1),
        description="How long a stage may be without data; then onNoData decides.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "must be at least 1s")),
    )
    on_no_data: Literal["Hold", "Rollback"] = Field(
        "Hold", description="After noDataTimeout without data. Hold: keep the share. Rollback: take the run back."
    )


class Rollback(SpecModel):
    """What answers after a run was taken back."""

    to: Literal["Stable", "Rules"] = Field(
        "Stable", description="Stable: the run before the one taken back (rules while there is none). Rules: the rules."
    )


class RulesSource(SpecModel):
    """The rules that answer when no model does."""

    config_map_name: Name = Field(description="A ConfigMap in this namespace with the key rules.yaml.")


class TokenSource(SpecModel):
    """Who may ask the server."""

    secret_name: Name = Field(
        description="A Secret in this namespace: token (users), admin-token (reload), event-key (optional)."
    )


class Postgres(SpecModel):
    """A Postgres database."""

    secret_name: Name = Field(description="A Secret in this namespace with the key url, postgresql://...")


_RETENTION_OF_STORE = "a retention needs a store, postgres"


class Store(SpecModel):
    """Where transactions and feedback are kept. Without one, requests carry their transactions themselves."""

    model_config = ConfigDict(
        json_schema_extra=rules(("!has(self.retention) || has(self.postgres)", _RETENTION_OF_STORE))
    )

    postgres: Postgres | None = Field(None, description="Keep them in Postgres, shared by all pods.")
    retention: Annotated[str, Field(pattern=RETENTION_PATTERN, max_length=6)] | None = Field(
        None,
        description="How long transactions and feedback are kept, in days, for example 400d. Without it they are kept "
        "until somebody erases them.",
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if self.retention is not None and self.postgres is None:
            raise ValueError(_RETENTION_OF_STORE)
        return self


Quantity = Annotated[str, Field(max_length=24, pattern=r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]


# The API server checks the default {} before it fills in the defaults of its fields: hence has().
_WITHIN_LIMITS = (
    "!has(self.requests) || !has(self.limits) || ['cpu', 'memory'].all(k, !(k in self.requests) || !(k in self.limits)"
    " || quantity(self.requests[k]).compareTo(quantity(self.limits[k])) <= 0)"
)
_ASKS_FOR_TOO_MUCH = "requests must not be above limits, neither of cpu nor of memory"


class Resources(SpecModel):
    """What the server container asks for, and its bounds."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (_WITHIN_LIMITS, _ASKS_FOR_TOO_MUCH),
        )
    )

    requests: Annotated[dict[Literal["cpu", "memory"], Quantity], Field(max_length=2)] = Field(
        {"cpu": "100m", "memory": "256Mi"},
        description="Least cpu and memory, for example {cpu: 100m, memory: 256Mi}.",
    )
    limits: Annotated[dict[Literal["cpu", "memory"], Quantity], Field(max_length=2)] = Field(
        {"memory": "1Gi"}, description="Most cpu and memory, for example {memory: 1Gi}."
    )

    @model_validator(mode="after")
    def _asks_for_what_it_may_have(self) -> Self:
        if any(
            quantity(self.requests[name]) > quantity(most)
            for name, most in self.limits.items()
            if name in self.requests
        ):
            raise ValueError(_ASKS_FOR_TOO_MUCH)
        return self


class Server(SpecModel):
    """The server pods."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="Only prefixes that the operator's configuration allows. Default: the operator's own choice."
    )
    replicas: Annotated[int, Strict(), Field(ge=0, le=1000)] = Field(2, description="How many pods.")
    resources: Resources = Field(Resources(), description="What the server container asks for, and its bounds.")
    rules: RulesSource | None = Field(None, description="The rules that answer when no model does.")
    token: TokenSource = Field(description="Who may ask the server.")
    store: Store = Field(Store(), description="Where transactions and feedback are kept.")


class SuggestionModelSpec(SpecModel):
    """What is wanted. Written only by its users, never by the operator."""

    run_id: Annotated[str, Field(pattern=RUN_PATTERN, max_length=32)] = Field(
        alias="runID",
        description="The run to roll out: its directory name in the registry, for example run_1a2b3c4d_1767225600.",
    )
    digest: Annotated[str, Field(pattern=DIGEST_PATTERN, max_length=71)] | None = Field(
        None,
        description="Pins the sha256 of the run's manifest. Without it, the first one reported is pinned in status.",
    )
    registry: Registry = Field(Registry(), description="Where runs are kept.")
    shadow: StrictBool = Field(
        default=True,
        description="Compare on every request without showing it. Always on while a run is on trial; false saves the "
        "comparison once it is promoted.",
    )
    canary: Canary = Field(Canary(), description="How the share of users grows.")
    thresholds: Thresholds = Field(
        Thresholds(), description="The least calibrated confidence at which a model's answer is used."
    )
    calibration: StrictBool = Field(default=True, description="Apply the run's isotonic calibrators.")
    gates: Gates = Field(Gates(), description="What a run must prove.")
    analysis: Analysis = Field(Analysis(), description="How evidence is gathered and how sure it must be.")
    rollback: Rollback = Field(Rollback(), description="What answers after a run was taken back.")
    suspend: StrictBool = Field(
        default=False, description="While true, no raise and no soak; a gate that fails still rolls back."
    )
    server: Server = Field(description="The server pods.")
