"""A flood at three times the capacity of a server, with more connections than it has room for, and hostile clients."""

import json
import os
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

HEAD = "POST /agent/suggestions HTTP/1.1\r\nHost: pod\r\nContent-Type: application/json\r\nContent-Length: 500000\r\n"
_BYTE_EVERY = 0.5


class Beside:
    """Requests that are sent one after the other while a load is on, and their outcomes."""

    def __init__(self, act: Callable[[], str], *, every: float) -> None:
        self._act, self._every = act, every
        self._ending = threading.Event()
        self.outcomes: Counter[str] = Counter()

    @contextmanager
    def going_on(self) -> Iterator["Beside"]:
        """Repeat the request until the block ends."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            thread.join(timeout=15)

    def _run(self) -> None:
        with suppress(OSError):  # before the load on the same core, which would keep it waiting
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
        while not self._ending.wait(self._every):
            try:
                self.outcomes[self._act()] += 1
            except httpx.HTTPError as error:
                self.outcomes[type(error).__name__] += 1


def probes(url: str, path: str) -> Beside:
    """Probe as a kubelet does: on a new connection, with its timeout."""
    return Beside(lambda: str(httpx.get(url + path, timeout=2).status_code), every=0.5)


def feedback(url: str, headers: Mapping[str, str]) -> Beside:
    """Ask for a suggestion and send feedback on it; only what gets 200 counts as sent."""
    client, number = httpx.Client(headers=dict(headers), timeout=10), iter(range(1_000_000))

    def act() -> str:
        body = {"transactions": [{"txn_id": f"flood-{next(number)}", "merchant": "LOBLAWS", "user_id": "flood"}]}
        found = client.post(f"{url}/agent/suggestions", json=body)
        if not found.is_success:
            return f"suggestion {found.status_code}"
        item = found.json()["items"][0]
        label = item["candidates"][0]["label"] if item["candidates"] else "Groceries"
        answer = client.post(f"{url}/agent/suggestions/{item['event_id']}/feedback", json={"label": label})
        return f"feedback {answer.status_code}"

    return Beside(act, every=0.02)


def stored_feedback(database: Path) -> int:
    """Return how many feedbacks a store has."""
    with sqlite3.connect(database) as opened:
        return int(opened.execute("SELECT count(*) FROM feedback").fetchone()[0])


class Crowd:
    """Clients that hold connections and do not behave: each kind in equal numbers."""

    def __init__(self, url: str, token: str, *, count: int) -> None:
        address = urlsplit(url)
        self._address, self._token, self._count = (address.hostname or "", address.port or 0), token, count
        self.opened = 0

    @contextmanager
    def connected(self) -> Iterator["Crowd"]:
        """Open all connections, send a byte now and then on some, and close them at the end."""
        ending, sockets = threading.Event(), []
        with ExitStack() as stack:
            for number in range(self._count):
                with suppress(OSError):
                    client = stack.enter_context(socket.create_connection(self._address, timeout=5))
                    self._begin(client, number % 4)
                    sockets.append(client)
                    self.opened += 1
            thread = threading.Thread(target=self._trickle, args=(sockets[::4], ending), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                ending.set()
                thread.join(timeout=15)

    def _begin(self, client: socket.socket, kind: int) -> None:
        head = f"{HEAD}Authorization: Bearer {self._token}\r\n"
        if kind == 0:
            client.sendall(b"POST /agent")  # then a byte at a time
        elif kind == 1:
            client.sendall(f"{head}\r\n".encode() + b" " * 60_000)  # a body that never ends
        elif kind == 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: pod\r\n\r\n" * 20)  # responses that nobody reads
        # the fourth kind says nothing

    def _trickle(self, clients: list[socket.socket], ending: threading.Event) -> None:
        while not ending.wait(_BYTE_EVERY):
            for client in clients:
                with suppress(OSError):
                    client.send(b"x")


def summary(counts: Counter[str]) -> str:
    """Return outcomes as text."""
    return json.dumps(dict(sorted(counts.items())))
