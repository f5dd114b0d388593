"""The schema of charts/serin/values.yaml: no object takes a key that it does not know, so that a typo is refused.

Types of Kubernetes are those of its Python client, and `config` is the operator's own configuration. JSON schema of
draft 7, which every Helm 3 and 4 reads.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any

import kubernetes.client
from pydantic import BaseModel

from serin_operator.settings import Settings

Schema = dict[str, Any]
OWN_LABELS = ["name", "instance", "version", "managed-by", "part-of"]
QUANTITIES = {"limits", "requests", "sizeLimit", "divisor", "storage"}


def string(pattern: str | None = None, **more: Any) -> Schema:
    """Return the schema of a string."""
    return {"type": "string"} | ({"pattern": pattern} if pattern else {}) | more


def mapping(value: Schema, **more: Any) -> Schema:
    """Return the schema of an object with keys of the user's choice."""
    return {"type": "object", "additionalProperties": value} | more


def listed(item: Schema, **more: Any) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item} | more


def fields(properties: Mapping[str, Schema], **more: Any) -> Schema:
    """Return the schema of an object with these keys only."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False} | more


BOOLEAN: Schema = {"type": "boolean"}
NAME = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DURATION = string(r"^([0-9]+(ms|s|m|h))*$")
LABEL = string(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
LABELS = mapping(LABEL, properties=dict.fromkeys([f"app.kubernetes.io/{one}" for one in OWN_LABELS], False))
ANNOTATIONS = mapping(string())
RELABELINGS = listed(
    fields(
        {
            "sourceLabels": listed(string()),
            "separator": string(),
            "targetLabel": string(),
            "regex": string(),
            "modulus": {"type": "integer", "minimum": 1},
            "replacement": string(),
            "action": string(
                "^([Rr]eplace|[Kk]eep|[Dd]rop|[Hh]ash[Mm]od|[Ll]abel([Mm]ap|[Dd]rop|[Kk]eep)|[Ll]owercase|[Uu]ppercase"
                "|[Kk]eep[Ee]qual|[Dd]rop[Ee]qual)$"
            ),
        }
    )
)


OVERRIDDEN = {
    # The metadata of a template, in an ephemeral volume.
    "V1ObjectMeta": fields({"labels": LABELS, "annotations": ANNOTATIONS}),
    "V1ManagedFieldsEntry": None,
    "V1OwnerReference": None,
}
"""Types of Kubernetes that are not taken from its client: others, or none at all."""


class Definitions:
    """Schemas that others refer to by name."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def kubernetes(self, name: str) -> Schema:
        """Return a reference to a type of Kubernetes, such as V1Affinity."""
        return self.model(getattr(kubernetes.client, name))

    def model(self, model: type[BaseModel]) -> Schema:
        """Return a reference to a model of pydantic."""
        made = model.model_json_schema(by_alias=True)
        is_ours = model is Settings
        for name, one in ({model.__name__: made} | made.pop("$defs", {})).items():
            used = OVERRIDDEN[name] if name in OVERRIDDEN else _simple(one, keep_descriptions=is_ours)
            if used is not None:
                self.found[name] = used
        return {"$ref": f"#/definitions/{model.__name__}"}


