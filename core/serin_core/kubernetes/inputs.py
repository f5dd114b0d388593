"""What child objects are rendered from, beside the resource: rules, the server's image and the PodMonitor."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RulesText:
    """Text of the rules in the pod template, "" for none."""

    text: str


@dataclass(frozen=True, slots=True)
class RulesMissing:
    """The rules cannot be read, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class ServerImage:
    """Image of the server pods, from spec and the operator's configuration."""

    reference: str
    pull_policy: str = "IfNotPresent"
    refusal: str = ""
    """Why spec.server.image is not allowed; "" if it is."""
    public_key: str = ""
    """PEM public keys; a run must be signed by one of them. "": no signature is needed."""


@dataclass(frozen=True, slots=True)
class PodMonitorSettings:
    """What the operator's configuration says of PodMonitors."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that a Prometheus of the Prometheus Operator selects PodMonitors by."""
    interval: str = ""
    """Time between two scrapes in the notation of Prometheus, "" for its own default."""
