"""Whether a live object still holds all that was rendered for it, so that an unchanged one is never written.

Only rendered fields are compared: defaults that the API server adds, and what others own, are not drift. But where an
addition would change what is served and to whom, nothing may be added: selectors, and what our container is told.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

_SUFFIXES = {
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}
_QUANTITIES = frozenset({"requests", "limits"})
_WHOLE = frozenset({"selector"})
_TOLD_TO_CONTAINERS = ("env", "envFrom", "command", "args")
_CONTROLLERS = frozenset({"kube-controller-manager", "kubelet", ""})


def holds(live: Any, rendered: Any) -> bool:
    """Answer whether every rendered field stands in `live` with the same value; list items are found anywhere."""
    match rendered:
        case Mapping():
            return all(_field_holds(live, key, value) for key, value in rendered.items())
        case list():
            return isinstance(live, list) and all(any(holds(item, wanted) for item in live) for wanted in rendered)
        case _:
            return bool(live == rendered)


def _field_holds(live: Any, key: str, rendered: Any) -> bool:
    found = live.get(key) if isinstance(live, Mapping) else None
    if found is None:
        return rendered in ({}, [], None)
    if key in _WHOLE:
        return bool(found == rendered)
    if key == "containers":
        return all(any(_container_holds(item, wanted) for item in found) for wanted in rendered)
    if key in _QUANTITIES:
        return all(key in found and quantity(found[key]) == quantity(value) for key, value in rendered.items())
    return holds(found, rendered)


def _container_holds(live: Any, rendered: Mapping[str, Any]) -> bool:
    is_told_more = any(len(live.get(key) or ()) != len(rendered.get(key) or ()) for key in _TOLD_TO_CONTAINERS)
    return not is_told_more and holds(live, rendered)


def without_additions(live: Mapping[str, Any], rendered: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `live` without what others told the rendered containers: an apply leaves items of others in place."""
    kept = dict(live)
    for key, value in rendered.items():
        if key == "containers":
            wanted = {container["name"]: container for container in value}
            kept[key] = [_only_told(item, wanted.get(item["name"])) for item in live[key]]
        elif isinstance(value, Mapping) and isinstance(live.get(key), Mapping):
            kept[key] = without_additions(live[key], value)
    return kept


def _only_told(live: Mapping[str, Any], rendered: Mapping[str, Any] | None) -> dict[str, Any]:
    if rendered is None:
        return dict(live)
    kept = {key: value for key, value in live.items() if key not in _TOLD_TO_CONTAINERS}
    return kept | {key: rendered[key] for key in _TOLD_TO_CONTAINERS if key in rendered}


def quantity(text: str) -> Decimal:
    """Answer a Kubernetes quantity as a number: the API server rewrites `0.5` as `500m`."""
    suffix = next((one for one in sorted(_SUFFIXES, key=len, reverse=True) if text.endswith(one)), "")
    return Decimal(text.removesuffix(suffix)) * _SUFFIXES.get(suffix, Decimal(1))


def other_owners(live: Mapping[str, Any], *, manager: str) -> tuple[str, ...]:
    """Answer the field managers of an object other than `manager` and the cluster's own controllers, for an event."""
    found = {str(entry.get("manager", "")) for entry in _managed(live)}
    return tuple(sorted(found - _CONTROLLERS - {manager}))


def editors(live: Mapping[str, Any], rendered: Mapping[str, Any], *, manager: str) -> tuple[str, ...]:
    """Answer the field managers, other than `manager`, that own a field which is not what was rendered."""
    paths = tuple(_differences(live, rendered))
    found = {
        str(entry.get("manager", ""))
        for entry in _managed(live)
        if any(_owns(entry.get("fieldsV1") or {}, path) for path in paths)
    }
    return tuple(sorted(found - _CONTROLLERS - {manager}))


def _managed(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return live.get("metadata", {}).get("managedFields") or []


def _differences(live: Mapping[str, Any], rendered: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Answer the path of each field that differs, down to the first list: whose item it is does not matter here."""
    for key, value in rendered.items():
        found = live.get(key)
        if _field_holds(live, key, value):
            continue
        if isinstance(value, Mapping) and isinstance(found, Mapping) and key not in _WHOLE:
            yield from ((key, *path) for path in _differences(found, value))
        else:
            yield (key,)


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for key in path:
        if f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True
