"""The child objects of a SuggestionModel, rendered as plain JSON for server-side apply.

Each is a pure function of spec, status and what was observed, and always complete: a field that an apply leaves out is
removed. Pods get no service account token, no privileges and nothing of the host.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from serin_core.api.base import Json
from serin_core.api.resource import Resource
from serin_core.api.spec import Registry
from serin_core.api.status import CandidateState, Status
from serin_core.contract import names
from serin_core.contract.documents import LoadedRun, ModelDocument, RoutingDocument
from serin_core.kubernetes import scaling
from serin_core.kubernetes.inputs import PodMonitorSettings, RulesText
from serin_core.kubernetes.owner_reference import owner_reference


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
    document = ModelDocument(
        uid=resource.uid,
        attempt=status.pod_attempt,
        registry=registry(resource, status).uri,
        runs=tuple(LoadedRun(run=run.run_id, digest=run.digest) for run in status.pod_runs),
    )
    return document.versioned()


def model(resource: Resource, status: Status, rules: RulesText) -> Json:
    """Render the model ConfigMap: immutable, with a hash of its contents in its name."""
    data = {names.MODEL_KEY: model_document(resource, status).text()}
    if rules.text:
        data[names.RULES_KEY] = rules.text
    name = f"{resource.name}-model-{content_hash(data)[:10]}"
    return _object(resource, "v1", "ConfigMap", name, {"immutable": True, "data": data})


def service_account(resource: Resource) -> Json:
    """Render the service account of the pods, which has no rights in the cluster and no token."""
    annotations = resource.spec.server.pod.service_account_annotations or {}
    rendered = _object(resource, "v1", "ServiceAccount", resource.name, {"automountServiceAccountToken": False})
    rendered["metadata"]["annotations"] = annotations | {names.ANNOTATION_KEYS: ",".join(sorted(annotations))}
    return rendered


def service(resource: Resource) -> Json:
    """Render the Service of the pods."""
    name, number = ("http", 80) if resource.spec.server.tls is None else ("https", 443)
    port = {"name": name, "port": number, "targetPort": "http", "protocol": "TCP"}
    spec = {"selector": selector(resource), "ports": [port]}
    return _object(resource, "v1", "Service", service_name(resource), {"spec": spec})


def service_name(resource: Resource) -> str:
    """Return the name of the Service: that of the resource where a Service may have it.

    A Service's name is a DNS label that begins with a letter. Two resources never get the same: a name that is made
    from another one ends with a hash of that one.
    """
    if re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", resource.name):
        return resource.name
    start = "" if resource.name[0].isalpha() else "m-"
    return f"{start}{resource.name.replace('.', '-')}-{content_hash(resource.name)[:6]}"


def child_names(resource: Resource) -> dict[str, str]:
    """Return the name of each child that is one of its kind."""
    kinds = ("Deployment", "ServiceAccount", "PodDisruptionBudget")
    return dict.fromkeys(kinds, resource.name) | {"Service": service_name(resource)}


def disruption_budget(resource: Resource) -> Json:
    """Render the PodDisruptionBudget: one pod at a time; pods that are not ready never hold up a drain."""
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector(resource)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _object(resource, "policy/v1", "PodDisruptionBudget", resource.name, {"spec": spec})


def pod_monitor(resource: Resource, settings: PodMonitorSettings) -> Json:
    """Render the PodMonitor, by which a Prometheus of the Prometheus Operator scrapes the pods."""
    endpoint: Json = {"port": "http", "path": "/metrics"}
    if settings.interval:
        endpoint["interval"] = settings.interval
    if resource.spec.server.tls is not None:
        # Pods are scraped at their addresses, which are in no certificate.
        endpoint |= {"scheme": "https", "tlsConfig": {"insecureSkipVerify": True}}
    spec = {"selector": {"matchLabels": selector(resource)}, "podMetricsEndpoints": [endpoint]}
    rendered = _object(resource, names.MONITORING_API, "PodMonitor", resource.name, {"spec": spec})
    rendered["metadata"]["labels"] |= settings.labels
    return rendered


def autoscaler(resource: Resource) -> Json | None:
    """Render the HorizontalPodAutoscaler of the Deployment; None if there is to be none."""
    spec = scaling.autoscaler_spec(resource)
    if spec is None:
        return None
    return _object(resource, "autoscaling/v2", "HorizontalPodAutoscaler", resource.name, {"spec": spec})


def deployment(resource: Resource, template: Json, *, live: Json | None = None) -> Json:
    """Render the Deployment; a pod is replaced only after its successor is ready. `live` is what it is applied over."""
    replicas = scaling.replicas_to_apply(resource, live)
    spec = {
        **({} if replicas is None else {"replicas": replicas}),
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selector(resource)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    return _object(resource, "apps/v1", "Deployment", resource.name, {"spec": spec})


def _object(resource: Resource, api_version: str, kind: str, name: str, body: Mapping[str, Any]) -> Json:
    metadata = {
        "name": name,
        "namespace": resource.namespace,
        "labels": labels(resource),
        "ownerReferences": [owner_reference(resource.name, resource.uid)],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def content_hash(value: Any) -> str:
    """Return the sha256 of JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
