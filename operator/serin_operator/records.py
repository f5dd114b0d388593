"""Records of trials: what passes have noted is written in the background, after everything that a rollout needs.

`note` only keeps in memory what a pass adds. A task of its own writes: at once after a transition, and otherwise every
few minutes. Each record is read before it is extended, so that none is in memory: its curves are long. A pass that adds
nothing makes no request. A write that fails is logged, counted and tried again; no rollout waits for it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from serin_core.api.base import Json
from serin_core.api.durations import format_duration
from serin_core.api.record import TrialRecord
from serin_core.api.resource import Resource
from serin_core.api.status import HistoryEntry, Status
from serin_core.backoff import backoff
from serin_core.contract import names
from serin_core.kubernetes.trial_records import record_name, render_record
from serin_core.rollout import recording
from serin_core.rollout.decide import Decision
from serin_core.rollout.observation import is_owned_by
from serin_core.rollout.recording import NewerRecordError, Noted, RecordError
from serin_operator.interfaces import ClusterError, Kubernetes, NotFoundError
from serin_operator.record_metrics import RecordMetrics

log = logging.getLogger(__name__)
WRITE_POINTS_EVERY: Final = timedelta(minutes=5)
"""Time between two writes that only add points to curves."""
FIRST_RETRY: Final = timedelta(seconds=5)
MAX_RETRY: Final = timedelta(minutes=10)
RECENT: Final = timedelta(hours=1)
"""An operator that starts completes the record where the last transition is younger: another may have ended before."""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_MAX_PENDING: Final = 1000
_MAX_GAP: Final = 5
"""Records that may be missing between older ones, because somebody deleted them."""


class ForeignRecordError(Exception):
    """An object of the record's name that must not be written over: of another owner, or of a newer version."""


@dataclass
class _Open:
    """A record that may still be extended."""

    fresh: TrialRecord
    """The record as it would begin now, for where none has been written."""
    history_limit: int
    due_at: datetime | None = None
    pending: list[Noted] = field(default_factory=list)
    last: Noted | None = None
    """What was noted last."""
    history: Sequence[HistoryEntry] = ()
    """That of the newest status."""
    is_whole: bool = False
    """Whether the record is known to have every transition of the history, because this operator has written it."""
    successor: tuple[str, datetime] | None = None
    """Run and start of the next trial."""
    failures: int = 0

    def plan(self, at: datetime) -> None:
        """Write at this time, or earlier if that was planned; while writes fail, at the time of the next attempt."""
        if not self.failures or self.due_at is None:
            self.due_at = at if self.due_at is None else min(self.due_at, at)


