"""Leases in memory, with requests that fail or hang."""

import asyncio
import copy

from serin_operator.interfaces import ClusterError, ConflictError, NotFoundError


class FakeLeases:
    """Implements elector.Leases over one Lease."""

    def __init__(self):
        self.live, self.version, self.requests, self.fail, self.hangs = None, 0, [], None, False
        self.before_write = lambda: None

    async def _request(self, what):
        self.requests.append(what)
        if self.hangs:
            await asyncio.Event().wait()
        if self.fail:
            raise ClusterError(self.fail)

    async def read_lease(self, namespace, name, *, is_exact):
        await self._request("exact" if is_exact else "read")
        if self.live is None:
            raise NotFoundError("not found")
        return copy.deepcopy(self.live)

    async def write_lease(self, lease):
        await self._request("write")
        self.before_write()
        version = lease["metadata"].get("resourceVersion")
        if self.live is None and version is not None:
            raise NotFoundError("not found")
        if self.live is not None and version != self.live["metadata"]["resourceVersion"]:
            raise ConflictError("changed")
        self.put(lease)
        return copy.deepcopy(self.live)

    def put(self, lease):
        self.version += 1
        self.live = copy.deepcopy(lease)
        self.live["metadata"] |= {"resourceVersion": str(self.version)}

    def edit(self, **spec):
        self.put(self.live | {"spec": self.live["spec"] | spec})
