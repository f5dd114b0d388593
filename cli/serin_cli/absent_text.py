"""What is shown where there is no SuggestionModel of a name: those that exist, near names, other namespaces. Pure."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

_SHOWN: Final = 10
"""Names that an error lists."""


def describe_absent(name: str, namespace: str, *, existing: Sequence[str] | None, elsewhere: Sequence[str]) -> str:
    """Return the error for a name that does not exist in a namespace.

    `existing` are the names of the namespace, None if they may not be listed; `elsewhere` are the other namespaces
    that have the name.
    """
    parts = [f"suggestionmodel {name!r} not found in namespace {namespace!r}"]
    if elsewhere:
        parts.append(f"it exists in {_listed(elsewhere)}: use -n {elsewhere[0]}")
    if existing is not None:
        parts.append(f"existing there: {_listed(existing)}")
    if near := get_close_matches(name, existing or (), n=1):
        parts.append(f"did you mean {near[0]!r}?")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}" if names else "none"
