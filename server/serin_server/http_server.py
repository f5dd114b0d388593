"""Listens for requests until told to end, and ends without cutting anybody off.

On SIGTERM the process says that it is not ready, goes on answering for a moment so that whoever still sends here finds
somebody, finishes what is under way, and exits 0.
"""

import asyncio
import contextlib
import gc
import logging
import math
import signal
import socket
from collections.abc import Callable, Generator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from serin_server.http.app import create_app
from serin_server.http.fast_path.protocol import BoundedProtocol
from serin_server.service import Service
from serin_server.settings import SettingsError

_LINGER_SECONDS: Final = 1.0
_RESERVED_SECONDS: Final = 2.0
"""Of the grace period, for lingering before and for letting go of everything after."""
_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers and clients' pools keep a connection: who closes first must be they, for a request that
meets a closing connection is lost."""
_GC_THRESHOLDS: Final = (10_000, 20, 50)
"""A request leaves no cycles behind; a look at the youngest objects every few hundred requests is enough."""

_log = logging.getLogger(__name__)


def listen(service: Service) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError if the address cannot be had."""
    settings = service.settings
    listener = _bind(settings.host, settings.port)
    app, end_traces = _traced(create_app(service), service)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        # Nothing here asks who the client is, and each request would be looked through for it.
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, math.floor(settings.grace_seconds - _RESERVED_SECONDS)),
    )
    host, port = listener.getsockname()[:2]
    _log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    server = _Server(config, service)
    _settle_memory()
    try:
        server.run(sockets=[listener])
    finally:
        end_traces()


def _traced(app: ASGIApp, service: Service) -> tuple[ASGIApp, Callable[[], None]]:
    """Answer the application and what ends its traces. Raises SettingsError where it should be traced and cannot."""
    if not service.settings.has_collector:
        return app, lambda: None
    try:
        from serin_server.http.middleware.tracing import trace  # noqa: PLC0415 - loaded only where it is used
    except ImportError:
        raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT: traces need the packages of the extra `tracing`") from None
    traced = trace(app, service.identity)
    return traced, traced.shutdown


def _settle_memory() -> None:
    """Keep the garbage collector away from what stays for the life of the process: modules, types, the application.

    There are some 150,000 such objects, and a full collection would look at each of them, for tenths of a second in
    which nobody is answered. Runs are not among them: they hold no cycles, and go with the
    last reference (docs/server.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        raise SettingsError(f"SERIN_HOST, SERIN_PORT: cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn, but for what a signal does."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Drain on the first signal and end at once on the second; never raise it again: a drained exit is 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _drain(self) -> None:
        if self._service.readiness.is_draining:
            self.should_exit = self.force_exit = True
            return
        _log.info("ending: finishing what is under way")
        self._service.readiness.is_draining = True
        linger = min(_LINGER_SECONDS, self._service.settings.grace_seconds)
        asyncio.get_running_loop().call_later(linger, self._stop)

    def _stop(self) -> None:
        self.should_exit = True
