"""The state of nodes, from their objects. Reads nothing by itself.

The operator reads a node only where a pod on it has a problem, and works without that where its role does not allow it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from serin_core.api.base import Json


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node as it was read; a deleted node is neither ready nor does it exist."""

    is_ready: bool
    ready_since: datetime | None = None
    """Last change of its condition Ready, None if it has never reported one."""

    @classmethod
    def of(cls, live: Json) -> Self:
        """Return the state of a Node object."""
        conditions = live.get("status", {}).get("conditions") or []
        ready: Json = next((one for one in conditions if one["type"] == "Ready"), {})
        since = ready.get("lastTransitionTime")
        return cls(is_ready=ready.get("status") == "True", ready_since=datetime.fromisoformat(since) if since else None)

    def was_settled(self, at: datetime, *, after: timedelta) -> bool:
        """Return whether the node was Ready at that time, and had been for a while."""
        return self.is_ready and (self.ready_since is None or at >= self.ready_since + after)


DELETED: Final = NodeSeen(is_ready=False)
