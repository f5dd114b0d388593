"""Traffic: transactions in time order, sent to the ready pods, and what the users say to the answers.

Bounded: a fixed rate, and it ends when told to. Only to the addresses of the local cluster's pods.
"""

import asyncio
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from serin_demo.data import Row, garbled

BATCH = 25
FEEDBACK_SHARE = 0.05
Addresses = Callable[[], Sequence[str]]


@dataclass
class Traffic:
    """A thread that sends batches at a steady rate. `rate` is transactions a second."""

    rows: Sequence[Row]
    token: str
    rate: float
    addresses: Addresses
    seed: int = 1
    sent: int = 0
    failed: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    """Answers by who gave them: model or rule."""
    is_garbled: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()), name="traffic", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until nothing is under way."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    async def _send(self) -> None:
        rng = random.Random(self.seed)  # noqa: S311 - made-up users, no secrets
        batches = _batches(self.rows)
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            loop = asyncio.get_running_loop()
            due, targets, looked = loop.time(), list[str](), 0.0
            under_way: set[asyncio.Task[None]] = set()
            while not self._over.is_set():
                if loop.time() - looked > 1 or not targets:
                    targets, looked = list(await asyncio.to_thread(self.addresses)), loop.time()
                if targets and len(under_way) < 16:  # noqa: PLR2004 - slow pods are not overrun
                    task = asyncio.create_task(self._one(session, rng.choice(targets), next(batches), rng))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                due = max(due + BATCH / self.rate, loop.time() - 1)
                await asyncio.sleep(max(due - loop.time(), 0))
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _one(self, session: aiohttp.ClientSession, address: str, rows: Sequence[Row], rng: random.Random) -> None:
        shown = [garbled(row) for row in rows] if self.is_garbled.is_set() else rows
        transactions = [
            {key: row[key] for key in ("txn_id", "user_id", "timestamp", "merchant", "description", "channel")}
            | {"amount": float(row["amount"])}
            for row in shown
        ]
        try:
            async with session.post(
                f"http://{address}/agent/suggestions", json={"transactions": transactions}
            ) as answer:
                answer.raise_for_status()
                items = (await answer.json())["items"]
            self.sent += len(rows)
            self.sources.update(item["source"] for item in items)
            for row, item in zip(rows, items, strict=True):
                if rng.random() < FEEDBACK_SHARE:
                    await self._say(session, address, row, item)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.failed += len(rows)

    async def _say(self, session: aiohttp.ClientSession, address: str, row: Row, item: dict[str, object]) -> None:
        candidates = item["candidates"]
        label = candidates[0]["label"] if isinstance(candidates, list) and candidates else ""
        said = {"accepted": True} if label == row["category"] else {"label": row["category"]}
        url = f"http://{address}/agent/suggestions/{item['event_id']}/feedback"
        async with session.post(url, json=said) as answer:
            answer.raise_for_status()


def _batches(rows: Sequence[Row]) -> "itertools.cycle[Sequence[Row]]":
    return itertools.cycle([rows[start : start + BATCH] for start in range(0, len(rows), BATCH)])
