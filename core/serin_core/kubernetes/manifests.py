"""The child objects of a SuggestionModel, rendered as plain JSON for server-side apply.

Each is a pure function of spec, status and what was observed, and always complete: a field that an apply leaves out is
removed. Pods get no service account token, no privileges and nothing of the host.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from serin_core.api.base import Json
from serin_core.api.resource import Resource
from serin_core.api.spec import Registry, RegistryVolume
from serin_core.api.status import CandidateState, Status
from serin_core.contract import environment, names
from serin_core.contract.documents import LoadedRun, ModelDocument, RoutingDocument
from serin_core.kubernetes.inputs import PodMonitorSettings, RulesText, ServerImage

CONTAINER = "server"
GRACE_SECONDS = 30
DRAIN_SECONDS = 5


def labels(resource: Resource) -> dict[str, str]:
    """Return the labels of all children of a resource; pods are selected by the uid among them."""
    return {
        "app.kubernetes.io/name": "serin-server",
        "app.kubernetes.io/part-of": "serin",
        "app.kubernetes.io/managed-by": names.FIELD_MANAGER,
        names.LABEL_MODEL: resource.name,
        names.LABEL_UID: resource.uid,
    }


def selector(resource: Resource) -> dict[str, str]:
    """Return the labels that select the pods of this resource's uid only."""
    return {names.LABEL_UID: resource.uid}


def routing_name(resource: Resource) -> str:
    """Return the name of the routing ConfigMap."""
    return f"{resource.name}-routing"


def routing(resource: Resource, document: RoutingDocument) -> Json:
    """Render the routing ConfigMap: one key, one document."""
    return _object(resource, "v1", "ConfigMap", routing_name(resource), {"data": {names.ROUTING_KEY: document.text()}})


def registry(resource: Resource, status: Status) -> Registry:
    """Return the registry that the pods read; while pods are drained, that of the previous template."""
    candidate = status.candidate
    is_draining = candidate is not None and candidate.state is CandidateState.DRAINING
    return status.pod_registry if is_draining and status.pod_registry is not None else resource.spec.registry


def model_document(resource: Resource, status: Status) -> ModelDocument:
    """Return the model document. It changes with runs, attempt and registry, never with promotion or routing."""
    return ModelDocument(
        uid=resource.uid,
        attempt=status.pod_attempt,
        registry=registry(resource, status).uri,
        runs=tuple(LoadedRun(run=run.run_id, digest=run.digest) for run in status.pod_runs),
    )


def model(resource: Resource, status: Status, rules: RulesText) -> Json:
    """Render the model ConfigMap: immutable, with a hash of its contents in its name."""
    data = {names.MODEL_KEY: model_document(resource, status).text()}
    if rules.text:
        data[names.RULES_KEY] = rules.text
    name = f"{resource.name}-model-{_hash(data)[:10]}"
    return _object(resource, "v1", "ConfigMap", name, {"immutable": True, "data": data})


def service_account(resource: Resource) -> Json:
    """Render the service account of the pods, which has no rights and no token."""
    return _object(resource, "v1", "ServiceAccount", resource.name, {"automountServiceAccountToken": False})


def service(resource: Resource) -> Json:
    """Render the Service of the pods."""
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    return _object(
        resource, "v1", "Service", resource.name, {"spec": {"selector": selector(resource), "ports": [port]}}
    )


