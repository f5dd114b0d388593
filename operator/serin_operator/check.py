"""Whether an installation works: `serin-operator --check`, which `helm test` runs in a pod of its own.

Only the API server is asked. The kubelet asks each operator at /readyz, and a NetworkPolicy may forbid other pods that.
"""

import asyncio
from typing import Final, Protocol

from serin_core.api.base import Json
from serin_operator.interfaces import ClusterError
from serin_operator.kubernetes_client import KubernetesClient

SECONDS: Final = 60.0
INTERVAL: Final = 0.5


class Cluster(Protocol):
    """What the check asks the API server."""

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        """Read one object. Raises ClusterError."""

    async def check_version(self) -> None:
        """Check that the API server is new enough. Raises ClusterError."""

    async def check_served(self) -> None:
        """Check that SuggestionModels are served. Raises ClusterError."""


async def find_problem(place: str, *, seconds: float = SECONDS) -> str:
    """Return the problem of the Deployment NAMESPACE/NAME, or "" as soon as there is none, at most after `seconds`."""
    namespace, _, name = place.partition("/")
    found = ""
    try:
        cluster = await KubernetesClient.connect()
    except ClusterError as error:
        return str(error)
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = await problem(cluster, namespace, name)
                if not found:
                    return ""
                await asyncio.sleep(INTERVAL)
    except TimeoutError:
        return f"{place}: {found or 'no answer of the API server'}, after {seconds:g} s"
    finally:
        await cluster.close()


async def problem(cluster: Cluster, namespace: str, name: str) -> str:
    """Return why the operators of a Deployment do not work now, or ""."""
    try:
        await cluster.check_version()
        await cluster.check_served()
        deployment = await cluster.get("Deployment", namespace, name)
    except ClusterError as error:
        return str(error)
    wanted, status = deployment["spec"]["replicas"], deployment.get("status", {})
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return "the Deployment has not been processed yet"
    if wanted == 0:
        return "the Deployment has no replicas"
    ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", 0))
    return "" if ready >= wanted else f"{ready} of {wanted} operators are ready"
