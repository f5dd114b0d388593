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
    """Image of the server pods and what else the operator's configuration decides about them."""

    reference: str
    pull_policy: str = "IfNotPresent"
    refusal: str = ""
    """Why spec.server.image is not allowed; "" if it is."""
    annotation_refusal: str = ""
    """Why an annotation of the service account is not allowed; "" if all are."""
    public_key: str = ""
    """PEM public keys; a run must be signed by one of them. "": no signature is needed."""
    routing_key: str = ""
    """PEM public key; pods accept routing from the operator itself if it is signed by it. "": pods accept none."""
    ids: Mapping[str, int] = field(default_factory=dict)
    """User and group ids of the pods, by their field of a pod's securityContext; those of the image if empty."""

    @property
    def is_allowed(self) -> bool:
        """Whether the operator's configuration allows what the spec asks for; otherwise pods stay as they are."""
        return not self.refusal and not self.annotation_refusal


@dataclass(frozen=True, slots=True)
class PodMonitorSettings:
    """What the operator's configuration says of PodMonitors."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that a Prometheus of the Prometheus Operator selects PodMonitors by."""
    interval: str = ""
    """Time between two scrapes in the notation of Prometheus, "" for its own default."""