def disruption_budget(resource: Resource) -> Json:
    """Render the PodDisruptionBudget: one pod at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(resource)}}
    return _object(resource, "policy/v1", "PodDisruptionBudget", resource.name, {"spec": spec})


def pod_monitor(resource: Resource, settings: PodMonitorSettings) -> Json:
    """Render the PodMonitor, by which a Prometheus of the Prometheus Operator scrapes the pods."""
    interval = {"interval": settings.interval} if settings.interval else {}
    endpoint = {"port": "http", "path": "/metrics", **interval}
    spec = {"selector": {"matchLabels": selector(resource)}, "podMetricsEndpoints": [endpoint]}
    rendered = _object(resource, names.MONITORING_API, "PodMonitor", resource.name, {"spec": spec})
    rendered["metadata"]["labels"] |= settings.labels
    return rendered


def deployment(resource: Resource, template: Json) -> Json:
    """Render the Deployment; a pod is replaced only after its successor is ready."""
    spec = {
        "replicas": resource.spec.server.replicas,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selector(resource)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    return _object(resource, "apps/v1", "Deployment", resource.name, {"spec": spec})


def pod_template(resource: Resource, status: Status, *, model_name: str, image: ServerImage) -> Json:
    """Render the pod template. Pods are compared with it by its hash, which is in an annotation."""
    pod: Json = {
        "serviceAccountName": resource.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS + DRAIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(resource, image, registry(resource, status))],
        "volumes": _volumes(resource, model_name, registry(resource, status)),
    }
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(names.SERVER_PORT),
        "prometheus.io/path": "/metrics",
        names.ANNOTATION_RUNS: ",".join(run.run_id for run in status.pod_runs),
    }
    annotations[names.ANNOTATION_TEMPLATE] = _hash({"pod": pod, "annotations": annotations, "uid": resource.uid})[:16]
    return {"metadata": {"labels": labels(resource), "annotations": annotations}, "spec": pod}


def template_hash(template: Json) -> str:
    """Return the hash in the annotations of a rendered template."""
    return str(template["metadata"]["annotations"][names.ANNOTATION_TEMPLATE])


def _container(resource: Resource, image: ServerImage, source: Registry) -> Json:
    server = resource.spec.server
    variables: dict[str, Any] = {
        environment.MODEL_NAME.name: f"{resource.namespace}/{resource.name}",
        environment.UID.name: resource.uid,
        environment.PORT.name: str(names.SERVER_PORT),
        environment.REGISTRY.name: source.uri,
        environment.MODEL_DIR.name: names.MODEL_MOUNT,
        environment.RULES_DIR.name: names.MODEL_MOUNT,
        environment.ROUTING_DIR.name: names.ROUTING_MOUNT,
        environment.TOKENS_DIR.name: names.TOKENS_MOUNT,
        environment.POD_DIR.name: names.POD_MOUNT,
        environment.STATE_DIR.name: names.STATE_MOUNT,
        environment.GRACE_SECONDS.name: str(GRACE_SECONDS),
    }
    mounts = [
        {"name": "model", "mountPath": names.MODEL_MOUNT, "readOnly": True},
        {"name": "routing", "mountPath": names.ROUTING_MOUNT, "readOnly": True},
        {"name": "tokens", "mountPath": names.TOKENS_MOUNT, "readOnly": True},
        {"name": "pod", "mountPath": names.POD_MOUNT, "readOnly": True},
        {"name": "state", "mountPath": names.STATE_MOUNT},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir
    ]
    if source.volume is not None:
        mounts.append({"name": "registry", "mountPath": names.REGISTRY_MOUNT, "readOnly": True})
    if image.public_key:
        variables[environment.PUBLIC_KEY.name] = image.public_key
    if server.store.postgres is not None:
        mounts.append({"name": "store", "mountPath": names.STORE_MOUNT, "readOnly": True})
        variables[environment.STORE_FILE.name] = f"{names.STORE_MOUNT}/url"
        if server.store.retention is not None:
            variables[environment.RETENTION.name] = server.store.retention
    if not source.is_directory:
        mounts.append({"name": "cache", "mountPath": names.CACHE_MOUNT})
        variables[environment.CACHE_DIR.name] = names.CACHE_MOUNT
    # env takes precedence over variables of the same name from the Secret.
    secret = {} if source.secret_name is None else {"envFrom": [{"secretRef": {"name": source.secret_name}}]}
    return {
        "name": CONTAINER,
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        **secret,
        "env": [
            *({"name": key, "value": value} for key, value in variables.items()),
            {
                "name": environment.POD.name,
                "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
            },
        ],
        "ports": [{"name": "http", "containerPort": names.SERVER_PORT, "protocol": "TCP"}],
        "resources": server.resources.model_dump(exclude_none=True),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": _probe("/healthz", period=1, failures=120),
        "livenessProbe": _probe("/healthz", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=1, failures=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        "volumeMounts": mounts,
    }


def _probe(path: str, *, period: int, failures: int) -> Json:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _volumes(resource: Resource, model_name: str, source: Registry) -> list[Json]:
    server = resource.spec.server
    annotations = {"path": "annotations", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.annotations"}}
    volumes: list[Json] = [
        {"name": "model", "configMap": {"name": model_name}},
        {"name": "routing", "configMap": {"name": routing_name(resource)}},
        {"name": "tokens", "secret": {"secretName": server.token.secret_name}},
        {"name": "pod", "downwardAPI": {"items": [annotations]}},
        {"name": "state", "emptyDir": {"sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    match source.volume:
        case RegistryVolume(claim_name=str(name)):
            volumes.append({"name": "registry", "persistentVolumeClaim": {"claimName": name, "readOnly": True}})
        case RegistryVolume(image=image):
            volumes.append({"name": "registry", "image": {"reference": image}})
        case None:
            pass
    if not source.is_directory:
        # Twice what the server keeps there, because the kubelet evicts a pod above this limit.
        volumes.append({"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}})
    if server.store.postgres is not None:
        volumes.append({"name": "store", "secret": {"secretName": server.store.postgres.secret_name}})
    return volumes


def _object(resource: Resource, api_version: str, kind: str, name: str, body: Mapping[str, Any]) -> Json:
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": resource.name,
        "uid": resource.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    metadata = {
        "name": name,
        "namespace": resource.namespace,
        "labels": labels(resource),
        "ownerReferences": [owner],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
