"""What the checks need, read from the cluster with the rights of the user. What cannot be read is Unread."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final, Protocol, TypeVar

from serin_cli.doctor.results import Unread
from serin_cli.doctor.samples import samples
from serin_cli.doctor.seen import Installation, Json, Model, Objects, Readiness, Samples
from serin_cli.pod_view import is_ready
from serin_cli.request_errors import AbsentError, ClusterError
from serin_core.contract import names
from serin_core.contract.pod_report import PodReport

OPERATOR_NAMESPACE: Final = "serin-system"
_OPERATOR: Final = "app.kubernetes.io/name=serin-operator"
_LEASE_PREFIX: Final = "serin-operator"
_OPERATOR_PORT: Final = 8081
_MOST_PODS: Final = 5
"""Pods that are asked: those of one rollout serve the same, and each request takes its time."""
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Of an object whose existence matters, its contents are not sent: a Secret's stay in the cluster."""
_KINDS: Final = {
    "secretName": ("Secret", "secrets"),
    "configMapName": ("ConfigMap", "configmaps"),
    "claimName": ("PersistentVolumeClaim", "persistentvolumeclaims"),
}
_RIGHTS: Final = {
    "read SuggestionModels": ("get", names.PLURAL, names.GROUP),
    "act on rollouts (patch SuggestionModels)": ("patch", names.PLURAL, names.GROUP),
}
_Found = TypeVar("_Found")


class Readable(Protocol):
    """The requests of a cluster that are used."""

    namespace: str

    def read(self, path: str, *, accept: str = ..., **query: str) -> str:
        """Return the response to a GET. Raises ClusterError, AbsentError for a 404."""

    def may(self, verb: str, resource: str, *, group: str = ...) -> bool:
        """Return whether the user has a right in the namespace. Raises ClusterError."""


def read_installation(cluster: Readable, operator_namespace: str) -> Installation:
    """Return what can be read of the parts that all SuggestionModels share."""
    core, where = f"/api/v1/namespaces/{operator_namespace}", f"namespaces/{operator_namespace}"
    pods = _items(cluster, f"{core}/pods", labelSelector=_OPERATOR)
    operators = _Pods(cluster, operator_namespace, _OPERATOR_PORT)
    leases = _items(cluster, f"/apis/coordination.k8s.io/v1/{where}/leases")
    if not isinstance(leases, Unread):
        leases = [one for one in leases if one["metadata"]["name"].startswith(_LEASE_PREFIX)]
    return Installation(
        now=datetime.now(UTC),
        version=version("serin"),
        namespace=operator_namespace,
        definition=_definition(cluster),
        deployments=_items(cluster, f"/apis/apps/v1/{where}/deployments", labelSelector=_OPERATOR),
        leases=leases,
        metrics=operators.metrics(pods),
        readiness=operators.readiness(pods),
        rights={name: _right(cluster, *right) for name, right in _RIGHTS.items()},
    )


