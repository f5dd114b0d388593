"""Live traffic: transactions in time order, sent to the ready pods at a fixed rate, with feedback on some answers.

Requests go only to the addresses of the local cluster's pods.
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
    """A thread that sends batches at a steady rate of `rate` transactions per second."""

    rows: Sequence[Row]
    token: str
    rate: float
    addresses: Addresses
    seed: int = 1
    sent: int = 0
    failed: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    """Number of answers by source: model or rule."""
    is_garbled: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to send."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()), name="traffic", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the requests in flight."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    async def _send(self) -> None:
        rng = random.Random(self.seed)  # noqa: S311 - made-up users, not secret
        batches = _batches(self.rows)
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            loop = asyncio.get_running_loop()
            due, targets, refreshed_at = loop.time(), list[str](), 0.0
            in_flight: set[asyncio.Task[None]] = set()
            while not self._over.is_set():
                if loop.time() - refreshed_at > 1 or not targets:
                    targets, refreshed_at = list(await asyncio.to_thread(self.addresses)), loop.time()
                if targets and len(in_flight) < 16:  # noqa: PLR2004 - slow pods are not overloaded
                    task = asyncio.create_task(self._request(session, rng.choice(targets), next(batches), rng))
                    in_flight.add(task)
                    task.add_done_callback(in_flight.discard)
                due = max(due + BATCH / self.rate, loop.time() - 1)
                await asyncio.sleep(max(due - loop.time(), 0))
            await asyncio.gather(*in_flight, return_exceptions=True)

    async def _request(
        self, session: aiohttp.ClientSession, address: str, rows: Sequence[Row], rng: random.Random
    ) -> None:
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
                    await self._give_feedback(session, address, row, item)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.failed += len(rows)

    async def _give_feedback(
        self, session: aiohttp.ClientSession, address: str, row: Row, item: dict[str, object]
    ) -> None:
        candidates = item["candidates"]
        label = candidates[0]["label"] if isinstance(candidates, list) and candidates else ""
        feedback = {"accepted": True} if label == row["category"] else {"label": row["category"]}
        url = f"http://{address}/agent/suggestions/{item['event_id']}/feedback"
        async with session.post(url, json=feedback) as answer:
            answer.raise_for_status()


def _batches(rows: Sequence[Row]) -> "itertools.cycle[Sequence[Row]]":
    return itertools.cycle([rows[start : start + BATCH] for start in range(0, len(rows), BATCH)])