def _simple(node: Any, *, keep_descriptions: bool) -> Any:
    """Return a schema of pydantic without titles, defaults and null; the types of Kubernetes without descriptions."""
    if isinstance(node, list):
        return [_simple(one, keep_descriptions=keep_descriptions) for one in node]
    if not isinstance(node, dict):
        return node
    if "anyOf" in node:
        kinds = [one for one in node["anyOf"] if one != {"type": "null"}]
        chosen = kinds[0] if len(kinds) == 1 else {"type": [one["type"] for one in kinds]}
        return _simple(chosen | {k: v for k, v in node.items() if k != "anyOf"}, keep_descriptions=keep_descriptions)
    dropped = {"title", "default", "format"} | (set() if keep_descriptions else {"description"})
    found = {key: value for key, value in node.items() if key not in dropped}
    if "$ref" in found:
        return {"$ref": found["$ref"].replace("#/$defs/", "#/definitions/")}
    if not found.keys() - {"description"}:
        return {"type": ["integer", "string"]}  # Kubernetes' IntOrString
    for pattern, child in found.pop("patternProperties", {}).items():
        found |= {"propertyNames": {"pattern": pattern}, "additionalProperties": child}
    for key in ("items", "additionalProperties"):
        if key in found:
            found[key] = _simple(found[key], keep_descriptions=keep_descriptions)
    if "properties" in found:
        found["properties"] = {
            name: _quantity(_simple(one, keep_descriptions=keep_descriptions))
            if name in QUANTITIES
            else _simple(one, keep_descriptions=keep_descriptions)
            for name, one in found["properties"].items()
        }
    return found


def _quantity(node: Schema) -> Schema:
    """Return the schema of a quantity or of quantities by name, which may be written as numbers."""
    number_or_text = {"type": ["string", "number"]}
    return mapping(number_or_text) if node["type"] == "object" else number_or_text


def _config(definitions: Definitions) -> Schema:
    """Return the schema of the operator's configuration: defaults make everything optional."""
    definitions.model(Settings)
    config = copy.deepcopy(definitions.found.pop("Settings"))
    del config["properties"]["namespaces"], config["required"]
    server = definitions.found["ServerDefaults"]
    del server["required"]
    return config | {"required": ["prometheus", "server", "port"]}


def _tls_config() -> Schema:
    """Return the schema of how a Prometheus verifies the certificate of a target."""
    key = fields({"name": string("^.+$"), "key": string("^.+$")}, required=["name", "key"])
    return fields(
        {
            "ca": fields({"secret": key, "configMap": key}, maxProperties=1),
            "serverName": string(),
            "insecureSkipVerify": BOOLEAN,
        }
    )


def _image() -> Schema:
    return fields(
        {
            "repository": string("^[^\\s:@]+(:[0-9]+/[^\\s:@]+)?$"),
            "tag": string(r"^(\w[\w.-]{0,127})?$"),
            "digest": string("^(sha256:[0-9a-f]{64})?$"),
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        }
    )


def schema(descriptions: Mapping[str, str]) -> Schema:
    """Return the whole schema; `descriptions` are those of values.yaml by path."""
    definitions = Definitions()
    # As JSON: each key has a description of its own, also where several share a schema.
    made = json.loads(json.dumps(fields(_properties(definitions))))
    _describe(made, descriptions, "")
    order = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart serin"}
    return order | made | {"definitions": dict(sorted(definitions.found.items()))}


def _describe(node: Schema, descriptions: Mapping[str, str], prefix: str) -> None:
    for name, child in node.get("properties", {}).items():
        if child is False:
            continue
        if "$ref" in child and f"{prefix}{name}" in descriptions:
            child["allOf"] = [{"$ref": child.pop("$ref")}]
        if f"{prefix}{name}" in descriptions:
            child["description"] = descriptions[f"{prefix}{name}"]
        _describe(child, descriptions, f"{prefix}{name}.")


