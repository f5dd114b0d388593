"""Where objects are in the Kubernetes API."""

from collections.abc import Mapping
from typing import Final

from serin_core.api.base import Json
from serin_core.contract import names
from serin_operator.interfaces import Selection

COORDINATION: Final = "/apis/coordination.k8s.io/v1"
_PATHS: Final[Mapping[str, str]] = {
    names.KIND: f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/{names.PLURAL}",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Event": f"/apis/{names.EVENTS_API}/namespaces/{{namespace}}/events",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
    "PodMonitor": f"/apis/{names.MONITORING_API}/namespaces/{{namespace}}/podmonitors",
    "Lease": f"{COORDINATION}/namespaces/{{namespace}}/leases",
}


def path_of(kind: str, namespace: str, name: str | None = None) -> str:
    """Return the path of an object, or of all of a kind in a namespace."""
    path = _PATHS[kind].format(namespace=namespace)
    return path if name is None else f"{path}/{name}"


def collection_of(what: Selection) -> str:
    """Return the path at which objects are listed and watched."""
    path = path_of(what.kind, what.namespace)
    return path if what.namespace else path.replace("/namespaces/", "", 1)


def whole(item: Json, api_version: str, kind: str) -> Json:
    """Return an item of a list with both fields that it lacks: comparing it with what was rendered needs them."""
    return item | {"apiVersion": api_version, "kind": kind}
