"""Whether a live object still holds all that was rendered for it, so that an unchanged one is never written.

Only rendered fields are compared: defaults that the API server adds, and what others own, are not drift.
"""

from collections.abc import Mapping
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
    if key in _QUANTITIES:
        return all(key in found and quantity(found[key]) == quantity(value) for key, value in rendered.items())
    return holds(found, rendered)


def quantity(text: str) -> Decimal:
    """Answer a Kubernetes quantity as a number: the API server rewrites `0.5` as `500m`."""
    suffix = next((one for one in sorted(_SUFFIXES, key=len, reverse=True) if text.endswith(one)), "")
    return Decimal(text.removesuffix(suffix)) * _SUFFIXES.get(suffix, Decimal(1))


def other_owners(live: Mapping[str, Any], *, manager: str) -> tuple[str, ...]:
    """Answer the field managers of an object other than `manager` and the cluster's own controllers, for an event."""
    entries = live.get("metadata", {}).get("managedFields") or []
    found = {str(entry.get("manager", "")) for entry in entries}
    return tuple(sorted(found - {manager, "kube-controller-manager", "kubelet", ""}))
