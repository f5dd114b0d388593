"""What follows from a change of a watched object: it is known, and wakes the resources that it concerns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from serin_core.api.base import Json
from serin_core.contract import names
from serin_operator.event_filter import EventFilter
from serin_operator.interfaces import NotFoundError
from serin_operator.known_objects import KnownObjects
from serin_operator.known_resources import KnownResources
from serin_operator.object_ref import Key
from serin_operator.object_store import place_of


@dataclass
class Changes:
    """Takes in changes, and queues the SuggestionModels that they concern."""

    resources: KnownResources
    objects: KnownObjects
    record_watch_event: Callable[[], None] = lambda: None
    events: EventFilter = field(default_factory=EventFilter)

    def begin(self) -> None:
        """Forget the SuggestionModels, because all of them are about to be listed."""
        self.events.clear()
        self.resources.clear()
        self.objects.forget_resources()

    def resource_changed(self, live: Json, *, is_deleted: bool) -> None:
        """Take in a SuggestionModel. One that another operator works on is not kept."""
        self.record_watch_event()
        key = Key(*place_of(live))
        is_mine = self.resources.record(key, live["metadata"].get("labels") or {}, is_deleted=is_deleted)
        if not is_mine:
            self.objects.put_failure((names.KIND, key.namespace, key.name), NotFoundError(str(key)))
        else:
            self.objects.put_resource(live)
        if self.events.record(key, live, is_deleted=not is_mine):
            self.resources.enqueue(key)

    def object_changed(self, live: Json) -> None:
        """Take in a child, or any ConfigMap, that an informer has put into its store or removed from it."""
        self.record_watch_event()
        for key in self._woken_by(live):
            self.resources.enqueue(key)

    def _woken_by(self, live: Json) -> Iterator[Key]:
        namespace, name = place_of(live)
        if owner := (live["metadata"].get("labels") or {}).get(names.LABEL_MODEL):
            yield Key(namespace, owner)
        if live["kind"] == "ConfigMap":
            yield from self.events.resources_with_rules_in(namespace, name)
