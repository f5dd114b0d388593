"""Differences between a live object and what was rendered for it; an object without differences is not written.

Only rendered fields are compared: defaults of the API server and fields of others are no differences. Where an addition
would change what is served or to whom, in selectors and in the settings of containers, it is a difference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from serin_core.api.quantities import quantity

_QUANTITIES = frozenset({"requests", "limits"})
_EXACT = frozenset({"selector"})
_CONTAINER_SETTINGS = ("env", "envFrom", "command", "args")
_CONTROLLERS = frozenset({"kube-controller-manager", "kubelet", ""})
_SHOWN = 200
"""Characters of the longest value that a message shows."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A rendered field that a live object lacks or has with another value, or a setting that was added to it."""

    path: tuple[str, ...]
    """Keys down to the field; an item of a list is its name in brackets."""
    wanted: Any
    """The rendered value; None: the field is not rendered."""
    found: Any
    """The live value; None: the live object has no such field."""

    @property
    def field(self) -> str:
        """The path as kubectl writes it: `spec.template.spec.containers[server].image`."""
        return "".join(key if key.startswith("[") else f".{key}" for key in self.path).removeprefix(".")

    def __str__(self) -> str:
        """Return the field, with both values if they are short; never those of a variable, which may be secret."""
        is_short = all(isinstance(one, str | int) and len(str(one)) <= _SHOWN for one in (self.wanted, self.found))
        if "env" in self.path or not is_short:
            return self.field
        return f"{self.field} ({self.found} instead of {self.wanted})"


def holds(live: Any, rendered: Any) -> bool:
    """Return whether `live` has every rendered field with the same value; list items may be in any position."""
    return next(_differences(live, rendered), None) is None


def differences(live: Any, rendered: Any) -> tuple[Difference, ...]:
    """Return what keeps `live` from holding what was rendered, () if nothing does."""
    return tuple(_differences(live, rendered))


def _differences(live: Any, rendered: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    if live == rendered:
        return  # most parts of most objects: they need not be walked through
    match rendered:
        case Mapping():
            for key, value in rendered.items():
                found = live.get(key) if isinstance(live, Mapping) else None
                yield from _field_differences(key, found, value, (*path, key))
        case list() if isinstance(live, list):
            for wanted in rendered:
                if wanted not in live and not any(holds(item, wanted) for item in live):
                    yield from _item_differences(live, wanted, path)
        case _:
            yield Difference(path, rendered, live)


def _field_differences(key: str, found: Any, wanted: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if found is None:
        if wanted not in ({}, [], None):
            yield Difference(path, wanted, found)
    elif key in _EXACT:
        if found != wanted:
            yield Difference(path, wanted, found)
    elif key in _QUANTITIES:
        for name, value in wanted.items():
            if name not in found or quantity(found[name]) != quantity(value):
                yield Difference((*path, name), value, found.get(name))
    else:
        yield from _differences(found, wanted, path)
        if key == "containers":
            yield from _additions(found, wanted, path)


def _item_differences(live: list[Any], wanted: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    """Yield the differences to the item of the same name, or the whole item where there is none."""
    name = wanted.get("name") if isinstance(wanted, Mapping) else None
    same = next((item for item in live if isinstance(item, Mapping) and item.get("name") == name), None)
    place = path if name is None else (*path, f"[{name}]")
    if name is None or same is None:
        yield Difference(place, wanted, None)
    else:
        yield from _differences(same, wanted, place)


def _additions(live: list[Any], rendered: list[Any], path: tuple[str, ...]) -> Iterator[Difference]:
    """Yield what others added to the settings of rendered containers."""
    for wanted in rendered:
        found: Mapping[str, Any] = next((item for item in live if item.get("name") == wanted["name"]), {})
        for key in _CONTAINER_SETTINGS:
            kept, place = wanted.get(key) or (), (*path, f"[{wanted['name']}]", key)
            live_items = found.get(key) or ()
            # With as many items, one that was replaced is a difference of the item that is missing.
            candidates = live_items if len(live_items) > len(kept) else ()
            added = (item for item in candidates if not any(holds(item, one) for one in kept))
            yield from (Difference((*place, *_name(item)), None, item) for item in added)


def _name(item: Any) -> tuple[str, ...]:
    return (f"[{item['name']}]",) if isinstance(item, Mapping) and "name" in item else ()


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
    return kept | {key: rendered[key] for key in _CONTAINER_SETTINGS if rendered.get(key)}


def other_owners(live: Mapping[str, Any], *, manager: str) -> tuple[str, ...]:
    """Return the field managers of an object, except `manager` and the controllers of Kubernetes."""
    found = {str(entry.get("manager", "")) for entry in _managed(live)}
    return tuple(sorted(found - _CONTROLLERS - {manager}))


def editors(live: Mapping[str, Any], rendered: Mapping[str, Any], *, manager: str) -> tuple[str, ...]:
    """Return the field managers, except `manager`, that own a field with a difference, or the list that has it."""
    paths = [tuple(takewhile(lambda key: not key.startswith("["), one.path)) for one in _differences(live, rendered)]
    found = {
        str(entry.get("manager", ""))
        for entry in _managed(live)
        if any(_owns(entry.get("fieldsV1") or {}, path) for path in paths)
    }
    return tuple(sorted(found - _CONTROLLERS - {manager}))


def owns(live: Mapping[str, Any], path: tuple[str, ...], *, manager: str) -> bool:
    """Return whether the applies of `manager` own a field."""
    entries = (one for one in _managed(live) if one.get("manager") == manager and one.get("operation") == "Apply")
    return any(_owns(one.get("fieldsV1") or {}, path) for one in entries)


def _managed(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return live.get("metadata", {}).get("managedFields") or []


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for key in path:
        if f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True
