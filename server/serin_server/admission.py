"""What one process has room for: connections, open requests, and bytes of bodies.

Whatever is above a limit gets 503 with Retry-After before anything is computed for it, so that the process answers in
time what it takes, and its probes. A connection whose client only waits, or sends slowly, is closed for a new one.
"""

import resource
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

MAX_CONNECTIONS: Final = 2000
"""Whose requests are answered; as many more may be open, whose requests are refused."""
PATIENCE_SECONDS: Final = 2.0
"""How long a connection must have waited for its client before it is closed for another one."""
MAX_OPEN_REQUESTS: Final = 128
"""Requests that have arrived and have no response yet, as while the store is slow."""
MAX_HELD_BYTES: Final = 64 << 20
"""Of bodies of requests that have no response yet."""
MAX_LAG: Final = 0.5
"""Seconds that the event loop may be behind: about how long requests have waited to be read."""
RETRY_SECONDS: Final = 1
"""When a request that was refused may be sent again."""
_TICK: Final = 0.05
_RESERVED_FILES: Final = 200
"""Files of the process that are not connections of clients."""
_MIN_CONNECTIONS: Final = 16


class Room(Enum):
    """What a new connection gets."""

    FREE = auto()
    """Its requests are answered."""
    REFUSAL = auto()
    """Its requests are read and refused, except those of probes, Prometheus and the operator."""
    NONE = auto()
    """It is closed at once."""


class OverloadError(Exception):
    """A request for which there is no room now. The message is one line."""


class Connection(Protocol):
    """A connection of a client."""

    def give_up(self) -> None:
        """End at once; what was not sent is dropped."""


class Timer(Protocol):
    """Something that calls a function after some seconds, like the event loop."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        """Call a function after some seconds."""


def connections_for(files: int) -> int:
    """Return the maximum number of connections of a process that may open `files` files."""
    return max(_MIN_CONNECTIONS, min(MAX_CONNECTIONS, (files - _RESERVED_FILES) // 2))


def raised_file_limit() -> int:
    """Let this process open as many files as the system allows it, if that is not enough; return the number."""
    enough = 2 * MAX_CONNECTIONS + _RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return enough if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


class Admission:
    """The room of one process. Used on the event loop only."""

    def __init__(
        self, *, max_connections: int = MAX_CONNECTIONS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_connections, self._monotonic = max_connections, monotonic
        self._waiting: dict[Connection, float] = {}
        self._working: set[Connection] = set()
        self._held = 0
        self._due: float | None = None
        self._was_late = False
        self._requests = 0
        """Since the turn began."""
        self.refused = 0
        """Requests and connections that were refused."""

    def opened(self, connection: Connection) -> Room:
        """Add a connection that waits for its client, and return what there is room for.

        If all places are taken, the connection that has waited longest for its client is closed, once that is
        PATIENCE_SECONDS: a request of a newer one may have arrived and not been read. If there is no room for a refusal
        either, it is closed at once, because the new connection may be that of a probe.
        """
        now, count = self._monotonic(), len(self._waiting) + self.open_requests
        while self._waiting and count >= self._max_connections:
            longest, since = next(iter(self._waiting.items()))
            if now - since < PATIENCE_SECONDS and count < 2 * self._max_connections:
                break
            self.closed(longest)
            longest.give_up()
            count -= 1
        if count >= 2 * self._max_connections:
            self.refused += 1
            return Room.NONE
        self._waiting[connection] = now
        return Room.FREE if count < self._max_connections else Room.REFUSAL

    def waits(self, connection: Connection) -> None:
        """Note that a connection waits for its client, and has no open request."""
        self._working.discard(connection)
        self._waiting.pop(connection, None)
        self._waiting[connection] = self._monotonic()

    def works(self, connection: Connection) -> None:
        """Note that a request of a connection has arrived, and has no response yet."""
        self._waiting.pop(connection, None)
        self._working.add(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._waiting.pop(connection, None)
        self._working.discard(connection)

    @property
    def open_requests(self) -> int:
        """Return how many requests have arrived and have no response yet."""
        return len(self._working)

    @property
    def is_full(self) -> bool:
        """Return whether there are as many open requests as there may be."""
        return self.open_requests >= MAX_OPEN_REQUESTS

    def is_late(self, timer: Timer) -> bool:
        """Return whether requests wait for too long: the event loop is behind, and was at its last turn.

        One long turn alone is a pause, after which all requests that have waited can be answered: one of each
        connection. But libuv handles thousands of events in one turn if that many come, and nothing else meanwhile.
        """
        now = self._monotonic()
        self._requests += 1
        if self._due is None:
            self._start(timer, now)
            return False
        is_pause = not self._was_late and self._requests <= self._max_connections
        return not is_pause and now > self._due + MAX_LAG

    def has_room(self, received: int) -> bool:
        """Return whether `received` more bytes of bodies may be held."""
        return self._held + received <= MAX_HELD_BYTES

    def hold(self, received: int) -> None:
        """Count bytes of a body. Raises OverloadError if there are too many in this process."""
        if not self.has_room(received):
            self.refused += 1
            raise OverloadError("too many large requests arrive at the same time; send it again later")
        self._held += received

    def release(self, received: int) -> None:
        """Forget bytes of a body, whose request has ended."""
        self._held -= received

    def _start(self, timer: Timer, now: float) -> None:
        self._due, self._requests = now + _TICK, 0
        timer.call_later(_TICK, lambda: self._tick(timer))

    def _tick(self, timer: Timer) -> None:
        now = self._monotonic()
        self._was_late = self._due is not None and now > self._due + MAX_LAG
        self._due = None
        if self._requests or self._was_late:
            self._start(timer, now)
