"""One rollout in mid-stage, looked at as the operator looks: its own Gatherer, its own client, a real Prometheus."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from models.parts import spec

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint
from serin_core.api.resource import Resource
from serin_core.api.status import Candidate, CandidateState, Status
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import Reading, StageCounts
from serin_core.evidence.counts import Counts
from serin_core.gates.active import read_by
from serin_core.rollout.observation import NOT_ASKED
from serin_operator.prometheus_client import PrometheusClient
from serin_operator.settings import PrometheusEndpoint
from serin_operator.stage_reader import StageQuestion, StageReader

RUN = "run_aaaaaaaa_1"
STAGE = 7
ALL: Mapping[str, Any] = {"perClass": {}, "fallback": {}}
Found = Mapping[str, Counts | Unreadable]


@dataclass
class Rollout:
    """Looks, and keeps what the operator would keep in status. `skew`: how far the operator's clock is ahead."""

    url: str
    uid: str
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    percent: float = 10.0
    gates: Mapping[str, Any] = field(default_factory=lambda: ALL)
    skew: timedelta = timedelta()
    interval: str = "30s"
    checkpoint: Checkpoint | None = None
    run_id: str = RUN
    stage: int = STAGE
    is_shared: bool = True
    replica_labels: tuple[str, ...] = ()
    partial_response: Literal["Refuse", "Warn"] = "Refuse"

    @property
    def resource(self) -> Resource:
        """Return the resource as the operator reads it."""
        server: dict[str, Any] = {"token": {"secretName": "token"}}
        if self.is_shared:
            server["store"] = {"postgres": {"secretName": "db"}}
        wanted = spec(self.run_id, server=server, gates=self.gates, analysis={"interval": self.interval})
        candidate = Candidate(
            run_id=self.run_id,
            state=CandidateState.RUNNING,
            percent=self.percent,
            stage=self.stage,
            stage_started_at=self.began + self.skew,
            attempt_started_at=self.began + self.skew,
        )
        status = Status(candidate=candidate, checkpoint=self.checkpoint)
        return Resource("default", "categories", self.uid, 1, "1", wanted, status)

    def look(self, *, keep: bool = False, now: datetime | None = None, alive: Iterable[str] | None = None) -> Reading:
        """Look once, at the present unless told; `keep` is what the operator does every five minutes.

        `alive`: the processes of the pods, None where one has not answered.
        """
        now = (now or datetime.now(UTC)) + self.skew
        reading = asyncio.run(self.look_within(PrometheusClient(self.endpoints, threads=4), now))
        if keep and isinstance(reading, StageCounts):
            # Through JSON, as status goes.
            kept = reading.checkpoint(now, alive=None if alive is None else frozenset(alive)).model_dump_json(
                by_alias=True
            )
            self.checkpoint = Checkpoint.model_validate_json(kept)
        return reading

    @property
    def endpoints(self) -> Mapping[str, PrometheusEndpoint]:
        """Return the operator's settings."""
        endpoint = PrometheusEndpoint(
            url=self.url, replica_labels=self.replica_labels, partial_response=self.partial_response
        )
        return {"default": endpoint}

    async def look_within(self, metrics: PrometheusClient, now: datetime) -> Reading:
        """Look once, with a client that is closed afterwards."""
        try:
            asked = StageQuestion.of(self.resource)
            return NOT_ASKED if asked is None else await StageReader(metrics).read_counts(asked, now)
        finally:
            metrics.close()

    def counts(self, reading: Reading) -> Found:
        """Return what a reading has of every built-in gate and part, by key."""
        if isinstance(reading, Unreadable):
            return {"all": reading}
        found: dict[str, Counts | Unreadable] = {}
        for gate in read_by(self.resource.spec, percent=self.percent):
            parts = reading.parts_of(gate)
            if parts:
                found |= {f"{gate.value}/{part}": counts for part, counts in parts.items()}
            else:
                found[gate.value] = reading.of(gate.value)
        return found

    def wanted(self, truth: Mapping[str, Counts]) -> Found:
        """Return the part of the truth that the gates of this stage read."""
        read = {gate.value for gate in read_by(self.resource.spec, percent=self.percent)}
        return {key: counts for key, counts in truth.items() if key.partition("/")[0] in read}


def own_counts(reading: Reading, name: str) -> Counts | Unreadable:
    """Return what a reading has of a custom gate."""
    if isinstance(reading, Unreadable):
        return reading
    key = next(key for key in reading.custom if key.partition("@")[0] == name)
    return reading.of_custom(key)


def labels(name: str, **named: str) -> tuple[tuple[str, str], ...]:
    """Return labels as remote write takes them."""
    return tuple(sorted({"__name__": name, **named}.items()))


def every(seconds: float, *, since: float, until: float) -> Iterable[float]:
    """Return the times of scrapes."""
    return (since + number * seconds for number in range(int((until - since) / seconds) + 1))


__all__ = ["GateName", "Rollout", "every", "labels", "own_counts"]
