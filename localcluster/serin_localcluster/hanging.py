"""An endpoint that accepts connections and never responds, as a server that hangs does."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def hanging_endpoint() -> Iterator[str]:
    """Yield its URL, on a free port of the loopback address."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):  # closed
                while True:
                    accepted.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in accepted:
                connection.close()
