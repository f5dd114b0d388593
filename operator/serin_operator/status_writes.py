"""Writing the status of a decision, also where the API server refuses it.

A status that is too large is followed at once by a shorter one. If no status is accepted, a rollback takes effect all
the same: its routing is written without a status, in every pass until one is accepted. Nothing else is.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.resource import Resource
from serin_core.api.status import Status
from serin_core.contract import names
from serin_core.rollout.announcements import Announcement
from serin_core.rollout.decide import Decision
from serin_core.rollout.unwritten_counts import Kept
from serin_core.rollout.writes import AnnotatePod, ApplyChild, CreateChild, PutStatus, RemovePod, Write
from serin_operator.apply import Applier
from serin_operator.interfaces import RefusedError, TooLargeError
from serin_operator.object_ref import Key, ObjectRef

log = logging.getLogger(__name__)
WHOLE_AGAIN: Final = timedelta(minutes=10)
"""Time after which a whole status is tried again."""
Decide = Callable[[str], Decision]
"""Decides, given why the whole status was refused ("" if it was not)."""


@dataclass
class StatusWrites:
    """Writes statuses. It remembers which resources need a shorter one, and counts that are not written yet."""

    applier: Applier
    _refused: dict[Key, tuple[str, datetime]] = field(default_factory=dict)
    _kept: dict[Key, Kept] = field(default_factory=dict)

    def newest(self, key: Key, read: Resource) -> Resource:
        """Return a resource as it was read, with the counts that have not been written yet."""
        kept = self._kept.get(key)
        return read if kept is None else kept.over(read)

    async def write(self, key: Key, ref: ObjectRef, decide: Decide, *, resource: Resource, now: datetime) -> Decision:
        """Decide, write the status if it has changed, and return the decision that was written.

        Raises ClusterError; nothing else of the decision may then be written.
        """
        refusal, since = self._refused.get(key, ("", now))
        if refusal and now - since >= WHOLE_AGAIN:
            del self._refused[key]
            refusal = ""
        decision = decide(refusal)
        try:
            try:
                await self._put(ref, decision)
            except TooLargeError as error:
                if refusal:
                    raise
                log.warning("%s: the whole status is refused, a shorter one is written: %s", ref, error)
                self._refused[key] = (str(error), now)
                decision = decide(str(error))
                await self._put(ref, decision)
        except RefusedError as error:
            await self._roll_back(ref, decision, resource.status or Status(), error, now)
            raise
        kept = Kept.of(resource, decision.status, decision.unwritten)
        if kept is None:
            self._kept.pop(key, None)
        else:
            self._kept[key] = kept
        return decision

    def forget(self, key: Key) -> None:
        """Forget a deleted resource."""
        self._refused.pop(key, None)
        self._kept.pop(key, None)

    async def _put(self, ref: ObjectRef, decision: Decision) -> None:
        for write in decision.writes:
            if isinstance(write, PutStatus):
                await self.applier.put_status(ref, write)

    async def _roll_back(
        self, ref: ObjectRef, decision: Decision, before: Status, error: RefusedError, now: datetime
    ) -> None:
        """Write the routing of a decision whose status is refused, if it withdraws a run."""
        wanted = decision.status.propagation
        if not wanted.withdraws_run or wanted.revision <= before.propagation.revision:
            return
        for write in decision.writes:
            if _is_about_routing(write):
                await self.applier.perform(ref, write, now)
        what = decision.status.history[-1].message if decision.status.history else "A run is withdrawn"
        message = f"{what}. The routing is written, but the API server refuses the status: {error}"
        await self.applier.post_events(ref, (Announcement("RollbackNotRecorded", message, is_warning=True),), now)


def _is_about_routing(write: Write) -> bool:
    match write:
        case CreateChild(rendered=rendered) | ApplyChild(rendered=rendered):
            return names.ROUTING_KEY in rendered.get("data", {})
        case AnnotatePod() | RemovePod():
            return True
        case _:
            return False
