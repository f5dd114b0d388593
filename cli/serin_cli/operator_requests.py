"""Requests to the operator as annotations: how they are written, and which have no answer yet (docs/contracts.md)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from serin_cli.resource import Live, status_of
from serin_core.contract.names import REQUEST_PREFIX
from serin_core.contract.request_values import kept_value

_REPLACES: Final = "This replaces a request that the operator has not answered, and that will not act: {action} {value}"


class Requests(Protocol):
    """A namespace whose SuggestionModels can be annotated; each method raises ClusterError."""

    def get(self, name: str) -> dict[str, Any]:
        """Return one SuggestionModel."""

    def user(self) -> str:
        """Return the name of the caller, "" if it is not known."""

    def annotate(self, name: str, annotations: Mapping[str, str], *, spec: Mapping[str, Any] | None = None) -> None:
        """Set annotations, and with them fields of the spec."""


def request_value(run: str, *details: str, user: str, reason: str) -> str:
    """Return the value of a request: what it names, the time, which makes it a new one, the user and the reason."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return " ".join([run, *details, moment, *([f"by={user}"] if user else []), *reason.split()])


def write_request(
    cluster: Requests, name: str, action: str, value: str, *, spec: Mapping[str, Any] | None = None
) -> None:
    """Write the annotation of a request, with it an edit of the spec. Raises ClusterError."""
    cluster.annotate(name, {f"{REQUEST_PREFIX}{action}": value}, spec=spec)


def describe_replaced(live: Live, action: str) -> str:
    """Return which request another one of this action replaces before it was answered, "" if none."""
    replaced = _unanswered(live, action)
    return _REPLACES.format(action=action, value=kept_value(replaced)) if replaced else ""


def answer_of(live: Live, action: str, value: str) -> str | None:
    """Return the operator's answer to a request, None before it."""
    handled = status_of(live).get("handledRequests", [])
    kept = kept_value(value)
    return next((one["answer"] for one in handled if (one["action"], one["value"]) == (action, kept)), None)


def requests_of(live: Live) -> dict[str, str]:
    """Return the values of the requests that a SuggestionModel carries, by action."""
    annotations = live["metadata"].get("annotations") or {}
    return {
        key.removeprefix(REQUEST_PREFIX): value for key, value in annotations.items() if key.startswith(REQUEST_PREFIX)
    }


def _unanswered(live: Live, action: str) -> str:
    value = requests_of(live).get(action, "")
    return value if value and answer_of(live, action, value) is None else ""