def _properties(definitions: Definitions) -> dict[str, Schema]:
    kubernetes_type = definitions.kubernetes
    file = fields({"name": string(f"^{NAME}$", maxLength=50), "secret": string("^.+$"), "configMap": string("^.+$")})
    file |= {"required": ["name"], "oneOf": [{"required": ["secret"]}, {"required": ["configMap"]}]}
    namespaces = listed(string(f"^{NAME}$"), uniqueItems=True)
    replicas, port = {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1, "maximum": 65535}
    return {
        "nameOverride": string(f"^({NAME})?$"),
        "fullnameOverride": string(f"^({NAME})?$"),
        "commonLabels": LABELS,
        "enabled": BOOLEAN,
        "global": {"type": "object"},
        "image": _image(),
        "imagePullSecrets": listed(fields({"name": string("^.+$")}, required=["name"])),
        "replicas": replicas,
        "watchNamespaces": namespaces,
        "config": _config(definitions),
        "tlsSecret": string(f"^({NAME}([.]{NAME})*)?$", maxLength=253),
        "prometheusFiles": listed(file),
        "notificationFiles": listed(file),
        "checkFiles": listed(file),
        "crds": fields({"enabled": BOOLEAN, "keep": BOOLEAN}),
        "rbac": fields({"create": BOOLEAN, "aggregateClusterRoles": BOOLEAN}),
        "serviceAccount": fields({"create": BOOLEAN, "name": string(), "annotations": ANNOTATIONS}),
        "deploymentAnnotations": ANNOTATIONS,
        "podAnnotations": ANNOTATIONS,
        "podLabels": LABELS,
        "resources": kubernetes_type("V1ResourceRequirements"),
        "podSecurityContext": kubernetes_type("V1PodSecurityContext"),
        "securityContext": kubernetes_type("V1SecurityContext"),
        "terminationGracePeriodSeconds": {"type": "integer", "minimum": 1},
        "priorityClassName": string(),
        "nodeSelector": mapping(LABEL),
        "tolerations": listed(kubernetes_type("V1Toleration")),
        "affinity": kubernetes_type("V1Affinity"),
        "topologySpreadConstraints": listed(kubernetes_type("V1TopologySpreadConstraint")),
        "extraEnv": listed(kubernetes_type("V1EnvVar")),
        "extraVolumes": listed(kubernetes_type("V1Volume")),
        "extraVolumeMounts": listed(kubernetes_type("V1VolumeMount")),
        "service": fields({"annotations": ANNOTATIONS}),
        "metrics": fields(
            {
                "scrapeAnnotations": BOOLEAN,
                "podMonitor": fields(
                    {
                        "enabled": BOOLEAN,
                        "labels": mapping(LABEL),
                        "interval": DURATION,
                        "scrapeTimeout": DURATION,
                        "tlsConfig": _tls_config(),
                        "relabelings": RELABELINGS,
                        "metricRelabelings": RELABELINGS,
                    }
                ),
            }
        ),
        "monitoring": fields(
            {
                "alerts": fields(
                    {
                        "enabled": BOOLEAN,
                        "labels": mapping(LABEL),
                        "modelAgeDays": {"type": "integer", "minimum": 1},
                        "runbooks": string(r"^https?://[^\s\"'\\#]+$"),
                    }
                ),
                "dashboards": fields(
                    {
                        "enabled": BOOLEAN,
                        "namespace": string(f"^({NAME})?$"),
                        "labels": mapping(LABEL),
                        "annotations": ANNOTATIONS,
                    }
                ),
            }
        ),
        "dashboard": fields(
            {
                "enabled": BOOLEAN,
                "image": _image(),
                "replicas": replicas,
                "port": port,
                "allowedHosts": listed(string(r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$"), uniqueItems=True),
                "podsProxy": BOOLEAN,
                "serviceAccount": fields({"create": BOOLEAN, "name": string()}),
                "podAnnotations": ANNOTATIONS,
                "podLabels": LABELS,
                "resources": kubernetes_type("V1ResourceRequirements"),
                "service": fields({"annotations": ANNOTATIONS, "port": port}),
                "networkPolicy": fields(
                    {
                        "enabled": BOOLEAN,
                        "ingressFrom": listed(kubernetes_type("V1NetworkPolicyPeer")),
                        "egress": listed(kubernetes_type("V1NetworkPolicyEgressRule")),
                    }
                ),
            }
        ),
        "networkPolicy": fields(
            {
                "enabled": BOOLEAN,
                "ingressFrom": listed(kubernetes_type("V1NetworkPolicyPeer")),
                "egress": listed(kubernetes_type("V1NetworkPolicyEgressRule")),
                "serverNamespaces": namespaces,
            }
        ),
    }
