"""The web server of the dashboard."""

import contextlib
import socket

import uvicorn
from starlette.types import ASGIApp


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Serve until interrupted. Open pages do not delay the end."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
