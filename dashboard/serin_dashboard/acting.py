"""Actions of the pages: the same requests as those of the command line, each confirmed by what it will do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from serin_cli.action_plans import ACTIONS, ActionRefusedError, Plan, change_of_undo, plan
from serin_cli.operator_requests import answer_of, describe_replaced, request_value, requests_of, write_request
from serin_cli.ownership import what_to_commit
from serin_cli.resource import Live, full_name
from serin_core.rollout.requests import Request
from serin_dashboard.store import Key

_CHANGED: Final = "The rollout has changed since you were asked, and nothing was done. Now: {effect}"
_NO_RIGHT: Final = (
    "You may see this SuggestionModel, but not act on it: that needs the right to patch suggestionmodels.serin.dev in "
    "the namespace {namespace}."
)


_SHOWN_FOR: Final = timedelta(minutes=10)
"""Time for which an answered request is shown; the history has it for longer."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Namespace(Protocol):
    """A namespace whose SuggestionModels can be annotated; each method raises ClusterError."""

    def get(self, name: str) -> dict[str, Any]:
        """Return one SuggestionModel."""

    def user(self) -> str:
        """Return the name of the caller, "" if it is not known."""

    def may_act(self) -> bool:
        """Return whether the caller may write requests."""

    def annotate(self, name: str, annotations: Mapping[str, str], *, spec: Mapping[str, Any] | None = None) -> None:
        """Set annotations, and with them fields of the spec."""


class Namespaces(Protocol):
    """A cluster by namespace."""

    def at(self, namespace: str) -> Namespace:
        """Return one namespace."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a user is asked before an action."""

    plan: Plan
    replaces: str
    """The request that is replaced before it was answered, "" if none."""
    obstacle: str
    """Why it cannot be done by this user or here, "" if it can."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request, and the operator's answer."""

    action: str
    by: str
    answer: str
    """"" until the operator has answered."""


class Acting:
    """Asks and sends requests."""

    def __init__(self, cluster: Namespaces) -> None:
        self._cluster = cluster

    def ask(self, key: Key, action: str) -> Question:
        """Return what an action would do now. Raises ActionRefusedError and ClusterError."""
        namespace = self._cluster.at(key[0])
        live = namespace.get(key[1])
        planned = _plan(action, live)
        obstacle = what_to_commit(live, change_of_undo(live)) if action == "undo" else ""
        if not namespace.may_act():
            obstacle = _NO_RIGHT.format(namespace=key[0])
        return Question(planned, describe_replaced(live, action), obstacle)

    def send(self, key: Key, action: str, *, effect: str, reason: str) -> None:
        """Send the request if its effect is still the one that the user confirmed.

        Raises ActionRefusedError and ClusterError.
        """
        question = self.ask(key, action)
        if question.obstacle:
            raise ActionRefusedError(question.obstacle)
        planned = question.plan
        if planned.effect != effect:
            raise ActionRefusedError(_CHANGED.format(effect=planned.effect))
        namespace = self._cluster.at(key[0])
        value = request_value(planned.run, *planned.details, user=namespace.user(), reason=reason)
        write_request(namespace, key[1], action, value)


def describe_requests(live: Live, *, now: datetime) -> list[RequestView]:
    """Return the requests without an answer, then those that were answered a short while ago."""
    found, recently = [], (now - _SHOWN_FOR).strftime("%Y-%m-%dT%H:%M:%SZ")
    for action, value in requests_of(live).items():
        request, answer = Request(action, value), answer_of(live, action, value) or ""
        if not answer or any(word >= recently for word in value.split() if _TIME.fullmatch(word)):
            found.append(RequestView(action, request.by or "a user", answer))
    return sorted(found, key=lambda one: (bool(one.answer), one.action))


def _plan(action: str, live: Live) -> Plan:
    if action not in ACTIONS:
        raise ActionRefusedError(f"{action} is no action of {full_name(live)}")
    return plan(action, live)
