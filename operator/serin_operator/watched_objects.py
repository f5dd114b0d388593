"""What is watched beside the SuggestionModels.

Children are watched by our label, which the API server applies. ConfigMaps with rules belong to users, carry no label
of ours and may be named before they exist, so of all other ConfigMaps only the versions are watched: whatever users
store in them, the operator keeps a few hundred bytes of each (docs/decisions/0130).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from serin_core.api.base import Json
from serin_core.contract import names
from serin_operator.background import keep_running
from serin_operator.heartbeat import Heartbeat
from serin_operator.informer import Informer
from serin_operator.interfaces import Selection, Watchable
from serin_operator.object_store import ObjectStore, version_only, without_managed_fields

CHILDREN: Final[Mapping[str, str]] = {
    "Pod": names.LABEL_UID,
    "Service": names.LABEL_UID,
    "ServiceAccount": names.LABEL_UID,
    "Deployment": names.LABEL_UID,
    "PodDisruptionBudget": names.LABEL_UID,
    "ConfigMap": f"{names.LABEL_UID},!{names.LABEL_TRIAL_OF}",
}
"""Kinds of children, and the labels by which they are selected. Records of trials are never read for a decision."""
OTHER_CONFIG_MAPS: Final = f"!{names.LABEL_UID},!{names.LABEL_TRIAL_OF}"


def _stores() -> dict[str, ObjectStore]:
    return {kind: ObjectStore(without_managed_fields) if kind == "Pod" else ObjectStore() for kind in CHILDREN}


@dataclass
class WatchedObjects:
    """Everything that the informers know."""

    api: Watchable
    children: Mapping[str, ObjectStore] = field(default_factory=_stores)
    """By kind."""
    other_config_maps: ObjectStore = field(default_factory=lambda: ObjectStore(version_only))
    """Versions of the ConfigMaps that are no children."""

    def informers(self, namespaces: Iterable[str], changed: Callable[[Json], None]) -> Iterator[Informer]:
        """Yield the informers of these namespaces, of all if none is given."""
        for namespace in tuple(namespaces) or ("",):
            for kind, labels in CHILDREN.items():
                yield Informer(self.api, Selection(kind, namespace, labels), self.children[kind], changed)
            others = Selection("ConfigMap", namespace, OTHER_CONFIG_MAPS, is_metadata_only=True)
            yield Informer(self.api, others, self.other_config_maps, changed)

    async def follow(self, namespaces: Iterable[str], *, changed: Callable[[Json], None], heartbeat: Heartbeat) -> None:
        """Run the informers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self.informers(namespaces, changed):
                group.create_task(keep_running(str(informer), partial(informer.run, heartbeat)))
