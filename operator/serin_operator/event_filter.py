"""Which watch events need a reconcile: changes by users, not the operator's own status writes.

Only a hash and a name are kept for each resource, never an object, because every reconcile reads the current state. An
entry that outlives its resource because an event was lost costs one needless reconcile at most.
"""

from collections.abc import Mapping
from typing import Any

from serin_operator.object_ref import Key


class EventFilter:
    """Distinguishes changes of a resource from the operator's own status writes, and rules from other ConfigMaps."""

    def __init__(self) -> None:
        self._fingerprints: dict[Key, int] = {}
        self._rules: dict[Key, str] = {}
        self._resources: dict[tuple[str, str], set[Key]] = {}

    def clear(self) -> None:
        """Forget everything: each resource is new when it is listed again."""
        self._fingerprints.clear()
        self._rules.clear()
        self._resources.clear()

    def record(self, key: Key, body: Mapping[str, Any], *, is_deleted: bool) -> bool:
        """Record a resource's state, and return whether it has changed in a way that needs a reconcile."""
        self._record_rules(key, "" if is_deleted else _rules_config_map(body))
        if is_deleted:
            self._fingerprints.pop(key, None)
            return True
        fingerprint = _fingerprint(body["metadata"])
        is_changed = self._fingerprints.get(key) != fingerprint
        self._fingerprints[key] = fingerprint
        return is_changed

    def resources_with_rules_in(self, namespace: str, config_map: str) -> frozenset[Key]:
        """Return the resources whose rules are in this ConfigMap."""
        return frozenset(self._resources.get((namespace, config_map), ()))

    def _record_rules(self, key: Key, config_map: str) -> None:
        before = self._rules.pop(key, "")
        if before and before != config_map:
            resources = self._resources[key.namespace, before]
            resources.discard(key)
            if not resources:
                del self._resources[key.namespace, before]
        if config_map:
            self._rules[key] = config_map
            self._resources.setdefault((key.namespace, config_map), set()).add(key)


def _fingerprint(metadata: Mapping[str, Any]) -> int:
    """Return a hash of what users change: spec (by its generation), annotations, deletion; never of status."""
    annotations = frozenset((metadata.get("annotations") or {}).items())
    return hash((metadata.get("uid"), metadata.get("generation"), metadata.get("deletionTimestamp"), annotations))


def _rules_config_map(body: Mapping[str, Any]) -> str:
    server = body.get("spec", {}).get("server") or {}
    return str((server.get("rules") or {}).get("configMapName", ""))
