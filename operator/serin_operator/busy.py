"""An API server that is overloaded (429) names the seconds after which a request is to be made again: Retry-After."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from serin_operator.interfaces import BusyError

_T = TypeVar("_T")
ATTEMPTS: Final = 3
LONGEST_WAIT: Final = 5.0
"""Seconds that a request waits for. After a longer Retry-After the pass ends, and begins again when that is over."""
Sleep = Callable[[float], Awaitable[None]]


async def patiently(send: Callable[[], Awaitable[_T]], *, sleep: Sleep = asyncio.sleep) -> _T:
    """Make a request, and again after each Retry-After, within bounds. Raises BusyError where they do not suffice."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await send()
        except BusyError as error:
            if not 0 < error.retry_after <= LONGEST_WAIT:
                raise
            # Requests that were turned away together are not to come back together.
            await sleep(error.retry_after * random.uniform(1, 1.25))  # noqa: S311 - jitter, no secret
    return await send()


def retry_after(error: Exception) -> float:
    """Return the seconds for which an error asks to wait, 0 if it does not."""
    return error.retry_after if isinstance(error, BusyError) else 0.0
