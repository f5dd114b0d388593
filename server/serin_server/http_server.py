"""The HTTP server of the process: it listens until SIGTERM, and stops without cutting a request off.

On SIGTERM the process reports that it is not ready, serves for a moment longer, while clients and load balancers learn
of it, finishes open requests, and exits 0.
"""

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import socket
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import uvicorn

from serin_server.acceptor import Acceptor
from serin_server.http.app import PROTOCOL, create_app
from serin_server.service import Service
from serin_server.settings import SettingsError
from serin_tls.certificate import Certificate, CertificateError

_LINGER_SECONDS: Final = 1.0
_RESERVED_SECONDS: Final = 2.0
"""Part of the grace period for lingering before, and for closing everything after."""
_BACKLOG: Final = 4096
_GC_THRESHOLDS: Final = (10_000, 20, 50)
"""A request leaves no reference cycles, so a collection every few hundred requests is enough."""

_log = logging.getLogger(__name__)


def listen(service: Service) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError if the address is not available."""
    settings = service.settings
    certificate = _certificate(settings.tls_dir)
    listener = _bind(settings.host, settings.port)
    protocol = partial(PROTOCOL, admission=service.admission)
    config = uvicorn.Config(
        create_app(service),
        loop="uvloop",
        http=cast("Any", protocol),  # declared as a class, and only called
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        # Nothing uses the client's address, and looking for it would cost time in each request.
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=max(1, math.floor(settings.grace_seconds - _RESERVED_SECONDS)),
    )
    host, port = listener.getsockname()[:2]
    scheme = "http" if certificate is None else "https"
    _log.info("listening on %s://%s:%d", scheme, f"[{host}]" if ":" in host else host, port)
    # A line for each request that is not valid would let any client fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    server = _Server(config, service, certificate, listener)
    _freeze_memory()
    server.run()


def _certificate(directory: Path | None) -> Certificate | None:
    """Return the certificate to serve; None without TLS. Raises SettingsError."""
    try:
        return None if directory is None else Certificate(directory)
    except CertificateError as error:
        raise SettingsError(f"SERIN_TLS_DIR: {error}") from None


def _freeze_memory() -> None:
    """Exclude what lives as long as the process from garbage collection: modules, types, the application.

    There are some 150,000 such objects. A full collection would visit each of them, and no request would be served for
    tenths of a second. Runs are not among them: they have no reference cycles (docs/server.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _bind(host: str, port: int) -> socket.socket:
    """Listen on an address. `::` is every address of both families, or of IPv4 where there is no IPv6."""
    is_any = host == "::"
    try:
        if is_any and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        family = socket.AF_INET6 if ":" in host and not is_any else socket.AF_INET
        return socket.create_server(("" if is_any else host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError(f"SERIN_HOST, SERIN_PORT: cannot listen on {host}:{port}: {reason}") from None


class _Server(uvicorn.Server):
    """uvicorn that accepts connections in another way, and has another reaction to signals."""

    def __init__(
        self, config: uvicorn.Config, service: Service, certificate: Certificate | None, listener: socket.socket
    ) -> None:
        super().__init__(config)
        self._service, self._certificate, self._listener = service, certificate, listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, and accept connections."""
        await super().startup(sockets=sockets or [])
        tls = None if self._certificate is None else self._certificate.context
        self.servers.append(cast("Any", Acceptor(self._listener, self._protocol, tls=tls)))

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        made: asyncio.Protocol = kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        return made

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Drain on the first signal and exit on the second; do not raise the signal again: the exit status is 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain)
        following = None if self._certificate is None else loop.create_task(self._certificate.follow())
        try:
            yield
        finally:
            if following is not None:
                following.cancel()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _drain(self) -> None:
        if self._service.readiness.is_draining:
            self.should_exit = self.force_exit = True
            return
        _log.info("stopping: finishing open requests")
        self._service.readiness.is_draining = True
        linger = min(_LINGER_SECONDS, self._service.settings.grace_seconds)
        asyncio.get_running_loop().call_later(linger, self._stop)

    def _stop(self) -> None:
        self.should_exit = True