def read_model(cluster: Readable, live: Json) -> Model:
    """Return what can be read of the objects that belong to a SuggestionModel."""
    namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
    pods = _items(cluster, f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"{names.LABEL_MODEL}={name}")
    servers = _Pods(cluster, namespace, names.SERVER_PORT)
    return Model(
        live=live,
        pods=pods,
        policies=_items(cluster, f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"),
        inputs={where: _exists(cluster, namespace, *kind) for where, kind in inputs_of(live.get("spec") or {})},
        metrics=servers.metrics(pods),
        reports=servers.reports(pods),
    )


def inputs_of(spec: Json) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield where the spec names an object and its kind, and the resource and name of the object."""
    # The keys of labels and annotations, in server.pod, are the user's own.
    server = {key: value for key, value in (spec.get("server") or {}).items() if key != "pod"}
    yield from _named(spec.get("registry"), "spec.registry")
    yield from _named(server, "spec.server")


def _named(value: Any, path: str) -> Iterator[tuple[str, tuple[str, str]]]:
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if key in _KINDS and isinstance(item, str):
            kind, resource = _KINDS[key]
            yield f"{kind} {item} ({path}.{key})", (resource, item)
        else:
            yield from _named(item, f"{path}.{key}")


def _or_unread(read: Callable[[], _Found]) -> _Found | Unread:
    try:
        return read()
    except ClusterError as error:
        return Unread(str(error))


def _items(cluster: Readable, path: str, **query: str) -> Objects:
    found = _or_unread(lambda: json.loads(cluster.read(path, **query)))
    return found if isinstance(found, Unread) else list(found.get("items") or [])


def _definition(cluster: Readable) -> Json | Unread | None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{names.PLURAL}.{names.GROUP}"
    try:
        return _or_unread_but_absent(lambda: json.loads(cluster.read(path)))
    except AbsentError:
        return None


def _exists(cluster: Readable, namespace: str, resource: str, name: str) -> bool | Unread:
    try:
        found = _or_unread_but_absent(
            lambda: cluster.read(f"/api/v1/namespaces/{namespace}/{resource}/{name}", accept=_METADATA_ONLY)
        )
    except AbsentError:
        return False
    return found if isinstance(found, Unread) else True


def _or_unread_but_absent(read: Callable[[], _Found]) -> _Found | Unread:
    """Return what is read, or why it cannot be. Raises AbsentError."""
    try:
        return read()
    except AbsentError:
        raise
    except ClusterError as error:
        return Unread(str(error))


def _right(cluster: Readable, verb: str, resource: str, group: str) -> bool | Unread:
    return _or_unread(lambda: cluster.may(verb, resource, group=group))


def _asked(pods: Objects) -> Sequence[Json]:
    """Return the pods that are asked: at most _MOST_PODS of those that run."""
    if isinstance(pods, Unread):
        return []
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"][:_MOST_PODS]


@dataclass(frozen=True, slots=True)
class _Pods:
    """Asks the pods of a namespace through the API server."""

    cluster: Readable
    namespace: str
    port: int

    def text(self, pod: Json, path: str, accept: str) -> str | Unread:
        """Return what a pod responds with."""
        metadata = pod["metadata"]
        scheme = (metadata.get("annotations") or {}).get(names.ANNOTATION_SCHEME, "http")
        address = f"{scheme}:{metadata['name']}:{self.port}"
        whole = f"/api/v1/namespaces/{self.namespace}/pods/{address}/proxy/{path}"
        return _or_unread(lambda: self.cluster.read(whole, accept=accept))

    def parsed(self, pod: Json, path: str, accept: str, parse: Callable[[str], _Found]) -> _Found | Unread:
        """Return what a pod responds with, parsed; `parse` raises ValueError."""
        text = self.text(pod, path, accept)
        try:
            return text if isinstance(text, Unread) else parse(text)
        except ValueError:
            return Unread(f"{pod['metadata']['name']} did not respond as Serin does at /{path}")

    def metrics(self, pods: Objects) -> dict[str, Samples]:
        """Return the metrics of the pods that are ready."""
        ready = [pod for pod in _asked(pods) if is_ready(pod)]
        return {pod["metadata"]["name"]: self.parsed(pod, "metrics", "text/plain", samples) for pod in ready}

    def reports(self, pods: Objects) -> dict[str, PodReport | Unread]:
        """Return the reports of server pods, also of those that are not ready: the report has the reason."""
        parse, asked = PodReport.model_validate_json, _asked(pods)
        return {pod["metadata"]["name"]: self.parsed(pod, "ml/status", "application/json", parse) for pod in asked}

    def readiness(self, pods: Objects) -> dict[str, Readiness]:
        """Return what pods of the operator respond with at /readyz."""
        return {
            pod["metadata"]["name"]: Readiness(is_ready(pod), self.text(pod, "readyz", "text/plain"))
            for pod in _asked(pods)
        }
