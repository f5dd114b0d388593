"""What the informer remembers, so that an event wakes only those whom it concerns, and only when it is news.

A number and a name per resource, never an object: truth is read anew by every reconcile. An entry that a lost event
left behind costs a wake-up at most.
"""

from collections.abc import Mapping
from typing import Any

from serin_operator.reconcile import Key


class EventFilter:
    """Tells changes of resources from echoes of the operator's own status writes, and rules from other ConfigMaps."""

    def __init__(self) -> None:
        self._looks: dict[Key, int] = {}
        self._rules: dict[Key, str] = {}
        self._readers: dict[tuple[str, str], set[Key]] = {}

    def note(self, key: Key, body: Mapping[str, Any], *, is_deleted: bool) -> bool:
        """Note a resource as it is now, and answer whether a look at it could see anything new."""
        self._note_rules(key, "" if is_deleted else _rules_of(body))
        if is_deleted:
            self._looks.pop(key, None)
            return True
        looks = _looks_of(body["metadata"])
        is_news = self._looks.get(key) != looks
        self._looks[key] = looks
        return is_news

    def readers(self, namespace: str, config_map: str) -> frozenset[Key]:
        """Answer the resources whose rules stand in this ConfigMap."""
        return frozenset(self._readers.get((namespace, config_map), ()))

    def _note_rules(self, key: Key, config_map: str) -> None:
        before = self._rules.pop(key, "")
        if before and before != config_map:
            readers = self._readers[key.namespace, before]
            readers.discard(key)
            if not readers:
                del self._readers[key.namespace, before]
        if config_map:
            self._rules[key] = config_map
            self._readers.setdefault((key.namespace, config_map), set()).add(key)


def _looks_of(metadata: Mapping[str, Any]) -> int:
    """Answer a number for all that people change: spec (by its generation), requests, deletion; never status."""
    annotations = frozenset((metadata.get("annotations") or {}).items())
    return hash((metadata.get("uid"), metadata.get("generation"), metadata.get("deletionTimestamp"), annotations))


def _rules_of(body: Mapping[str, Any]) -> str:
    server = body.get("spec", {}).get("server") or {}
    return str((server.get("rules") or {}).get("configMapName", ""))