class RecordKeeper:
    """The records of all resources. `clock` returns the time in UTC."""

    def __init__(self, cluster: Kubernetes, metrics: RecordMetrics, clock: Callable[[], datetime]) -> None:
        self._cluster, self._metrics, self._clock = cluster, metrics, clock
        self._open: dict[tuple[str, str], dict[int, _Open]] = {}
        self._changed = asyncio.Event()
        """Set where a record is due before the time to which `run` sleeps."""
        self._next = _NEVER

    def note(self, live: Json, resource: Resource, decision: Decision, *, is_counted: bool) -> None:
        """Keep what a pass adds to the record of its trial. It does no I/O."""
        status, limit, now = decision.status, resource.spec.history_limit, self._clock()
        if status.trial == 0 or limit == 0:
            return
        mine = self._of(resource)
        is_recent = status.trial not in mine and bool(status.history) and now - status.history[-1].at < RECENT
        if status.trial not in mine:
            begun = recording.begin(resource, status, by=_started_by(live, decision), now=now)
            mine[status.trial] = _Open(begun, limit)
            self._close_previous(resource, mine, status, now)
        found = mine[status.trial]
        found.history_limit = limit
        found.history = status.history
        noted = Noted.of(now, status, decision.transition, is_counted=is_counted)
        if decision.transition is not None or _is_news(resource.status, status) or is_recent:
            self._plan(found, now)
        elif is_counted and noted.adds_to(found.last):
            self._plan(found, now + WRITE_POINTS_EVERY)
        else:
            return
        found.last = noted
        found.pending.append(noted)
        if len(found.pending) > _MAX_PENDING:
            # Points are the first to go; a transition stays.
            found.pending = [one for one in found.pending[:-1] if one.transition is not None] + [noted]

    def _plan(self, one: _Open, at: datetime) -> None:
        """Plan a write, and wake `run` if it would sleep longer: most notes only add points."""
        one.plan(at)
        if one.due_at is not None and one.due_at < self._next:
            self._changed.set()

    def forget(self, namespace: str, name: str) -> None:
        """Forget the records of a deleted resource: they are deleted with it."""
        self._open.pop((namespace, name), None)

    def _of(self, resource: Resource) -> dict[int, _Open]:
        mine = self._open.setdefault((resource.namespace, resource.name), {})
        if any(one.fresh.uid != resource.uid for one in mine.values()):
            mine.clear()
        return mine

    def _close_previous(self, resource: Resource, mine: dict[int, _Open], status: Status, now: datetime) -> None:
        """End the record of the trial before, if it is not known to have ended."""
        number, candidate = status.trial - 1, status.candidate
        before = resource.status
        if number < 1 or before is None or before.trial != number or candidate is None:
            return
        if number not in mine:
            begun = recording.begin(resource, before, by="", now=now)
            mine[number] = _Open(begun, resource.spec.history_limit)
        mine[number].successor = (candidate.run_id, now)
        self._plan(mine[number], now)

    async def run(self) -> None:
        """Write what is due until cancelled, and then once more what has not been written."""
        try:
            while True:
                self._changed.clear()
                self._next = _NEVER
                delay = await self.write_due()
                try:
                    async with asyncio.timeout(delay):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            for one in self._all():
                one.due_at = self._clock()
            try:
                async with asyncio.timeout(2):
                    await self.write_due()
            except TimeoutError:
                log.warning("records of trials are not complete: the API server does not respond")

    def _all(self) -> list[_Open]:
        return [one for mine in self._open.values() for one in mine.values() if one.pending or one.successor]

    async def write_due(self) -> float | None:
        """Write every record that is due, and return the seconds until the next one is, None if none is."""
        now = self._clock()
        for key, mine in list(self._open.items()):
            for number, one in sorted(mine.items()):
                if one.due_at is not None and one.due_at <= now:
                    await self._write(one)
                if one.due_at is None and number < max(mine) and self._open.get(key) is mine:
                    mine.pop(number, None)
        due = [one.due_at for mine in self._open.values() for one in mine.values() if one.due_at is not None]
        self._next = min(due, default=_NEVER)
        return max((self._next - self._clock()).total_seconds(), 0.0) if due else None

    async def _write(self, one: _Open) -> None:
        taken, one.pending, one.due_at = one.pending, [], None
        where = f"{one.fresh.namespace}/{record_name(one.fresh.name, one.fresh.trial)}"
        try:
            await self._update(one, taken)
        except ForeignRecordError as error:
            log.warning("%s: the record of the trial is not written: %s", where, error)
            self._metrics.write_failures.inc()
        except Exception as error:
            one.pending = [*taken, *one.pending]
            one.failures += 1
            delay = backoff(FIRST_RETRY, MAX_RETRY, failures=one.failures)
            one.due_at = self._clock() + delay
            after = format_duration(delay)
            # One record that cannot be written because of a bug must not keep back the others.
            is_bug = not isinstance(error, ClusterError)
            log.warning(
                "%s: the record of the trial is not written, tried again in %s: %s",
                where,
                after,
                error,
                exc_info=is_bug,
            )
            self._metrics.write_failures.inc()
        else:
            one.failures = 0

    async def _update(self, one: _Open, added: list[Noted]) -> None:
        """Write one record. Raises ClusterError and ForeignRecordError."""
        fresh = one.fresh
        live = await self._live(fresh.namespace, record_name(fresh.name, fresh.trial))
        if live is not None and not is_owned_by(live, fresh.uid):
            raise ForeignRecordError("a ConfigMap of this name belongs to somebody else")
        found = self._read(live)
        record = found or fresh
        if found is None or not one.is_whole:
            # Those that are about to be added have their evidence.
            known = {(noted.at, noted.transition.event) for noted in added if noted.transition is not None}
            record = recording.recover(record, (entry for entry in one.history if (entry.at, entry.event) not in known))
        for noted in added:
            record = recording.extend(record, noted)
        if one.successor is not None:
            record = recording.close(record, successor=one.successor[0], at=one.successor[1])
        record, text = recording.written(record)
        rendered = render_record(record, text)
        if live is None:
            await self._cluster.create(rendered)
        elif (live.get("data") or {}).get(names.RECORD_KEY) != text:
            await self._cluster.apply(rendered, live["metadata"]["resourceVersion"])
        one.is_whole, one.successor = True, None
        if live is None:
            await self._delete_oldest(one)

    async def _live(self, namespace: str, name: str) -> Json | None:
        try:
            return await self._cluster.get("ConfigMap", namespace, name)
        except NotFoundError:
            return None

    @staticmethod
    def _read(live: Json | None) -> TrialRecord | None:
        if live is None:
            return None
        try:
            return recording.read((live.get("data") or {}).get(names.RECORD_KEY, ""))
        except NewerRecordError as error:
            raise ForeignRecordError(str(error)) from None
        except RecordError as error:
            log.warning("%s cannot be read and is started again: %s", live["metadata"]["name"], error)
            return None

    async def _delete_oldest(self, one: _Open) -> None:
        """Delete the records above the limit, the oldest ones."""
        fresh, gap = one.fresh, 0
        number = fresh.trial - one.history_limit
        while number > 0 and gap < _MAX_GAP:
            name = record_name(fresh.name, number)
            live = await self._live(fresh.namespace, name)
            if live is not None and is_owned_by(live, fresh.uid):
                version = live["metadata"]["resourceVersion"]
                await self._cluster.delete("ConfigMap", fresh.namespace, name, resource_version=version, uid=None)
                gap = 0
            else:
                gap += 1
            number -= 1


def _is_news(before: Status | None, after: Status) -> bool:
    """Return whether a digest became known, or a rollback began or was confirmed."""
    if before is None:
        return True
    known, now = before.candidate, after.candidate
    digests = (known and known.digest, now and now.digest)
    return digests[0] != digests[1] or before.rollback != after.rollback


def _started_by(live: Json, decision: Decision) -> str:
    """Return who started a trial: a manual request, or the field manager that wrote spec.runID last."""
    if decision.transition is not None and decision.transition.by != "operator":
        return decision.transition.by
    fields: list[Mapping[str, Any]] = live["metadata"].get("managedFields") or []
    writers = [one for one in fields if "f:runID" in ((one.get("fieldsV1") or {}).get("f:spec") or {})]
    latest = max(writers, key=lambda one: str(one.get("time", "")), default=None)
    return "" if latest is None else str(latest.get("manager", ""))
