"""The part of the spec that describes the server pods."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from serin_core.api.base import Name, SpecModel, rules
from serin_core.api.pod import CaBundle, PodSettings, Proxy, Resources
from serin_core.api.scaling import INITIAL_REPLICAS, ONE_OWNER, ONE_OWNER_RULE, Autoscaling, Replicas

RETENTION_PATTERN = r"^[1-9][0-9]{0,4}d$"
_RETENTION_OF_STORE = "retention needs a store: set postgres as well"


class RulesSource(SpecModel):
    """Keyword rules, the fallback when no model answers."""

    config_map_name: Name = Field(description="ConfigMap in this namespace with the key rules.yaml.")


class TokenSource(SpecModel):
    """Credentials that clients of the server must present."""

    secret_name: Name = Field(
        description="Secret in this namespace with the keys token (clients), admin-token (reload) and, optionally, "
        "event-key "
        "(signs event ids)."
    )


class Tls(SpecModel):
    """Certificate that requests are served with."""

    secret_name: Name = Field(
        description="Secret of type kubernetes.io/tls in this namespace, with the keys tls.crt and tls.key. A renewed "
        "one is read within about a minute."
    )


class Postgres(SpecModel):
    """A Postgres database."""

    secret_name: Name = Field(description="Secret in this namespace with the key url, postgresql://...")


class Store(SpecModel):
    """Database for transactions and feedback. Without one, each request must carry its transactions."""

    model_config = ConfigDict(
        json_schema_extra=rules(("!has(self.retention) || has(self.postgres)", _RETENTION_OF_STORE))
    )

    postgres: Postgres | None = Field(None, description="Postgres database, shared by all pods.")
    retention: Annotated[str, Field(pattern=RETENTION_PATTERN, max_length=6)] | None = Field(
        None,
        description="Transactions and feedback older than this are deleted, in days, for example 400d. Default: they "
        "are "
        "kept.",
    )

    @model_validator(mode="after")
    def _has_a_database(self) -> Self:
        if self.retention is not None and self.postgres is None:
            raise ValueError(_RETENTION_OF_STORE)
        return self


class Server(SpecModel):
    """Pods that serve suggestions."""

    model_config = ConfigDict(json_schema_extra=rules(ONE_OWNER_RULE))

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None,
        description="Image of the server; the operator's configuration lists the allowed prefixes. Default: the image "
        "in "
        "the operator's configuration.",
    )
    replicas: Replicas | None = Field(
        None,
        description="Number of pods, which nobody else may change on the Deployment. Default: a new Deployment gets 2 "
        "pods; from then on the number is left to whoever scales the Deployment.",
    )
    autoscaling: Autoscaling | None = Field(
        None, description="Scale the pods by their CPU, instead of replicas. Default: no autoscaler is written."
    )
    resources: Resources = Field(Resources(), description="Resource requests and limits.")
    pod: PodSettings = Field(PodSettings(), description="Labels, scheduling and identity of the pods.")
    proxy: Proxy | None = Field(None, description="Proxy for connections to object stores.")
    ca_bundle: CaBundle | None = Field(
        None, description="Certificate authorities that object stores are verified by. Default: those of the image."
    )
    tls: Tls | None = Field(None, description="Serve requests over HTTPS, at port 443 of the Service. Default: HTTP.")
    keep_alive_seconds: Annotated[int, Strict(), Field(ge=1, le=3600)] | None = Field(
        None,
        description="Seconds that an idle connection of a client stays open: longer than the load balancer keeps it "
        "(AWS 60, Google Cloud 600). Default: 75.",
    )
    rules: RulesSource | None = Field(None, description="Keyword rules, the fallback when no model answers.")
    token: TokenSource = Field(description="Credentials that clients must present.")
    store: Store = Field(Store(), description="Database for transactions and feedback.")

    @model_validator(mode="after")
    def _has_one_number(self) -> Self:
        if self.replicas is not None and self.autoscaling is not None:
            raise ValueError(ONE_OWNER)
        return self

    @property
    def initial_replicas(self) -> int:
        """Pods of a new Deployment."""
        if self.replicas is not None:
            return self.replicas
        return INITIAL_REPLICAS if self.autoscaling is None else self.autoscaling.min_replicas
