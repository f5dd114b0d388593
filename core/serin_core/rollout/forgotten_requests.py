"""How handled requests are forgotten, the oldest first, so that none is ever carried out twice.

A request whose annotation still has its value is never forgotten. Of the others, the time of the newest one that was
forgotten is kept: whatever is not newer may have been carried out before, and is ignored. So is, from then on, a
request that has no time.
"""

from datetime import datetime, timedelta
from typing import Final

from serin_core.api.status import HandledRequest, Status
from serin_core.rollout.protocol import Context
from serin_core.rollout.requests import Request, requests_on

MAX_HANDLED: Final = 50
"""Handled requests that are kept, besides those that are still on the object."""
MAX_DATED_AHEAD: Final = 2 * MAX_HANDLED
"""The same with those whose time is still to come: forgotten, they would block all requests until then."""
MAX_BYTES: Final = 32 * 1024
"""Bytes of the values and answers of all handled requests above which fewer are kept."""
AHEAD: Final = timedelta(minutes=5)
"""How far the clock of a user may be ahead."""


def why_too_old(request: Request, status: Status) -> str:
    """Return why a request cannot be told from those that are forgotten, "" if it can."""
    until = status.requests_forgotten_until
    if until is None:
        return ""
    moment = request.time
    if moment is None:
        return (
            "it has no time (2026-01-02T03:04:05Z), so that it may be one that was handled before and is not listed "
            "any more; kubectl serin adds the time"
        )
    if moment <= until:
        return f"it is not newer than {until:%Y-%m-%dT%H:%M:%SZ}; requests up to then are not listed any more"
    return ""


def forget_oldest(context: Context, *, most: int | None = None) -> Status:
    """Return the status with at most `most` handled requests that are not on the object any more.

    Default: MAX_HANDLED, and as many as leave all handled requests at most MAX_BYTES.
    """
    status, most = context.status, MAX_HANDLED if most is None else most
    present = {(one.action, one.value) for one in requests_on(context.resource)}
    absent = [one for one in status.handled_requests if (one.action, one.value) not in present]
    ahead = [one for one in absent if (_time(one) or context.now) > context.now + AHEAD]
    past = [one for one in absent if one not in ahead]
    forgotten = past[: max(len(past) - most, _beyond_bytes(past, status), 0)]
    forgotten += ahead[: max(len(ahead) - MAX_DATED_AHEAD, 0)]
    if not forgotten:
        return status
    moments = [max(one.at, _time(one) or one.at) for one in forgotten]
    until = max([*moments, *filter(None, [status.requests_forgotten_until])])
    kept = tuple(one for one in status.handled_requests if one not in forgotten)
    return status.changed(handled_requests=kept, requests_forgotten_until=until)


def _beyond_bytes(past: list[HandledRequest], status: Status) -> int:
    """Return how many of the oldest handled requests, all of them `past`, are beyond MAX_BYTES."""
    left = sum(map(_size, status.handled_requests)) - MAX_BYTES
    for number, one in enumerate(past):
        if left <= 0:
            return number
        left -= _size(one)
    return len(past)


def _size(one: HandledRequest) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in (one.value, one.answer))


def _time(one: HandledRequest) -> datetime | None:
    return Request(one.action, one.value).time
