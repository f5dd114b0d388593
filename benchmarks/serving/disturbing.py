"""Disturbances of a pod under load: reloads, routing changes, scrapes. Each runs in a thread that is stopped."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import httpx
from pod import ADMIN, Pod


class Disturbance:
    """Repeats one action at an interval, and counts how often it was done and failed."""

    def __init__(self, act: Callable[[], bool], *, every: float) -> None:
        self._act, self._every = act, every
        self._ending = threading.Event()
        self.done = self.failed = 0

    @contextmanager
    def going_on(self) -> Iterator["Disturbance"]:
        """Repeat the action until the block ends."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            thread.join(timeout=15)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            try:
                is_done = self._act()
            except httpx.HTTPError:
                is_done = False
            self.done += is_done
            self.failed += not is_done
            due = max(due + self._every, time.monotonic())
            self._ending.wait(due - time.monotonic())


def reloads(url: str) -> Disturbance:
    """Request a reload every second."""
    client = httpx.Client(headers={"Authorization": f"Bearer {ADMIN}"}, timeout=10)
    return Disturbance(lambda: client.post(f"{url}/ml/v2/reload").is_success, every=1.0)


def scrapes(url: str, *, every: float = 0.2) -> Disturbance:
    """Read the metrics."""
    client = httpx.Client(timeout=10)
    return Disturbance(lambda: client.get(f"{url}/metrics").is_success, every=every)


def routing_changes(pod: Pod, *, after: int) -> Disturbance:
    """Write a new routing document every 0.2 s, each a new stage."""
    revision = [after]

    def act() -> bool:
        revision[0] += 1
        pod.route(revision[0], stage=revision[0])
        return True

    return Disturbance(act, every=0.2)


def moves_of_latest(latest: Path, runs: Sequence[str]) -> Disturbance:
    """Change `latest` to another run every second, the interval of the server's check; it builds each one."""
    turn = cycle(reversed(runs))

    def act() -> bool:
        unfinished = latest.with_name("latest.unfinished")
        unfinished.symlink_to(next(turn))
        unfinished.replace(latest)
        return True

    return Disturbance(act, every=1.0)
