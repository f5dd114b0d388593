"""One reconcile: gather, decide, apply. Nothing is written before the decision, nothing decided after a write."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.base import Json
from serin_core.api.resource import Resource
from serin_core.api.status import Status
from serin_core.contract import names
from serin_core.counting.reading import Unreadable
from serin_core.kubernetes.hints import with_hint
from serin_core.kubernetes.label_selector import LabelSelector
from serin_core.rollout.decide import RESYNC, Announcement, Decision, decide
from serin_core.rollout.freshness import needs_direct_reads
from serin_core.rollout.writes import PutStatus, Write
from serin_operator.apply import Applier
from serin_operator.check_caller import CheckCaller
from serin_operator.conflicts import Conflicts
from serin_operator.deletions import Deletions
from serin_operator.gather import Gatherer
from serin_operator.input_readings import InputReadings
from serin_operator.interfaces import ConflictError, Kubernetes, NotFoundError, RefusedError
from serin_operator.invalid import InvalidObjectError, readable_conditions, status_with_problem
from serin_operator.metrics import OperatorMetrics
from serin_operator.notifications.delivery import Delivery
from serin_operator.object_ref import Key, ObjectRef
from serin_operator.readings import Readings
from serin_operator.records import RecordKeeper
from serin_operator.resource_metrics import causes
from serin_operator.setbacks import Setbacks
from serin_operator.status_writes import StatusWrites
from serin_operator.work_queue import Result

__all__ = ["Key", "Reconciler"]

log = logging.getLogger(__name__)
INVALID_STATUS_RESYNC: Final = timedelta(minutes=1)
"""When a status that cannot be read is read again: its repair is no event, since status is not watched."""


class _ReadAgainError(Exception):
    """What was decided from memory has to be decided again from direct reads."""


class Reconciler:
    """Brings one resource one step closer to what its spec asks for.

    A pass reads from the `cache` if there is one. If it then has anything to write but measurements, or finds anything
    unusual, a pass with direct reads follows, which carries it out (`serin_core.rollout.freshness`).

    Writes without effect are remembered (`setbacks`): the status of the next pass reports them, since status is written
    before the children are, and they are not repeated at once. Counts that are not written yet are, too (`statuses`).
    """

    def __init__(  # noqa: PLR0913 - its parts, by name
        self,
        *,
        cluster: Kubernetes,
        gatherer: Gatherer,
        applier: Applier,
        delivery: Delivery,
        metrics: OperatorMetrics,
        records: RecordKeeper,
        checks: CheckCaller[Key],
        readings: Readings[Key],
        inputs: InputReadings[Key],
        clock: Callable[[], datetime],
        cache: Kubernetes | None = None,
        selector: LabelSelector = LabelSelector(),  # noqa: B008 - immutable
    ) -> None:
        self._selector = selector
        self._cache, self._cached = cache, None if cache is None else gatherer.reading(cache)
        self._delivery, self._readings, self._inputs = delivery, readings, inputs
        self._cluster, self._gatherer, self._applier = cluster, gatherer, applier
        self._metrics, self._records, self._checks, self._clock = metrics, records, checks, clock
        self._setbacks: dict[Key, Setbacks] = {}
        self._deletions = Deletions(applier)
        self._conflicts = Conflicts()
        self._statuses = StatusWrites(applier)

    async def reconcile(self, key: Key) -> Result:
        """Reconcile once. Raises ClusterError where the API server fails; the queue then retries."""
        result = None if self._cache is None else await self._reconcile_from(self._cache, key)
        return result or await self._reconcile_directly(key)

    async def _reconcile_from(self, cache: Kubernetes, key: Key) -> Result | None:
        """Reconcile by what is known; return None if direct reads have to decide."""
        try:
            live = await cache.get(names.KIND, key.namespace, key.name)
            if "deletionTimestamp" in live["metadata"] or not self._is_selected(live):
                return None
            return await self._reconcile(key, live, self._gatherer.parse(live), is_cached=True)
        except (_ReadAgainError, InvalidObjectError, NotFoundError, ConflictError, RefusedError):
            return None

    async def _reconcile_directly(self, key: Key) -> Result:
        live = await self._live(key)
        if isinstance(live, Result):
            return live
        try:
            return await self._reconcile(key, live, self._gatherer.parse(live))
        except ConflictError as error:
            log.debug("%s: %s", key, error)
            self._record_errors(key, "Conflict")
            now = self._clock()
            await self._applier.post_events(ObjectRef.of(live), self._conflicts.record(key, error, now), now)
            return Result("conflict", None, is_settled=False)
        except InvalidObjectError as error:
            return await self._report_invalid(key, live, error)
        except RefusedError as error:
            # A read, or the status; refused writes of children are setbacks.
            return await self._report_invalid(key, live, InvalidObjectError("AccessRefused", with_hint(str(error))))

    async def _live(self, key: Key) -> Json | Result:
        """Read a resource, or return the result of a pass that has nothing to decide. Raises ClusterError."""
        try:
            live = await self._cluster.get(names.KIND, key.namespace, key.name)
        except NotFoundError:
            await self._deletions.report(key, self._clock())
            self._forget(key)
            return Result("gone", None)
        if not self._is_selected(live):
            # Its labels have changed: another operator goes on with what is there.
            self._deletions.forget(key)
            self._forget(key)
            return Result("unselected", None)
        if "deletionTimestamp" in live["metadata"]:
            self._checks.forget(key)
            self._readings.forget(key)
            self._inputs.forget(key)
            self._gatherer.forget(key)
            await self._deletions.report(key, self._clock(), finalizers=live["metadata"].get("finalizers") or ())
            return Result("deleting", None)
        return live

    def _is_selected(self, live: Json) -> bool:
        return self._selector.matches(live["metadata"].get("labels") or {})

    def _forget(self, key: Key) -> None:
        """Forget a resource that is gone, or that another operator works on."""
        self._setbacks.pop(key, None)
        self._checks.forget(key)
        self._readings.forget(key)
        self._inputs.forget(key)
        self._gatherer.forget(key)
        self._conflicts.clear(key)
        self._metrics.resources.forget(key.namespace, key.name)
        self._delivery.forget(key)
        self._records.forget(key.namespace, key.name)
        self._statuses.forget(key)

    async def _reconcile(self, key: Key, live: Json, resource: Resource, *, is_cached: bool = False) -> Result:
        gatherer = self._cached if is_cached and self._cached is not None else self._gatherer
        resource = self._statuses.newest(key, resource)
        started = self._readings.begin(key, resource)
        observed = await gatherer.gather(resource, self._clock())
        reading = await self._readings.newest(key, resource, started)
        now, setbacks = self._clock(), self._setbacks.setdefault(key, Setbacks())
        reported = setbacks.refusals(), setbacks.overrides()
        observed = replace(
            observed,
            reading=reading.counts,
            queries=reading.queries,
            has_new_reading=reading.is_new,
            inputs=self._inputs.newest(key, resource),
            refusals=(*observed.refusals, *reported[0]),
            overrides=reported[1],
            destinations=self._delivery.seen(key, resource.uid),
            check_answers=self._checks.answers(key),
            check_endpoints=self._checks.endpoints,
        )
        ref, is_counted = ObjectRef.of(live), reading.is_new and not isinstance(reading.counts, Unreadable)

        def decided(refusal: str) -> Decision:
            decision = decide(resource, replace(observed, status_refusal=refusal), now)
            due = setbacks.not_withheld(decision.writes, observed.children, now)
            if is_cached and needs_direct_reads(resource.status, decision, due):
                raise _ReadAgainError
            return decision

        decision = await self._statuses.write(key, ref, decided, resource=resource, now=now)
        self._record_errors(key, *causes(observed))
        if reading.is_new:
            self._metrics.record_reading(reading.counts)
        self._readings.judged(key, reading, replace(resource, status=decision.status))
        due = setbacks.due(decision.writes, observed.children, now)
        self._deletions.remember(key, ref, decision.status)
        self._checks.update(key, decision.calls, decision.status.checks)
        try:
            await self._apply(key, ref, resource.status, decision, due)
        finally:
            self._records.note(live, resource, decision, is_counted=is_counted)
        self._conflicts.clear(key)
        self._metrics.resources.record_check(key.namespace, key.name, decision.status, now, is_counted=is_counted)
        outcome = "refused" if setbacks.refusals() else "changed" if due else "unchanged"
        if (setbacks.refusals(), setbacks.overrides()) != reported:
            # The next pass follows at once and updates the status.
            return Result(outcome, timedelta())
        return Result(outcome, min(decision.requeue_after, setbacks.next_retry(now) or decision.requeue_after))

    async def _apply(
        self, key: Key, ref: ObjectRef, before: Status | None, decision: Decision, writes: tuple[Write, ...]
    ) -> None:
        """Write everything that follows from the status, and remember the writes without full effect."""
        rest, now = [write for write in writes if not isinstance(write, PutStatus)], self._clock()
        try:
            for write in rest:
                setback = await self._applier.perform(ref, write, now)
                self._setbacks[key].record(write, setback, now)
                if setback is not None and setback.refusal:
                    self._record_errors(key, "Refused")
        finally:
            # What status records has happened, even if a later write fails; Events must not delay a rollback's routing.
            self._delivery.update(key, ref.uid, decision.status.notifications)
            self._metrics.record_decision(key.namespace, key.name, before, decision)
            await self._applier.post_events(ref, decision.announcements, now)
            _log(key, decision)

    async def _report_invalid(self, key: Key, live: Json, error: InvalidObjectError) -> Result:
        """Report what keeps a pass from its end. Nothing is decided: the pods go on serving what they serve."""
        now, ref = self._clock(), ObjectRef.of(live)
        after = RESYNC if error.reason == "InvalidSpec" else INVALID_STATUS_RESYNC
        result = Result("invalid", after, is_settled=error.reason != "AccessRefused")
        status = status_with_problem(live, error, now)
        self._record_errors(key, error.reason)
        self._metrics.resources.record_invalid(key.namespace, key.name, readable_conditions(status))
        if status == live.get("status"):
            return result
        log.warning("%s: %s: %s", key, error.reason, error)
        try:
            await self._applier.put_status_json(ref, status)
        except RefusedError as refusal:
            log.warning("%s: the conditions cannot be written: %s", key, refusal)
        await self._applier.post_events(ref, (Announcement(error.reason, str(error), is_warning=True),), now)
        return result

    def _record_errors(self, key: Key, *causes: str) -> None:
        for cause in causes:
            self._metrics.resources.record_error(key.namespace, key.name, cause)


def _log(key: Key, decision: Decision) -> None:
    status = decision.status
    fields = {
        "generation": status.observed_generation,
        "stage": status.propagation.stage,
        "revision": status.propagation.revision,
    }
    for announcement in decision.announcements:
        level = logging.WARNING if announcement.is_warning else logging.INFO
        log.log(level, "%s: %s: %s", key, announcement.reason, announcement.message, extra=fields)
