"""The CustomResourceDefinition, made from the models in resource.py and status.py: one source for both.

`crds/suggestionmodels.yaml` is this, written out; a test compares the two, and the API server accepts it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from serin_core.api.base import rules
from serin_core.api.durations import format_duration
from serin_core.api.spec import LONGEST_NAME, SuggestionModelSpec
from serin_core.api.status_view import StatusView
from serin_core.contract import names
from serin_core.rollout.observation import Json

_COLUMNS = (
    ("Stable", "string", ".status.stable.runID", "The run that users trust now."),
    ("Candidate", "string", ".status.candidate.runID", "The run on trial, or the last one taken back."),
    ("Percent", "number", ".status.candidate.percent", "Its share of users."),
    ("Phase", "string", ".status.phase", "One word for people."),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether the run in spec is served."),
    ("Age", "date", ".metadata.creationTimestamp", "How old the resource is."),
)
_WIDE = (
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "Why it is Ready, or not."),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', "The same in a sentence."),
)
_RULES = "x-kubernetes-validations"
_DROPPED = frozenset({"title", "$defs", "discriminator"})


def definition() -> Json:
    """Answer the whole CustomResourceDefinition."""
    columns = [
        {"name": name, "type": kind, "jsonPath": path, "description": text, "priority": priority}
        for priority, group in enumerate((_COLUMNS, _WIDE))
        for name, kind, path, text in group
    ]
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": "suggestionmodel",
                "shortNames": ["sgm"],
                "categories": ["serin"],
            },
            "versions": [version],
        },
    }


def schema() -> Json:
    """Answer the structural schema of the whole object."""
    return {
        "description": "SuggestionModel rolls a machine-learned run out by evidence, and takes it back by itself.",
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
                f"self.metadata.name.size() <= {LONGEST_NAME}",
                f"the name must have at most {LONGEST_NAME} characters, since names of children are made from it",
            ),
        ),
    }


class _Schemas(GenerateJsonSchema):
    """Pydantic's own schemas, with default durations as people write them."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def structural(model: type[BaseModel]) -> Json:
    """Answer a model's schema as Kubernetes wants it: no references, no nulls, a type everywhere."""
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
            said = _keyword(key, value, definitions)
            stated = out.get(_RULES, []) + said.get(_RULES, [])
            out |= said | ({_RULES: stated} if stated else {})
    if "properties" in out and "default" in out:
        # Kubernetes fills an empty object with its fields' own defaults.
        out["default"] = {}
    return out


def _keyword(key: str, value: Any, definitions: Mapping[str, Any]) -> Json:  # noqa: PLR0911 - one answer a keyword
    """Answer one JSON schema keyword as OpenAPI 3.0 and Kubernetes write it."""
    match key:
        case "properties":
            return {key: {name: _structural(field, definitions) for name, field in value.items()}}
        case "items":
            return {key: _structural(value, definitions)}
        case "additionalProperties":
            # "No other fields" is what pruning and strict validation see to; a map's values keep their schema.
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
    """Answer as CEL what JSON schema says of a map's keys: a structural schema has no keyword for it."""
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
                raise NotImplementedError(f"no rule is known for keys with {keyword}")
    return stated


def _without_defaults(node: Any) -> Any:
    """Drop every default below a status: the operator alone says what stands there."""
    match node:
        case Mapping():
            fields = node.items() if node.get("type") is None else ((k, v) for k, v in node.items() if k != "default")
            return {key: _without_defaults(value) for key, value in fields}
        case _:
            return node


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())
