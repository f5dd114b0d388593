"""Rules for Prometheus, as a plain rule file and as a PrometheusRule of the Prometheus Operator."""

from typing import Any, Final

import yaml

from serin_monitoring.alerts import GROUPS, INTERVALS, RUNBOOKS, Alert

GENERATED: Final = "# Made from monitoring/serin_monitoring/alerts.py by `make monitoring`; do not edit.\n"
NAME: Final = "serin"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def rules() -> str:
    """Return the plain rule file: `rule_files` of a Prometheus."""
    return GENERATED + _dump({"groups": _groups()})


def prometheus_rule() -> str:
    """Return the PrometheusRule."""
    metadata = {"name": NAME, "labels": {"app.kubernetes.io/part-of": NAME}}
    kind = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule"}
    return GENERATED + _dump(kind | {"metadata": metadata, "spec": {"groups": _groups()}})


def _dump(value: object) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def _groups() -> list[dict[str, Any]]:
    return [
        {"name": name}
        | ({"interval": INTERVALS[name]} if name in INTERVALS else {})
        | {"rules": [_rule(alert) for alert in alerts]}
        for name, alerts in GROUPS.items()
    ]


def _rule(alert: Alert) -> dict[str, Any]:
    return (
        {"alert": alert.name, "expr": _named(alert.expression) if alert.of_model else alert.expression}
        | ({"for": alert.wait} if alert.wait else {})
        | {
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "description": f"{alert.description} Run: {alert.command}",
                "runbook_url": f"{RUNBOOKS}#{alert.name.lower()}",
            },
        }
    )


def _named(expression: str) -> str:
    """Return an expression whose result has namespace and name of the SuggestionModel, taken from serin_model."""
    inner = "\n".join(f"    {line}" for line in expression.splitlines())
    return (
        f'label_replace(\n  label_replace(\n{inner},\n    "namespace", "$1", "serin_model", "(.+)/.+"\n  ),\n'
        '  "name", "$1", "serin_model", ".+/(.+)"\n)'
    )
