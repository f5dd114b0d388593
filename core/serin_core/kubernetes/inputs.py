"""What child objects are rendered from, beside the resource: rules and the server's image."""

from dataclasses import dataclass


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
