"""Read from Prometheus what a stage is judged on: the counts of its gates, and the results of its queries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from serin_core.api.custom_gates import CustomGate
from serin_core.api.queries import Query
from serin_core.api.resource import Resource
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import CLOCK_BEHIND, Reading, count_stage
from serin_core.counting.stage_query import StageQuery, evaluated_at
from serin_core.gates.active import read_by
from serin_core.gates.queries import active_queries
from serin_operator.custom_counters import CustomCounterReader
from serin_operator.interfaces import Prometheus
from serin_operator.joined_reads import WINDOW, JoinedReads
from serin_operator.query_reader import read_queries


@dataclass(frozen=True, slots=True)
class StageQuestion:
    """What is read of a stage. A result is evidence only where exactly this is asked."""

    stage: StageQuery
    endpoint: str
    custom: tuple[CustomGate, ...]
    queries: tuple[Query, ...]

    @classmethod
    def of(cls, resource: Resource) -> Self | None:
        """Return the question of the present stage, None if no stage has started."""
        rollout = resource.status.rollout if resource.status is not None else None
        if resource.status is None or rollout is None or rollout.stage is None or rollout.stage_started_at is None:
            return None
        stage = StageQuery(
            uid=resource.uid,
            run_id=rollout.run_id,
            stage=rollout.stage,
            percent=rollout.percent,
            gates=read_by(resource.spec, percent=rollout.percent),
            started_at=rollout.stage_started_at,
            checkpoint=resource.status.checkpoint,
            interval=resource.spec.analysis.interval,
            has_shared_store=resource.spec.server.store.postgres is not None,
        )
        return cls(
            stage=stage,
            endpoint=resource.spec.analysis.prometheus,
            custom=tuple(resource.spec.gates.active_custom),
            queries=active_queries(resource.spec, percent=rollout.percent),
        )

    @property
    def place(self) -> tuple[object, ...]:
        """Return which stage it is of, whatever is read of it."""
        return self.stage.uid, self.stage.run_id, self.stage.stage, self.stage.percent, self.endpoint


@dataclass(frozen=True, slots=True)
class StageReading:
    """What was read of a stage at one time."""

    counts: Reading
    queries: Mapping[str, float | Unreadable] = field(default_factory=dict)
    """Results by the name of the query gate."""


class StageReader:
    """Reads stages. Each query is bounded by its endpoint's timeout and concurrency.

    Series of servers are read for many stages at once (joined_reads.py). Custom counters and query gates are
    expressions of users, whose results name no resource: each has a query of its own.
    """

    def __init__(self, prometheus: Prometheus, *, window: float = WINDOW) -> None:
        self._prometheus, self._joined = prometheus, JoinedReads(prometheus, window=window)

    async def close(self) -> None:
        """Cancel the queries under way."""
        await self._joined.close()

    async def read(self, asked: StageQuestion, now: datetime) -> StageReading:
        """Return the counts and the results of the queries."""
        counts = await self.read_counts(asked, now)
        if isinstance(counts, Unreadable) and counts.reason in ("Unreachable", "UnknownEndpoint"):
            return StageReading(counts, {query.name: counts for query in asked.queries})
        return StageReading(counts, await read_queries(self._prometheus, asked.endpoint, asked.queries))

    async def read_counts(self, asked: StageQuestion, now: datetime) -> Reading:
        """Return the counts alone."""
        if asked.stage.is_ahead_of(now):
            return CLOCK_BEHIND
        found = await self._joined.read(asked.endpoint, asked.stage, now)
        if isinstance(found, Unreadable):
            return found
        at = evaluated_at(found)
        if isinstance(at, Unreadable):
            return at
        reader = CustomCounterReader(self._prometheus, asked.endpoint)
        custom = await reader.read(asked.custom, asked.stage, at=at, now=now)
        return count_stage(found, asked.stage, now, custom=custom)
