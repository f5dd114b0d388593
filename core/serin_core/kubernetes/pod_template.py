"""The pod template of the server pods, rendered from the spec, the status and the operator's configuration.

Pods get no service account token, no privileges and nothing of the host.
"""

from collections.abc import Sequence
from typing import Final

from serin_core.api.base import Json
from serin_core.api.pod import CaBundle
from serin_core.api.resource import Resource
from serin_core.api.scheduling import TopologySpreadConstraint
from serin_core.api.spec import Registry, RegistryVolume
from serin_core.api.status import Status
from serin_core.contract import environment, names
from serin_core.kubernetes import manifests
from serin_core.kubernetes.inputs import ServerImage

_KUBERNETES_FIELDS: Final = {"image_pull_secrets", "priority_class_name", "node_selector", "tolerations", "affinity"}
"""Fields of PodSettings that a pod's spec has under the same name."""
_DEFAULT_SPREAD: Final = tuple(
    TopologySpreadConstraint(
        max_skew=1,
        topology_key=key,
        when_unsatisfiable="ScheduleAnyway",
        # Without it, the pods that a rolling update is about to delete would count as well.
        match_label_keys=("pod-template-hash",),
    )
    for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
)
CONTAINER: Final = "server"
GRACE_SECONDS: Final = 30
DRAIN_SECONDS: Final = 5


def render(resource: Resource, status: Status, *, model_name: str, image: ServerImage) -> Json:
    """Render the pod template. Pods are compared with it by its hash, which is in an annotation."""
    source, settings = manifests.registry(resource, status), resource.spec.server.pod
    pod: Json = {
        "serviceAccountName": resource.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS + DRAIN_SECONDS,
        # No ids unless the operator's configuration has some: the image has its own user, and OpenShift assigns one.
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **image.ids},
        "containers": [_container(resource, image, source)],
        "volumes": _volumes(resource, model_name, source),
        "topologySpreadConstraints": _spread(resource),
        **settings.model_dump(mode="json", exclude_none=True, include=_KUBERNETES_FIELDS),
    }
    labels = {**(settings.labels or {}), **manifests.labels(resource)}
    annotations = {
        **(settings.annotations or {}),
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(names.SERVER_PORT),
        "prometheus.io/path": "/metrics",
        names.ANNOTATION_SCHEME: "http" if resource.spec.server.tls is None else "https",
        names.ANNOTATION_RUNS: ",".join(run.run_id for run in status.pod_runs),
    }
    # Annotations of the service account take effect when pods are created.
    identity = settings.service_account_annotations
    hashed = {"pod": pod, "labels": labels, "annotations": annotations, "identity": identity}
    annotations[names.ANNOTATION_TEMPLATE] = manifests.content_hash(hashed)[:16]
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}


def hash_of(template: Json) -> str:
    """Return the hash in the annotations of a rendered template."""
    return str(template["metadata"]["annotations"][names.ANNOTATION_TEMPLATE])


def routing_key(pod: Json) -> str:
    """Return the public key in a pod's spec, "" without one."""
    for container in pod.get("containers") or ():
        if container["name"] == CONTAINER:
            found = (
                one.get("value") for one in container.get("env") or () if one["name"] == environment.ROUTING_KEY.name
            )
            return next(found, None) or ""
    return ""


def chosen_routing_key(keys: Sequence[str], live: Json | None) -> str:
    """Return the public key for the pod template: that of the live Deployment while the operator has its private key.

    `keys` are the operator's public keys, the current one first; () if it could not read them, and `live` is then left
    as it is. A new key alone replaces no pods.
    """
    present = "" if live is None else routing_key(live["spec"]["template"]["spec"])
    return present if present and (present in keys or not keys) else next(iter(keys), "")


def _spread(resource: Resource) -> list[Json]:
    constraints = resource.spec.server.pod.topology_spread_constraints
    found = _DEFAULT_SPREAD if constraints is None else constraints
    own = {"labelSelector": {"matchLabels": manifests.selector(resource)}}
    return [own | one.model_dump(mode="json", exclude_none=True) for one in found]


