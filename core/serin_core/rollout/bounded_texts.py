"""Texts of a status that only people read: the oldest are cut where all of them together are too long.

Each text has its own greatest length. All lists full of the longest texts would still be too much for one object, and
texts of users, registries and check endpoints need not be compressible. Trial records keep the whole texts.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

from serin_core.api.base import StatusModel
from serin_core.api.status import Status

MAX_BYTES: Final = 64 * 1024
"""Bytes of all these texts in UTF-8 above which the oldest are cut."""
SHORT: Final = 200
"""Bytes that are left of a text that is cut."""
_DOTS: Final = " ..."
_TWICE: Final = 2
"""Reasons of rejected runs are also shown in full in the view."""
_Entry = TypeVar("_Entry", bound=StatusModel)


class _Budget:
    """How many bytes all texts have above MAX_BYTES, while the oldest are cut."""

    def __init__(self, over: int) -> None:
        self._over = over

    def cut(self, entries: Sequence[_Entry], *fields: str, times: int = 1) -> tuple[_Entry, ...]:
        """Return entries, the oldest first, of which as many have short texts as necessary; never the newest."""
        found = list(entries)
        for index, entry in enumerate(found[:-1]):
            if self._over <= 0:
                break
            shorter = {field: _short(getattr(entry, field)) for field in fields}
            found[index] = entry.model_copy(update=shorter)
            self._over -= times * sum(_size(getattr(entry, field)) - _size(text) for field, text in shorter.items())
        return tuple(found)


def bounded(status: Status) -> Status:
    """Return the status with the oldest texts cut: of rejected runs, then of requests, history and notifications."""
    over = _total(status) - MAX_BYTES
    if over <= 0:
        return status
    budget, notifications = _Budget(over), status.notifications
    return status.changed(
        rejected=budget.cut(status.rejected, "reason", times=_TWICE),
        handled_requests=budget.cut(status.handled_requests, "answer", "reason"),
        history=budget.cut(status.history, "message", "evidence", "by"),
        notifications=notifications.changed(
            waiting=budget.cut(notifications.waiting, "message", "by"),
            dropped=notifications.dropped,
            sequence=notifications.sequence,
        ),
    )


def _total(status: Status) -> int:
    texts = [one.reason for one in status.rejected] * _TWICE
    texts += [text for one in status.handled_requests for text in (one.value, one.answer, one.reason)]
    texts += [text for one in status.history for text in (one.message, one.evidence, one.by)]
    texts += [text for one in status.notifications.waiting for text in (one.message, one.by)]
    return sum(map(_size, texts))


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _short(text: str) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    return text if len(raw) <= SHORT else f"{raw[: SHORT - len(_DOTS)].decode('utf-8', 'ignore')}{_DOTS}"
