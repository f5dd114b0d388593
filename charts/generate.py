"""Write the generated files of charts/serin: `make charts` runs it.

templates/crds.yaml is the CRD of crds/, templates/prometheusrule.yaml and dashboards/ are those of manifests/,
values.schema.json is made from schema.py, and README.md has the comments of values.yaml as a table.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
CHART = FOLDER / "serin"
sys.path.insert(0, str(FOLDER))
from schema import schema  # noqa: E402 - beside this file, which is no package

_METADATA = "metadata:\n  name: suggestionmodels.serin.dev\n"
_GENERATED = "{{/* Made from crds/suggestionmodels.yaml by `make charts`; do not edit. */}}\n"
_LABELS = """  labels: {{- include "serin.labels" . | nindent 4 }}
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
"""
_MANIFESTS = FOLDER.parent / "manifests"
_RULES = """{{/* Made from manifests/alerts/rules.yaml by `make charts`; do not edit. */}}
{{- with .Values.monitoring.alerts }}
{{- if .enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "serin.fullname" $ }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "serin.labels" $ | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
"""
_SET_BY_VALUES = {
    "> 90 * 86400": "> {{ .modelAgeDays }} * 86400",
    "https://github.com/serin-dev/serin/blob/main/docs/runbooks.md#": "{{ .runbooks }}#",
}
"""What the values of the chart set in the rules."""
_CONFIGURATION = "All keys of the operator's configuration (`config`):\n"
_BEGIN, _END = "<!-- values: made by `make charts` -->\n", "<!-- end of values -->\n"


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its description: `key` is its path with dots."""

    key: str
    default: Any
    description: str


def crds() -> str:
    """Return the template of the CRD: text of crds/, with labels and the annotation that keeps it."""
    text = (FOLDER.parent / "crds" / "suggestionmodels.yaml").read_text(encoding="utf-8")
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    before, after = text.replace("{{", '{{ "{{" }}').split(_METADATA)
    body = before + _METADATA + _LABELS + after
    return f"{_GENERATED}{{{{- if .Values.crds.enabled }}}}\n{body}{{{{- end }}}}\n"


def rules() -> str:
    """Return the template of the PrometheusRule: the rules of manifests/, with what the values set."""
    text = (_MANIFESTS / "alerts" / "rules.yaml").read_text(encoding="utf-8")
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    text = text.replace("{{", '{{ "{{" }}')
    for fixed, template in _SET_BY_VALUES.items():
        if fixed not in text:
            raise ValueError(f"the rules of manifests/alerts have no {fixed!r}, which the values of the chart set")
        text = text.replace(fixed, template)
    return f"{_RULES}{textwrap.indent(text, '  ')}{{{{- end }}}}\n{{{{- end }}}}\n"


def dashboards() -> dict[Path, str]:
    """Return the chart's copies of the dashboards: Helm reads no file outside of the chart."""
    found = sorted((_MANIFESTS / "dashboards").glob("*.json"))
    return {CHART / "dashboards" / path.name: path.read_text(encoding="utf-8") for path in found}


def described(text: str) -> Iterator[Value]:
    """Yield the values of a values.yaml whose comments begin with `# --`."""
    values = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if found := re.match(r"\s*# ?(.*)", line):
            comment = [found[1]] if found[1].startswith("-- ") or not comment else [*comment, found[1]]
            continue
        if found := re.match(r"( *)([\w-]+):", line):
            path = [*((indent, key) for indent, key in path if indent < len(found[1])), (len(found[1]), found[2])]
            if comment and comment[0].startswith("-- "):
                keys = [key for _, key in path]
                yield Value(".".join(keys), at(values, keys), " ".join(comment).removeprefix("-- "))
        comment = []


def at(values: Any, keys: list[str]) -> Any:
    """Return the value at a path."""
    for key in keys:
        values = values[key]
    return values


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of every value that is not a mapping with keys."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def table(text: str) -> str:
    """Return the described values as a table in Markdown."""
    rows = ["| Key | Default | Description |", "|---|---|---|"]
    for value in described(text):
        description = value.description.replace("|", "\\|")
        rows.append(f"| `{value.key}` | `{json.dumps(value.default)}` | {description} |")
    return "\n".join(rows) + "\n"


def configuration_table(properties: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield a row for each key of the operator's configuration."""
    for name, node in properties.items():
        key = f"{prefix}{name}"
        target = node.get("additionalProperties", {}).get("$ref") or (node.get("allOf") or [node])[0].get("$ref")
        if target:
            named = f"{key}.NAME." if "additionalProperties" in node else f"{key}."
            inner = definitions[target.rpartition("/")[2]]
            yield from configuration_table(inner["properties"], definitions, named)
        else:
            yield f"| `{key}` | {node['description']} |"


def files() -> dict[Path, str]:
    """Return the contents of every generated file."""
    values = (CHART / "values.yaml").read_text(encoding="utf-8")
    made = schema({value.key: value.description for value in described(values)})
    keys = configuration_table(made["properties"]["config"]["properties"], made["definitions"], "config.")
    configuration = "\n".join(["| Key | Description |", "|---|---|", *keys])
    before, _, rest = (CHART / "README.md").read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    return dashboards() | {
        CHART / "templates" / "crds.yaml": crds(),
        CHART / "templates" / "prometheusrule.yaml": rules(),
        CHART / "values.schema.json": json.dumps(made, indent=1) + "\n",
        CHART / "README.md": f"{before}{_BEGIN}\n{table(values)}\n{_CONFIGURATION}\n{configuration}\n\n{_END}{after}",
    }


if __name__ == "__main__":
    (CHART / "dashboards").mkdir(exist_ok=True)
    for path, contents in files().items():
        path.write_text(contents, encoding="utf-8")
