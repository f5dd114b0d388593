"""One reconcile: gather, decide, apply. No effect before the decision, no decision after an effect."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serin_core.api.status import Status
from serin_core.contract import names
from serin_core.rollout.decide import RESYNC, Announcement, Decision, decide
from serin_core.rollout.observation import Json, Resource
from serin_core.rollout.writes import PutStatus
from serin_operator.apply import Applier, Subject
from serin_operator.gather import Gatherer, InvalidSpecError, parse
from serin_operator.interfaces import ConflictError, Kubernetes, NotFoundError
from serin_operator.invalid import REASON, say_invalid
from serin_operator.metrics import Telemetry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which SuggestionModel."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended, in one word for the metric, and when to look again (None: when told)."""

    outcome: str
    requeue_after: timedelta | None
    is_settled: bool = True
    """Whether nothing stood in the way; else the key comes back after a growing time, `requeue_after` at the latest."""


class Reconciler:
    """Brings one resource one step further.

    It remembers one thing between passes, which decides nothing: what the API server refused of each resource, for
    status is written before children are, and so the next pass says it.
    """

    def __init__(
        self,
        *,
        cluster: Kubernetes,
        gatherer: Gatherer,
        applier: Applier,
        telemetry: Telemetry,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster, self._gatherer, self._applier = cluster, gatherer, applier
        self._telemetry, self._clock = telemetry, clock
        self._refusals: dict[Key, tuple[str, ...]] = {}

    async def reconcile(self, key: Key) -> Result:
        """Look once. Raises ClusterError where the API server fails; the queue tries again."""
        try:
            live = await self._cluster.get(names.KIND, key.namespace, key.name)
        except NotFoundError:
            self._refusals.pop(key, None)
            return Result("gone", None)
        if "deletionTimestamp" in live["metadata"]:
            return Result("deleting", None)
        try:
            return await self._look(key, live)
        except ConflictError as error:
            log.debug("%s: %s", key, error)
            return Result("conflict", None, is_settled=False)

    async def _look(self, key: Key, live: Json) -> Result:
        try:
            resource = parse(live)
        except InvalidSpecError as error:
            return await self._say_invalid(key, live, str(error))
        return await self._bring_further(key, live, resource)

    async def _bring_further(self, key: Key, live: Json, resource: Resource) -> Result:
        observed = await self._gatherer.observe(resource, self._clock())
        self._telemetry.read(observed.reading)
        now = self._clock()
        decision = decide(resource, replace(observed, refusals=self._refusals.get(key, ())), now)
        refusals = await self._write(key, Subject.of(live), decision, now)
        if refusals:
            self._refusals[key] = refusals
            return Result("refused", decision.requeue_after, is_settled=False)
        # What was refused until now has been done: the next pass says so.
        was_refused = self._refusals.pop(key, None) is not None
        again = timedelta() if was_refused else decision.requeue_after
        return Result("changed" if decision.writes else "unchanged", again)

    async def _write(self, key: Key, subject: Subject, decision: Decision, now: datetime) -> tuple[str, ...]:
        """Write the intent, then all that follows from it, and answer what was refused."""
        rest = [write for write in decision.writes if not isinstance(write, PutStatus)]
        for intent in decision.writes:
            if isinstance(intent, PutStatus):
                await self._applier.put(subject, intent)
        try:
            return await self._applier.perform(subject, rest, now)
        finally:
            # What status says has happened is told, whatever becomes of the rest; a rollback's routing goes first.
            for announcement in decision.announcements:
                self._telemetry.told(announcement.reason)
            await self._applier.announce(subject, decision.announcements, now)
            _log(key, decision)

    async def _say_invalid(self, key: Key, live: Json, message: str) -> Result:
        """Say that the spec cannot be read. Nothing is decided on it: what is served goes on."""
        now, subject = self._clock(), Subject.of(live)
        status = say_invalid(live, message, now)
        if live.get("status") and status == Status.model_validate(live["status"]):
            return Result("invalid", RESYNC)
        log.warning("%s: %s", key, message)
        await self._applier.put(subject, PutStatus(status, subject.resource_version))
        await self._applier.announce(subject, (Announcement(REASON, message, is_warning=True),), now)
        return Result("invalid", RESYNC)


def _log(key: Key, decision: Decision) -> None:
    status = decision.status
    for announcement in decision.announcements:
        level = logging.WARNING if announcement.is_warning else logging.INFO
        log.log(
            level,
            "%s: %s: %s",
            key,
            announcement.reason,
            announcement.message,
            extra={
                "generation": status.observed_generation,
                "stage": status.propagation.stage,
                "revision": status.propagation.revision,
            },
        )
