"""Accepts connections, many between two turns of the event loop.

uvloop accepts one. Under a load that makes each turn long, connections then wait for seconds before they are seen, and
those of probes with them.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

ACCEPTED_AT_ONCE: Final = 512
HANDSHAKE_SECONDS: Final = 10.0
"""Timeout of a TLS handshake."""
_PAUSE_SECONDS: Final = 1.0
"""Pause if no connection can be accepted, as without free files."""

_log = logging.getLogger(__name__)


class Acceptor:
    """Gives each connection of a listening socket a protocol, until it is closed."""

    def __init__(
        self, listener: socket.socket, factory: Callable[[], asyncio.Protocol], *, tls: ssl.SSLContext | None
    ) -> None:
        """Begin to accept; `tls` is the context of TLS connections, None without TLS."""
        self._listener, self._factory, self._tls = listener, factory, tls
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.settimeout(0)
        self._begin()

    def close(self) -> None:
        """Accept no further connection."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    async def wait_closed(self) -> None:
        """End what is being connected."""
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def _begin(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.warning("no connection can be accepted now: %s", error.strerror)
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(_PAUSE_SECONDS, self._begin)
                return
            task = self._loop.create_task(self._connect(connection))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        timeout = None if self._tls is None else HANDSHAKE_SECONDS
        try:
            await self._loop.connect_accepted_socket(
                self._factory, connection, ssl=self._tls, ssl_handshake_timeout=timeout
            )
        except OSError:  # a client that has gone, or that does not speak TLS
            connection.close()
