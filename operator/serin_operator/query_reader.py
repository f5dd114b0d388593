"""Send the queries of query gates to Prometheus."""

import asyncio
from collections.abc import Iterable
from typing import Final

from serin_core.api.queries import Query
from serin_core.counting.reading import Unreadable
from serin_operator.interfaces import Prometheus

DEADLINE: Final = 20.0
"""Seconds for all queries of a pass: a slow Prometheus must not delay a rollback for another reason."""
_TOO_SLOW: Final = Unreadable("Unreachable", f"Prometheus did not return its result within {DEADLINE:g} s")


async def read_queries(
    prometheus: Prometheus, endpoint: str, queries: Iterable[Query], *, deadline: float = DEADLINE
) -> dict[str, float | Unreadable]:
    """Return the result of each query by the name of its gate."""
    running = {query.name: asyncio.create_task(prometheus.read_number(endpoint, query.query)) for query in queries}
    if running:
        _, late = await asyncio.wait(running.values(), timeout=deadline)
        for task in late:
            task.cancel()
    return {name: _TOO_SLOW if not task.done() else task.result() for name, task in running.items()}
