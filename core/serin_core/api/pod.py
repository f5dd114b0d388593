"""Settings of the server pods: resources, scheduling, labels, identity, and what their connections go through.

Not offered: access to the host, other volumes, service accounts of others, privileges.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from serin_core.api.base import Name, SpecModel, rules
from serin_core.api.quantities import quantity
from serin_core.api.scheduling import Affinity, KeyOfMap, Labels, Toleration, TopologySpreadConstraint

Quantity = Annotated[str, Field(max_length=24, pattern=r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
Amounts = Annotated[dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity], Field(max_length=3)]

# The API server checks the default {} before it fills in the defaults of its fields: hence has().
_WITHIN_LIMITS = (
    "!has(self.requests) || !has(self.limits) || ['cpu', 'memory', 'ephemeral-storage'].all(k, !(k in self.requests)"
    " || !(k in self.limits) || quantity(self.requests[k]).compareTo(quantity(self.limits[k])) <= 0)"
)
_REQUESTS_ABOVE_LIMITS = "requests must not exceed limits, of cpu, memory and ephemeral-storage"


class Resources(SpecModel):
    """Resource requests and limits of the server container."""

    model_config = ConfigDict(json_schema_extra=rules((_WITHIN_LIMITS, _REQUESTS_ABOVE_LIMITS)))

    requests: Amounts = Field(
        {"cpu": "100m", "memory": "256Mi"},
        description="Requested cpu, memory and ephemeral-storage. Default: {cpu: 100m, memory: 256Mi}.",
    )
    limits: Amounts = Field(
        {"memory": "1Gi"}, description="Limits of cpu, memory and ephemeral-storage. Default: {memory: 1Gi}."
    )

    @model_validator(mode="after")
    def _is_within_limits(self) -> Self:
        if any(
            quantity(self.requests[name]) > quantity(maximum)
            for name, maximum in self.limits.items()
            if name in self.requests
        ):
            raise ValueError(_REQUESTS_ABOVE_LIMITS)
        return self


_RESERVED_PREFIXES = ("serin.dev/", "request.serin.dev/", "prometheus.io/")
_RESERVED_KEYS = (
    *("app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"),
    "pod-template-hash",
)
_RESERVED = (
    "serin.dev/*, prometheus.io/*, pod-template-hash and the name, part-of and managed-by of app.kubernetes.io are set "
    "by the operator and by Kubernetes"
)
_ANY_PREFIX = " || ".join(f"k.startsWith('{prefix}')" for prefix in _RESERVED_PREFIXES)
_NOT_RESERVED = rules((f"self.all(k, !({_ANY_PREFIX} || k in {list(_RESERVED_KEYS)}))", _RESERVED))


def _not_reserved(found: dict[str, str] | None) -> dict[str, str] | None:
    if any(key.startswith(_RESERVED_PREFIXES) or key in _RESERVED_KEYS for key in found or ()):
        raise ValueError(_RESERVED)
    return found


Annotations = Annotated[dict[KeyOfMap, Annotated[str, Field(max_length=8192)]], Field(max_length=32)]


class ImagePullSecret(SpecModel):
    """Secret with credentials of an image registry."""

    name: Name = Field(description="Secret in this namespace of type kubernetes.io/dockerconfigjson.")


class PodSettings(SpecModel):
    """Settings of the pods in the terms of Kubernetes. A change replaces the pods one by one."""

    labels: Annotated[Labels | None, AfterValidator(_not_reserved)] = Field(
        None,
        description="Additional labels of the pods, for example {team: payments}.",
        json_schema_extra=_NOT_RESERVED,
    )
    annotations: Annotated[Annotations | None, AfterValidator(_not_reserved)] = Field(
        None,
        description="Additional annotations of the pods, for example {karpenter.sh/do-not-disrupt: 'true'}.",
        json_schema_extra=_NOT_RESERVED,
    )
    service_account_annotations: Annotated[Annotations | None, AfterValidator(_not_reserved)] = Field(
        None,
        description="Annotations of the pods' service account, for example {eks.amazonaws.com/role-arn: ARN}; the "
        "operator's configuration lists the allowed ones.",
        json_schema_extra=_NOT_RESERVED,
    )
    image_pull_secrets: Annotated[tuple[ImagePullSecret, ...], Field(max_length=16)] | None = Field(
        None, description="Secrets with credentials of the image registry."
    )
    priority_class_name: Name | None = Field(None, description="PriorityClass of the pods.")
    node_selector: Labels | None = Field(None, description="Labels that nodes of the pods must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] | None = Field(
        None, description="Taints of nodes that the pods tolerate."
    )
    affinity: Affinity | None = Field(None, description="Nodes and other pods that the pods run near to or away from.")
    topology_spread_constraints: Annotated[tuple[TopologySpreadConstraint, ...], Field(max_length=16)] | None = Field(
        None,
        description="How evenly the pods are spread. Default: over hosts and zones with maxSkew 1, where that is "
        "possible (ScheduleAnyway). []: no constraints.",
    )


_WITHOUT_CREDENTIALS = "^https?://[^/?#@ ]+/?$"
ProxyAddress = Annotated[str, Field(max_length=512, pattern=_WITHOUT_CREDENTIALS)]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern="^[^, ]+$")]


class Proxy(SpecModel):
    """Proxy for connections of the pods to object stores; Kubernetes and Postgres are never reached through it."""

    http: ProxyAddress | None = Field(None, description="Proxy for http:// addresses, as HTTP_PROXY.")
    https: ProxyAddress | None = Field(
        None, description="Proxy for https:// addresses, as HTTPS_PROXY, for example http://proxy.example.com:3128."
    )
    no_proxy: Annotated[tuple[Host, ...], Field(max_length=64)] | None = Field(
        None, description="Hosts, domains and networks that are reached without it, as NO_PROXY."
    )
    secret_name: Name | None = Field(
        None,
        description="Secret in this namespace with the keys HTTP_PROXY or HTTPS_PROXY, for addresses with a password.",
    )


_ONE_SOURCE = "set exactly one of configMapName and secretName"


class CaBundle(SpecModel):
    """Certificate authorities in PEM that object stores are verified by, instead of those of the image."""

    model_config = ConfigDict(json_schema_extra=rules(("has(self.configMapName) != has(self.secretName)", _ONE_SOURCE)))

    config_map_name: Name | None = Field(None, description="A ConfigMap in this namespace.")
    secret_name: Name | None = Field(None, description="A Secret in this namespace.")
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] = Field(
        "ca.crt", description="Key of the ConfigMap or Secret. Default: ca.crt."
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.config_map_name is None) == (self.secret_name is None):
            raise ValueError(_ONE_SOURCE)
        return self
