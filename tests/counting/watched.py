"""A rollout of the model world whose counts come over HTTP: its own decide, the operator's Gatherer and client."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from models.parts import spec
from models.world import World

from serin_core.api.resource import Resource
from serin_core.api.status import CandidateState, Status
from serin_core.counting.server_counters import Reading
from serin_core.rollout.decide import Decision
from serin_core.rollout.observation import NOT_ASKED
from serin_operator.prometheus_client import PrometheusClient
from serin_operator.settings import PrometheusEndpoint
from serin_operator.stage_reader import StageQuestion, StageReader

RUN = "run_aaaaaaaa_1"


class Watched(World):
    """In the canary at 10 percent; the gates are the default ones, changed by `gates`."""

    def __init__(
        self,
        url: str,
        *,
        uid: str,
        gates: Mapping[str, Any] | None = None,
        soak: str = "1s",
        began: timedelta = timedelta(minutes=2),
    ) -> None:
        steps = [{"percent": percent, "soak": "1s"} for percent in (10, 50, 100)]
        # Its clock jumps to the present: a time in which nobody supervised it.
        canary = {"shadowSoak": "1s", "supervisionTimeout": "0s"}
        super().__init__(spec(RUN, canary=canary | {"steps": steps}))
        self.loop = asyncio.new_event_loop()
        self.metrics = PrometheusClient({"default": PrometheusEndpoint(url=url, timeout_seconds=5)}, threads=4)
        self._reader = StageReader(self.metrics)
        self._is_watched = False
        self.reading_took = 0.0
        """Seconds of CPU."""
        self.uid = uid
        self.registry = {RUN: "sha256:" + "a" * 64}
        self.settle(until=lambda _: self._is_in_the_canary())
        if not self._is_in_the_canary():
            raise RuntimeError("the rollout did not reach the canary")
        steps = [step | {"soak": soak} for step in steps]
        self.edit(spec(RUN, canary=canary | {"steps": steps}, gates=gates or {}, analysis={"interval": "30s"}))
        # Judged on nothing but what comes from now on.
        self.now = datetime.now(UTC)
        for pod in self.pods.values():
            pod.heard = self.asked[pod.uid] = self.now
        clock = {"stage_started_at": self.now - began, "soaking_since": self.now - began, "soak_elapsed": 0.0}
        candidate = self.running.model_copy(update=clock)
        self.status = self.known.model_copy(
            update={"candidate": candidate, "checkpoint": None, "memory": {}, "gates": ()}
        )
        self.verdict, self._is_watched = "", True

    @property
    def known(self) -> Status:
        """Return the status, which is there."""
        return cast("Status", self.status)

    @property
    def running(self):
        """Return the candidate."""
        return self.known.candidate

    def _is_in_the_canary(self) -> bool:
        found = self.status and self.status.candidate
        return bool(
            found
            and found.state is CandidateState.RUNNING
            and found.percent == 10
            and found.stage_started_at
            and self.known.propagation.confirmed
        )

    def _reading(self, resource: Resource) -> Reading:
        if not self._is_watched:
            return super()._reading(resource)
        began = time.process_time()
        asked = StageQuestion.of(resource)
        reading = (
            NOT_ASKED if asked is None else self.loop.run_until_complete(self._reader.read_counts(asked, self.now))
        )
        self.reading_took += time.process_time() - began
        return reading

    def look(self, *, seconds: float = 5) -> Decision:
        """Let time pass, and look once; what is decided is written."""
        self.tick(seconds)
        decision = self.whole_pass(self.operators[0])
        self.kubelets()
        return cast("Decision", decision)

    def close(self) -> None:
        """End the client."""
        self.metrics.close()
        self.loop.close()
