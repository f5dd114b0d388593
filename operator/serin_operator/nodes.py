"""The state of nodes, from their objects. Reads nothing by itself.

The operator reads a node only where a pod on it has a problem, and works without that where its role does not allow it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from serin_core.api.base import Json
from serin_core.rollout.observation import NodeState

OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
"""The taint by which somebody declares that a node is down and its pods are gone."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node as it was read; a deleted node is neither ready nor does it exist."""

    is_ready: bool
    exists: bool = True
    is_out_of_service: bool = False
    ready_since: datetime | None = None
    """Last change of its condition Ready, None if it has never reported one."""

    @classmethod
    def of(cls, live: Json) -> Self:
        """Return the state of a Node object."""
        conditions = live.get("status", {}).get("conditions") or []
        ready: Json = next((one for one in conditions if one["type"] == "Ready"), {})
        since = ready.get("lastTransitionTime")
        taints = live.get("spec", {}).get("taints") or []
        return cls(
            is_ready=ready.get("status") == "True",
            is_out_of_service=any(one["key"] == OUT_OF_SERVICE for one in taints),
            ready_since=datetime.fromisoformat(since) if since else None,
        )

    @property
    def state(self) -> NodeState:
        """The state as the rollout knows it."""
        if not self.exists:
            return NodeState.DELETED
        if self.is_out_of_service:
            return NodeState.OUT_OF_SERVICE
        return NodeState.READY if self.is_ready else NodeState.NOT_READY

    def was_settled(self, at: datetime, *, after: timedelta) -> bool:
        """Return whether the node was Ready at that time, and had been for a while."""
        return self.is_ready and (self.ready_since is None or at >= self.ready_since + after)


DELETED: Final = NodeSeen(is_ready=False, exists=False)
