"""Events about deleted SuggestionModels. There is no finalizer, so what they did is kept in memory until then."""

from collections.abc import Collection
from datetime import datetime

from serin_core.api.status import Status
from serin_core.rollout.deletion import deleted
from serin_operator.apply import Applier
from serin_operator.object_ref import Key, ObjectRef


class Deletions:
    """Reports each deletion once, if this process has decided about the object before."""

    def __init__(self, applier: Applier) -> None:
        self._applier = applier
        self._last: dict[Key, tuple[ObjectRef, Status]] = {}

    def remember(self, key: Key, ref: ObjectRef, status: Status) -> None:
        """Keep what was decided about an object that exists."""
        self._last[key] = ref, status

    def forget(self, key: Key) -> None:
        """Forget an object that another operator works on."""
        self._last.pop(key, None)

    async def report(self, key: Key, now: datetime, *, finalizers: Collection[str] = ()) -> None:
        """Post the Event of a deletion."""
        found = self._last.pop(key, None)
        if found is not None:
            ref, status = found
            await self._applier.post_events(ref, (deleted(status, finalizers),), now)
