"""The model ConfigMap and the pod template of a resource, rendered again only if something they are made from changed.

Every pass compares both with the live objects, several times, and almost always they are as they were. They are kept
for each resource, and must not be changed.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from serin_core.api.base import Json
from serin_core.api.resource import Resource
from serin_core.api.status import Status
from serin_core.kubernetes import manifests, pod_template
from serin_core.kubernetes.inputs import RulesText, ServerImage

MAX_KEPT: Final = 10_000
"""Resources whose objects are kept, the last ones that were rendered: about 16 kB each."""
InputsT = TypeVar("InputsT")


class Kept(Generic[InputsT]):
    """The last rendered object of each resource, by its uid, and what it was made from."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit, self._of = limit, dict[str, tuple[InputsT, Json]]()

    def get(self, uid: str, inputs: InputsT, render: Callable[[], Json]) -> Json:
        """Return what is kept if it was made from equal inputs, else what `render` returns now."""
        kept = self._of.pop(uid, None)
        if kept is None or kept[0] != inputs:
            kept = inputs, render()
        self._of[uid] = kept
        if len(self._of) > self._limit:
            del self._of[next(iter(self._of))]
        return kept[1]


_models: Final = Kept[tuple[object, ...]]()
_templates: Final = Kept[tuple[object, ...]]()


def model(resource: Resource, status: Status, rules: RulesText) -> Json:
    """Return the model ConfigMap, as `manifests.model` renders it."""
    inputs = (
        resource.namespace,
        resource.name,
        manifests.registry(resource, status).uri,
        status.pod_runs,
        status.pod_attempt,
        rules,
    )
    return _models.get(resource.uid, inputs, lambda: manifests.model(resource, status, rules))


def template(resource: Resource, status: Status, rules: RulesText, image: ServerImage) -> Json:
    """Return the pod template, as `pod_template.render` renders it."""
    name = model(resource, status, rules)["metadata"]["name"]
    inputs = (
        resource.namespace,
        resource.name,
        resource.spec,
        manifests.registry(resource, status),
        status.pod_runs,
        name,
        image,
    )
    return _templates.get(
        resource.uid, inputs, lambda: pod_template.render(resource, status, model_name=name, image=image)
    )
