"""What operators know from watches: each object as it was when its last event arrived, which may be long ago."""

import copy
from dataclasses import dataclass, replace
from typing import Any

from models.parts import NAME, Operator, Pod

from serin_core.api.resource import Resource


@dataclass
class View:
    """All objects, each at some time."""

    resource: Resource
    children: dict[tuple[str, str], dict[str, Any]]
    pods: dict[str, Pod]
    rules: str


def view_of(world) -> View:
    """Return everything as it is now: what direct reads return."""
    resource = Resource(
        namespace="default",
        name=NAME,
        uid=world.uid,
        generation=world.generation,
        resource_version=str(world.object_version),
        spec=world.spec,
        status=world.status,
        annotations=dict(world.annotations),
    )
    pods = {pod.name: _copy(pod) for pod in world.pods.values()}
    return View(resource, copy.deepcopy(world.children), pods, world.rules)


def notice(world, operator: Operator, number: int) -> None:
    """Let an operator get the events of one object; the first ones are of a list of everything."""
    now = view_of(world)
    known = operator.view
    if known is None:
        operator.view = now
        return
    names = ["resource", "rules", *sorted({*now.pods, *known.pods}), *sorted({*now.children, *known.children})]
    name = names[number % len(names)]
    if name in ("resource", "rules"):
        operator.view = replace(known, **{name: getattr(now, name)})
        return
    old, new = (known.children, now.children) if isinstance(name, tuple) else (known.pods, now.pods)
    old.pop(name, None)
    if name in new:
        old[name] = new[name]


def _copy(pod: Pod) -> Pod:
    return replace(
        pod,
        annotations=dict(pod.annotations),
        loaded=dict(pod.loaded),
        refused=dict(pod.refused),
        absent=set(pod.absent),
        crashes=list(pod.crashes),
    )
