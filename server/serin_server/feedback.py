"""Feedback on a suggestion: its outcome, its record in the store, and its count in the stage of the suggestion."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import ClassVar, Final

from serin_server.event_ids import Event
from serin_server.metrics.counters import Counters, Outcome
from serin_server.stores.store import Feedback, Recorded, Store

_MILLISECONDS: Final = 1000
_MAX_CLASSES: Final = 20
"""Classes that an error lists."""


class FeedbackError(ValueError):
    """Feedback that makes no sense for its suggestion. The message is one line."""

    field: ClassVar[str]
    """The field of the request that is wrong."""


class NothingSuggestedError(FeedbackError):
    """Feedback that accepts or rejects a suggestion that was empty."""

    field = "accepted"


class UnknownLabelError(FeedbackError):
    """A label that no run or rule of this server can suggest."""

    field = "label"


async def record_feedback(  # noqa: PLR0913 - by name
    event: Event,
    *,
    accepted: bool | None,
    label: str | None,
    classes: Collection[str],
    store: Store,
    counters: Counters,
    now: float,
) -> tuple[Recorded, bool]:
    """Store feedback and count it if it is the first on its suggestion; return what counts, and whether it is this.

    Exactly one of `accepted` and `label` is given; `classes` are the labels that are valid, all if it is empty; `now`
    is Unix time in seconds. Raises FeedbackError, StoreUnavailableError.
    """
    if label is not None and label != event.label and classes and label not in classes:
        raise UnknownLabelError(_unknown_label(label, event.run_id, sorted(classes)))
    given = Recorded(_outcome(event, accepted=accepted, label=label), label or (event.label if accepted else ""))
    is_first = await store.record(Feedback(event, int(now * _MILLISECONDS), given.outcome, given.label))
    if not is_first:
        # None if it has expired in between.
        return await store.recorded(event) or given, False
    counts = counters.find(event.key)
    if counts is not None:
        counts.arms[event.arm].feedback[given.outcome] += 1
    return given, True


def _outcome(event: Event, *, accepted: bool | None, label: str | None) -> Outcome:
    """Return the outcome of feedback.

    A label for an empty suggestion counts as rejected, like a wrong label: otherwise an arm that suggests nothing for
    difficult transactions would look better (docs/decisions/0024).
    """
    if label is not None:
        return Outcome.ACCEPTED if label == event.label else Outcome.REJECTED
    if not event.label:
        raise NothingSuggestedError('nothing was suggested here; send {"label": "..."} instead')
    return Outcome.ACCEPTED if accepted else Outcome.REJECTED


def _unknown_label(label: str, run: str, classes: list[str]) -> str:
    """Return the error for a label. It does not repeat the label, which is data of a user."""
    near = get_close_matches(label, classes, n=1)
    proposal = f"; did you mean {near[0]}?" if near else ""
    more = f" and {len(classes) - _MAX_CLASSES} more" if len(classes) > _MAX_CLASSES else ""
    return f"not a class of {run} or of the rules{proposal} (classes: {', '.join(classes[:_MAX_CLASSES])}{more})"
