"""One reconcile: gather, decide, apply. No effect before the decision, no decision after an effect."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from serin_core import names
from serin_core.rollout.decide import Decision, decide
from serin_operator.apply import Applier
from serin_operator.gather import Gatherer, InvalidSpecError, parse
from serin_operator.ports import ConflictError, Kubernetes, NotFoundError

log = logging.getLogger(__name__)
AT_ONCE = timedelta()


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


class Reconciler:
    """Brings one resource one step further."""

    def __init__(
        self, *, cluster: Kubernetes, gatherer: Gatherer, applier: Applier, clock: Callable[[], datetime]
    ) -> None:
        self._cluster, self._gatherer, self._applier, self._clock = cluster, gatherer, applier, clock

    async def reconcile(self, key: Key) -> Result:
        """Look once. Raises ClusterError where the API server fails; the queue tries again."""
        try:
            live = await self._cluster.get(names.KIND, key.namespace, key.name)
            resource = parse(live)
        except NotFoundError:
            return Result("gone", None)
        except InvalidSpecError as error:
            log.warning("%s: %s", key, error)
            return Result("invalid", None)
        if "deletionTimestamp" in live["metadata"]:
            return Result("deleting", None)
        observed = await self._gatherer.observe(resource, self._clock())
        now = self._clock()
        decision = decide(resource, observed, now)
        try:
            await self._applier.perform(resource, decision.writes)
        except ConflictError as error:
            log.debug("%s: %s", key, error)
            return Result("conflict", AT_ONCE)
        await self._applier.announce(resource, decision.announcements, now)
        _tell(key, resource.generation, decision)
        return Result("changed" if decision.writes else "unchanged", decision.requeue_after)


def _tell(key: Key, generation: int, decision: Decision) -> None:
    for announcement in decision.announcements:
        level = logging.WARNING if announcement.is_warning else logging.INFO
        stage = decision.status.propagation.stage
        log.log(
            level,
            "%s: %s: %s",
            key,
            announcement.reason,
            announcement.message,
            extra={"generation": generation, "stage": stage, "revision": decision.status.propagation.revision},
        )
