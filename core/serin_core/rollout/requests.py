"""Manual requests as annotations: what one says, which have no answer yet, and how they are answered.

`request.serin.dev/<action>: "<runID> <anything that makes it new>"`; promote names its stage too: `"<runID> 10 ..."`.
Every value acts at most once and only for the run (and stage) that it names; all answers are kept in status.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from serin_core.api.base import shortened
from serin_core.api.resource import Resource
from serin_core.api.status import HandledRequest, Status
from serin_core.contract.names import REQUEST_PREFIX
from serin_core.contract.request_values import kept_value
from serin_core.rollout.protocol import Context
from serin_core.rollout.transition import Transition

MAX_REQUESTS: Final = 64
"""Annotations of requests that are read of one object: there are fewer actions, but anybody can invent more."""
MAX_ANSWER: Final = 1000
MAX_BY: Final = 100
MAX_REASON: Final = 300
"""Characters of what is kept of each."""
NEW_OBJECT: Final = "Ignored: new object, ask again"
BY: Final = "by="
"""Prefix of the word of a request that names its user."""
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass(frozen=True, slots=True)
class Request:
    """One annotation that has not been answered."""

    action: str
    value: str

    @property
    def run_id(self) -> str:
        """The run that it names, "" for none."""
        return self.value.split()[0] if self.value.split() else ""

    @property
    def percent(self) -> float | None:
        """The stage that a promote names, None where it names none."""
        words = self.value.split()
        try:
            return float(words[1].removesuffix("%"))
        except (IndexError, ValueError):
            return None

    @property
    def names_bake(self) -> bool:
        """Whether a promote names the bake as the stage to end."""
        return self.value.split()[1:2] == ["bake"]

    @property
    def digest(self) -> str:
        """The digest that a trust names, "" where it names none."""
        return next((word for word in self.value.split()[1:2] if word.startswith("sha256:")), "")

    @property
    def time(self) -> datetime | None:
        """The time that it names, None for none."""
        for word in self._words:
            if _TIMESTAMP.fullmatch(word):
                with suppress(ValueError):
                    return datetime.fromisoformat(word)
        return None

    @property
    def by(self) -> str:
        """The user who made it, as it says itself (`by=jane`); "" if it does not."""
        return next((word.removeprefix(BY) for word in self._words if word.startswith(BY)), "")

    @property
    def reason(self) -> str:
        """All words after the run (and the stage of a promote), without timestamp and user; "" for none."""
        user = f"{BY}{self.by}"
        return " ".join(word for word in self._words if word != user and not _TIMESTAMP.fullmatch(word))

    @property
    def note(self) -> str:
        """The reason, or that there is none."""
        return self.reason or "no reason given"

    @property
    def origin(self) -> str:
        """Who requested it and why, for a message: `requested by jane: checked by hand`."""
        return f"requested{self.author}: {self.note}"

    @property
    def author(self) -> str:
        """Who made it, as the end of a clause: ` by jane`; "" if it does not name them."""
        return f" by {self.by}" if self.by else ""

    @property
    def _words(self) -> list[str]:
        names_more = self.action in ("promote", "forget-pod") or (self.action == "trust" and self.digest)
        return self.value.split()[2 if names_more else 1 :]


def requests_on(resource: Resource) -> tuple[Request, ...]:
    """Return the requests on the object, in the order of their actions, at most MAX_REQUESTS."""
    found = (
        Request(key.removeprefix(REQUEST_PREFIX), kept_value(value))
        for key, value in sorted(resource.annotations.items())
        if key.startswith(REQUEST_PREFIX)
    )
    return tuple(islice(found, MAX_REQUESTS))


def unanswered(resource: Resource, status: Status) -> tuple[Request, ...]:
    """Return the requests on the object that have not been handled, in the order of their actions."""
    handled = {(request.action, request.value) for request in status.handled_requests}
    return tuple(one for one in requests_on(resource) if (one.action, one.value) not in handled)


def answer(status: Status, requests: Iterable[Request], text: str, *, now: datetime) -> Status:
    """Return the status with the same answer to each of `requests`."""
    answered = tuple(
        HandledRequest(
            action=one.action,
            value=one.value,
            by=shortened(one.by, MAX_BY),
            reason=shortened(one.reason, MAX_REASON),
            answer=shortened(text, MAX_ANSWER),
            at=now,
        )
        for one in requests
    )
    return status.changed(handled_requests=(*status.handled_requests, *answered))


def request_for(context: Context, action: str, run_id: str | None = None) -> Request | None:
    """Return the unanswered request for an action on a run, or on any, None if there is none."""
    requests = unanswered(context.resource, context.status)
    return next((one for one in requests if one.action == action and run_id in (None, one.run_id)), None)


def follows(action: str, later: Request, context: Context) -> bool:
    """Return whether a request for an action that has not acted yet is on the object, and was made before this one.

    Both may have been written before the operator saw either. Which one was first is known by their times alone.
    """
    first = request_for(context, action, later.run_id)
    return first is not None and first.time is not None and later.time is not None and first.time <= later.time


def done(context: Context, request: Request, status: Status, message: str, *, is_proven: bool = False) -> Transition:
    """Return the transition of a request that acted, with its answer and with who asked for it and why."""
    status = answer(status, (request,), f"Done: {message}", now=context.now)
    is_rollback = request.action in ("abort", "undo")
    by = f"{request.action} {request.value}"
    text = f"{message} ({request.origin})"
    return Transition(status, request.run_id, text, by=by, is_warning=is_rollback, is_proven=is_proven)


def on_request(context: Context, action: str, transition: Transition) -> Transition:
    """Return a transition that an edit of the spec causes, with who asked for it and why, if somebody did."""
    request = request_for(context, action, transition.run_id)
    return transition if request is None else done(context, request, transition.status, transition.message)


def why_not_the_candidate(request: Request, context: Context) -> str:
    """Return why a request does not concern the candidate of a running rollout, "" if it does."""
    rollout = context.status.rollout
    if rollout is not None and rollout.run_id == request.run_id:
        return ""
    actual = "no rollout is running" if rollout is None else f"the candidate is {rollout.run_id}"
    return f"{request.run_id or 'no run'} is not being rolled out; {actual}"
