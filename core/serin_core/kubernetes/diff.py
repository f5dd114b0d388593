"""Differences between a live object and what was rendered for it; an object without differences is not written.

Only rendered fields are compared: defaults of the API server and fields of others are no differences. Where an addition
would change what is served or to whom, in selectors and in the settings of containers, it is a difference.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from serin_core.api.quantities import quantity

_QUANTITIES = frozenset({"requests", "limits"})
_EXACT = frozenset({"selector"})
_CONTAINER_SETTINGS = ("env", "envFrom", "command", "args")
_CONTROLLERS = frozenset({"kube-controller-manager", "kubelet", ""})


def holds(live: Any, rendered: Any) -> bool:
    """Return whether `live` has every rendered field with the same value; list items may be in any position."""
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
    if key in _EXACT:
        return bool(found == rendered)
    if key == "containers":
        return all(any(_container_holds(item, wanted) for item in found) for wanted in rendered)
    if key in _QUANTITIES:
        return all(key in found and quantity(found[key]) == quantity(value) for key, value in rendered.items())
    return holds(found, rendered)


def _container_holds(live: Any, rendered: Mapping[str, Any]) -> bool:
    has_additions = any(len(live.get(key) or ()) != len(rendered.get(key) or ()) for key in _CONTAINER_SETTINGS)
    return not has_additions and holds(live, rendered)


def without_additions(live: Mapping[str, Any], rendered: Mapping[str, Any]) -> dict[str, Any]:
    """Return `live` without settings that others added to rendered containers: an apply does not remove those."""
    kept = dict(live)
    for key, value in rendered.items():
        if key == "containers":
            wanted = {container["name"]: container for container in value}
            kept[key] = [_with_rendered_settings(item, wanted.get(item["name"])) for item in live[key]]
        elif isinstance(value, Mapping) and isinstance(live.get(key), Mapping):
            kept[key] = without_additions(live[key], value)
    return kept


def _with_rendered_settings(live: Mapping[str, Any], rendered: Mapping[str, Any] | None) -> dict[str, Any]:
    if rendered is None:
        return dict(live)
    kept = {key: value for key, value in live.items() if key not in _CONTAINER_SETTINGS}
    return kept | {key: rendered[key] for key in _CONTAINER_SETTINGS if key in rendered}


def other_owners(live: Mapping[str, Any], *, manager: str) -> tuple[str, ...]:
    """Return the field managers of an object, except `manager` and the controllers of Kubernetes."""
    found = {str(entry.get("manager", "")) for entry in _managed(live)}
    return tuple(sorted(found - _CONTROLLERS - {manager}))


def editors(live: Mapping[str, Any], rendered: Mapping[str, Any], *, manager: str) -> tuple[str, ...]:
    """Return the field managers, except `manager`, that own a field with a difference."""
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
    """Yield the path of each field that differs, down to the first list."""
    for key, value in rendered.items():
        found = live.get(key)
        if _field_holds(live, key, value):
            continue
        if isinstance(value, Mapping) and isinstance(found, Mapping) and key not in _EXACT:
            yield from ((key, *path) for path in _differences(found, value))
        else:
            yield (key,)


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for key in path:
        if f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True
