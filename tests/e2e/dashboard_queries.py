"""Every query of the dashboards and alerts on a real Prometheus, once a run was promoted and another rolled back."""

import itertools
import json
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass

import yaml

from serin_monitoring.files import DASHBOARDS, MANIFESTS

WITHOUT_DATA = {
    "Notifications by outcome": "the operator of the tests has no destination",
    "Notifications that wait": "the same",
}
"""Panels that are rightly empty after these rollouts, and why."""
WINDOWS = {"$__rate_interval": "10s", "$__interval": "10s", "$__range": "60s"}
GATES = ("agreement", "targets")
"""Values of the variable `gate`: one that counts and one that is a query."""


@dataclass(frozen=True)
class Question:
    """A query of a dashboard, and what asks it."""

    place: str
    expression: str


def questions(name):
    """Yield every query of a committed dashboard: of panels, of variables and of annotations."""
    board = json.loads((MANIFESTS / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets") or ():
            yield Question(panel["title"], target["expr"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            series, _, label = variable["query"]["query"].removeprefix("label_values(").rpartition(", ")
            yield Question(f"variable {variable['name']}", f"count by ({label.rstrip(')')}) ({series})")
    for annotation in board["annotations"].get("list", ()):
        if "expr" in annotation:
            yield Question("annotations", annotation["expr"])


class Queries:
    """Queries of a Prometheus over the time since `began`, a value a second."""

    def __init__(self, url, began):
        self.url, self.began = url, began

    def _get(self, path, **parameters):
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310
            return json.load(response)["data"]["result"]

    def now(self, expression):
        """Return the series of an expression with their labels."""
        return self._get("query", query=expression)

    def has_data(self, expression):
        """Return whether an expression had a number at any time."""
        found = self._get("query_range", query=expression, start=self.began, end=time.time(), step=1)
        return any(value != "NaN" for series in found for _, value in series["values"])


def filled(expression, **variables):
    """Return an expression with the values of variables and with windows."""
    for name, value in itertools.chain(WINDOWS.items(), ((f"${name}", value) for name, value in variables.items())):
        expression = expression.replace(name, value)
    return expression


def check_dashboards(queries, model):
    """Check that every query of every dashboard has had data; what was scraped last is waited for."""
    asked = [question for name in DASHBOARDS for question in questions(name)]
    assert len(asked) > 80
    deadline = time.monotonic() + 60
    without = asked
    while {question.place for question in without} != set(WITHOUT_DATA) and time.monotonic() < deadline:
        without = [question for question in without if not _is_answered(queries, question, model)]
    assert {question.place for question in without} == set(WITHOUT_DATA), without


def _is_answered(queries, question, model):
    choices = dict.fromkeys(filled(question.expression, model=model, gate=gate) for gate in GATES)
    return any(queries.has_data(expression) for expression in choices)


def evaluated_alerts(queries):
    """Return what each alert's expression returns now, by the alert's name."""
    rules = yaml.safe_load((MANIFESTS / "alerts" / "rules.yaml").read_text(encoding="utf-8"))
    return {
        rule["alert"]: [one["metric"] for one in queries.now(rule["expr"])]
        for group in rules["groups"]
        for rule in group["rules"]
    }