def _container(resource: Resource, image: ServerImage, source: Registry) -> Json:
    server, scheme = resource.spec.server, "HTTP" if resource.spec.server.tls is None else "HTTPS"
    name_of_pod = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    secrets = [source.secret_name, server.proxy.secret_name if server.proxy else None]
    return {
        "name": CONTAINER,
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        # env takes precedence over variables of the same name from the Secrets.
        "envFrom": [{"secretRef": {"name": secret}} for secret in secrets if secret is not None],
        "env": [
            *({"name": key, "value": value} for key, value in _variables(resource, image, source).items()),
            {"name": environment.POD.name, "valueFrom": name_of_pod},
        ],
        "ports": [{"name": "http", "containerPort": names.SERVER_PORT, "protocol": "TCP"}],
        "resources": server.resources.model_dump(exclude_none=True),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": _probe("/healthz", scheme, period=1, failures=120),
        # A process that hangs does not hear SIGTERM either: it need not get the whole grace period.
        "livenessProbe": _probe("/healthz", scheme, period=10, failures=3) | {"terminationGracePeriodSeconds": 5},
        "readinessProbe": _probe("/readyz", scheme, period=1, failures=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        "volumeMounts": _mounts(resource, source),
    }


def _variables(resource: Resource, image: ServerImage, source: Registry) -> dict[str, str]:
    server = resource.spec.server
    variables: dict[environment.Variable, str | None] = {
        environment.MODEL_NAME: f"{resource.namespace}/{resource.name}",
        environment.UID: resource.uid,
        environment.PORT: str(names.SERVER_PORT),
        environment.REGISTRY: source.uri,
        environment.MODEL_DIR: names.MODEL_MOUNT,
        environment.RULES_DIR: names.MODEL_MOUNT,
        environment.ROUTING_DIR: names.ROUTING_MOUNT,
        environment.TOKENS_DIR: names.TOKENS_MOUNT,
        environment.POD_DIR: names.POD_MOUNT,
        environment.STATE_DIR: names.STATE_MOUNT,
        environment.GRACE_SECONDS: str(GRACE_SECONDS),
        environment.KEEP_ALIVE_SECONDS: str(server.keep_alive_seconds or ""),
        environment.PUBLIC_KEY: image.public_key,
        environment.ROUTING_KEY: image.routing_key,
        environment.STORE_FILE: f"{names.STORE_MOUNT}/url" if server.store.postgres else "",
        environment.RETENTION: server.store.retention,
        environment.TLS_DIR: names.TLS_MOUNT if server.tls else "",
        environment.CACHE_DIR: "" if source.is_directory else names.CACHE_MOUNT,
        environment.CA_FILE: f"{names.CA_MOUNT}/{server.ca_bundle.key}" if server.ca_bundle else "",
    }
    if server.proxy is not None:
        variables |= {
            environment.HTTP_PROXY: server.proxy.http,
            environment.HTTPS_PROXY: server.proxy.https,
            environment.NO_PROXY: ",".join(server.proxy.no_proxy or ()),
        }
    return {variable.name: value for variable, value in variables.items() if value}


def _mounts(resource: Resource, source: Registry) -> list[Json]:
    server = resource.spec.server
    mounts: list[Json] = [
        {"name": "model", "mountPath": names.MODEL_MOUNT, "readOnly": True},
        {"name": "routing", "mountPath": names.ROUTING_MOUNT, "readOnly": True},
        {"name": "tokens", "mountPath": names.TOKENS_MOUNT, "readOnly": True},
        {"name": "pod", "mountPath": names.POD_MOUNT, "readOnly": True},
        {"name": "state", "mountPath": names.STATE_MOUNT},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir
    ]
    if source.volume is not None:
        mounts.append({"name": "registry", "mountPath": names.REGISTRY_MOUNT, "readOnly": True})
    if server.store.postgres is not None:
        mounts.append({"name": "store", "mountPath": names.STORE_MOUNT, "readOnly": True})
    if not source.is_directory:
        mounts.append({"name": "cache", "mountPath": names.CACHE_MOUNT})
    if server.tls is not None:
        mounts.append({"name": "tls", "mountPath": names.TLS_MOUNT, "readOnly": True})
    if server.ca_bundle is not None:
        mounts.append({"name": "ca", "mountPath": names.CA_MOUNT, "readOnly": True})
    return mounts


def _probe(path: str, scheme: str, *, period: int, failures: int) -> Json:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": scheme},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _volumes(resource: Resource, model_name: str, source: Registry) -> list[Json]:
    server = resource.spec.server
    annotations = {"path": "annotations", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.annotations"}}
    volumes: list[Json] = [
        {"name": "model", "configMap": {"name": model_name}},
        {"name": "routing", "configMap": {"name": manifests.routing_name(resource)}},
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
    if server.tls is not None:
        volumes.append({"name": "tls", "secret": {"secretName": server.tls.secret_name}})
    if server.ca_bundle is not None:
        volumes.append({"name": "ca", **_source_of(server.ca_bundle)})
    return volumes


def _source_of(bundle: CaBundle) -> Json:
    items = [{"key": bundle.key, "path": bundle.key}]
    if bundle.secret_name is not None:
        return {"secret": {"secretName": bundle.secret_name, "items": items}}
    return {"configMap": {"name": bundle.config_map_name, "items": items}}
