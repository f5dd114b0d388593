"""Feedback on a suggestion: its outcome, its record in the store, and its count in the stage of the suggestion."""

from typing import Final

from serin_server.event_ids import Event
from serin_server.metrics.counters import Counters, Outcome
from serin_server.stores.store import Feedback, Store

_MILLISECONDS: Final = 1000


class NothingSuggestedError(ValueError):
    """Feedback that accepts or rejects a suggestion that was empty. The message is one line."""


async def record_feedback(  # noqa: PLR0913 - by name
    event: Event, *, accepted: bool | None, label: str | None, store: Store, counters: Counters, now: float
) -> tuple[Outcome, bool]:
    """Store feedback and count it if it is the first on its suggestion; return the outcome, and whether it was.

    Exactly one of `accepted` and `label` is given; `now` is Unix time in seconds. Raises NothingSuggestedError,
    StoreUnavailableError.
    """
    outcome = _outcome(event, accepted=accepted, label=label)
    right = label or (event.label if accepted else "")
    is_first = await store.record(Feedback(event, at=int(now * _MILLISECONDS), outcome=outcome, label=right))
    counts = counters.find(event.key)
    if is_first and counts is not None:
        counts.arms[event.arm].feedback[outcome] += 1
    return outcome, is_first


def _outcome(event: Event, *, accepted: bool | None, label: str | None) -> Outcome:
    """Return the outcome of feedback.

    A label for an empty suggestion counts as rejected, like a wrong label: otherwise an arm that suggests nothing for
    difficult transactions would look better (docs/decisions/0024).
    """
    if label is not None:
        return Outcome.ACCEPTED if label == event.label else Outcome.REJECTED
    if not event.label:
        raise NothingSuggestedError('body.accepted: nothing was suggested here; send {"label": "..."} instead')
    return Outcome.ACCEPTED if accepted else Outcome.REJECTED
