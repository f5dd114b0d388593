"""The CustomResourceDefinition, generated from the models in spec.py and status.py.

`make crds` writes it to `crds/suggestionmodels.yaml`; a test compares the two.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from serin_core.api.base import Json, rules
from serin_core.api.durations import format_duration
from serin_core.api.identity import GROUP, KIND, PLURAL, VERSION
from serin_core.api.spec import MAX_NAME_LENGTH, SuggestionModelSpec
from serin_core.api.status_view import StatusView

_COLUMNS = (
    ("Stable", "string", ".status.serving", "Run that serves all users outside the canary, or (rules)."),
    (
        "Candidate",
        "string",
        ".status.candidate.runID",
        "Run being rolled out, or the last one that was rolled back or refused.",
    ),
    (
        "Percent",
        "number",
        ".status.percent",
        "Percent of users of the candidate; without one, of the stable run.",
    ),
    ("Phase", "string", ".status.phase", "Current phase of the rollout."),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether the run in spec serves users."),
    ("Age", "date", ".metadata.creationTimestamp", "Age of the resource."),
)
_WIDE = (
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "Reason of the Ready condition."),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', "Message of the Ready condition."),
)
_RULES = "x-kubernetes-validations"
_DROPPED = frozenset({"title", "$defs", "discriminator"})


def definition() -> Json:
    """Return the CustomResourceDefinition."""
    columns = [
        {"name": name, "type": kind, "jsonPath": path, "description": text, "priority": priority}
        for priority, group in enumerate((_COLUMNS, _WIDE))
        for name, kind, path, text in group
    ]
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.server.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "suggestionmodel",
                "shortNames": ["sgm"],
                "categories": ["serin"],
            },
            "versions": [version],
        },
    }


def schema() -> Json:
    """Return the structural schema of a SuggestionModel."""
    return {
        "description": "SuggestionModel rolls out a trained model step by step: promoted on statistical evidence, "
        "rolled "
        "back automatically.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The version of this schema."},
            "kind": {"type": "string", "description": "SuggestionModel."},
            "metadata": {"type": "object"},
            "spec": structural(SuggestionModelSpec),
            "status": structural(StatusView),
        },
        **rules(
            (
                f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
                f"the name must have at most {MAX_NAME_LENGTH} characters, since names of children are made from it",
            ),
        ),
    }


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
        case list():
            return [_without_nulls(inner) for inner in value]
        case _:
            return value


class _Schemas(GenerateJsonSchema):
    """Pydantic's schema generator, with default durations in the notation of Kubernetes, and no nulls in defaults."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else _without_nulls(super().encode_default(dft))


def structural(model: type[BaseModel]) -> Json:
    """Return the structural schema of a model: no references, no nulls, a type on every node."""
    whole = model.model_json_schema(by_alias=True, mode="validation", schema_generator=_Schemas)
    node = _structural(whole, whole.get("$defs", {}))
    if model is StatusView:
        node = _without_defaults(node)
    if model.__doc__:
        node["description"] = _one_paragraph(model.__doc__)
    return node


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Json:
    if "$ref" in node:
        target = definitions[str(node["$ref"]).rsplit("/", 1)[-1]]
        return _structural({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    if "anyOf" in node:
        real = [option for option in node["anyOf"] if option.get("type") != "null"]
        kept = {
            key: value for key, value in node.items() if key != "anyOf" and not (key == "default" and value is None)
        }
        return _structural({**real[0], **kept}, definitions)
    if "allOf" in node:
        kept = {key: value for key, value in node.items() if key != "allOf"}
        return _structural({**node["allOf"][0], **kept}, definitions)
    out: Json = {}
    for key, value in node.items():
        if key not in _DROPPED and not (key == "default" and value is None):
            converted = _keyword(key, value, definitions)
            stated = out.get(_RULES, []) + converted.get(_RULES, [])
            out |= converted | ({_RULES: stated} if stated else {})
    if "properties" in out and "default" in out:
        # Kubernetes fills an empty object with its fields' own defaults.
        out["default"] = {}
    if "items" in out and out.get("x-kubernetes-list-type", "atomic") == "atomic":
        # One manager owns an atomic list as a whole: what the API server added to its items would differ from Git.
        out["items"] = _without_defaults(out["items"])
    return out


def _keyword(key: str, value: Any, definitions: Mapping[str, Any]) -> Json:  # noqa: PLR0911 - one return per keyword
    """Return one JSON schema keyword in the form of OpenAPI 3.0 and Kubernetes."""
    match key:
        case "properties":
            return {key: {name: _structural(field, definitions) for name, field in value.items()}}
        case "items":
            return {key: _structural(value, definitions)}
        case "additionalProperties":
            # Pruning and strict validation refuse unknown fields; the values of a map keep their schema.
            return {key: _structural(value, definitions)} if isinstance(value, Mapping) else {}
        case "propertyNames":
            return rules(*_rules_of_keys(value))
        case "const":
            return {"enum": [value]}
        case "exclusiveMinimum":
            return {"minimum": value, key: True}
        case "exclusiveMaximum":
            return {"maximum": value, key: True}
        case "description":
            return {key: _one_paragraph(value)}
        case _:
            return {key: value}


def _rules_of_keys(keys: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return CEL rules for the keys of a map: a structural schema has no keyword for them."""
    stated = []
    for keyword, value in keys.items():
        match keyword:
            case "enum":
                listed = ", ".join(f"'{one}'" for one in value)
                stated.append((f"self.all(k, k in [{listed}])", f"keys must be among {', '.join(value)}"))
            case "maxLength":
                stated.append((f"self.all(k, k.size() <= {value})", f"keys must have at most {value} characters"))
            case "type":
                pass
            case _:
                raise NotImplementedError(f"keys with {keyword} have no rule")
    return stated


def _without_defaults(node: Any) -> Any:
    """Return a node without defaults, for a status, which only the operator writes, and for items of atomic lists."""
    match node:
        case Mapping():
            fields = node.items() if node.get("type") is None else ((k, v) for k, v in node.items() if k != "default")
            return {key: _without_defaults(value) for key, value in fields}
        case _:
            return node


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())
