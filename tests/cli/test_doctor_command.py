"""`kubectl serin doctor`: the command, its text, and metrics of pods."""

import json

import pytest
from cli.doctor_examples import HEALTHY, deployment, pod
from cli.fakes import OLD, STABLE, condition, model, run

from serin_cli.doctor.command import app
from serin_cli.doctor.results import Outcome, Result
from serin_cli.doctor.samples import samples, total_by
from serin_cli.doctor.text import describe
from serin_cli.request_errors import AbsentError, ClusterError


def test_samples_of_the_text_format():
    text = '# HELP a b\na{x="1,\\"2\\"",y="\\\\"} 1.5\na{x="n"} 2 1700000000\nb +Inf\n'
    found = samples(text)
    assert [(one.name, dict(one.labels), one.value) for one in found] == [
        ("a", {"x": '1,"2"', "y": "\\"}, 1.5),
        ("a", {"x": "n"}, 2.0),
        ("b", {}, float("inf")),
    ]
    assert total_by(found, "a", "x", y="\\") == {'1,"2"': 1.5}


def test_the_text_has_a_section_for_each_subject_and_what_to_do():
    found = [
        Result("operator", Outcome.OK, "2 of 2"),
        Result("pods", Outcome.PROBLEM, "none", "look", subject="shop/a"),
        Result("inputs", Outcome.UNKNOWN, "no right", subject="shop/a"),
        Result("gates", Outcome.WARNING, "w", "x", subject="shop/a"),
        Result("gates", Outcome.WARNING, "w", "x", subject="shop/a"),
    ]
    assert describe(found) == [
        "installation:",
        "  ok       operator  2 of 2",
        "shop/a:",
        "  problem  pods      none",
        "                     to do: look",
        "  unknown  inputs    no right",
        "  warning  gates     w",
        "                     to do: x",
        "  warning  gates     w",
        "                     to do: x",
        "1 problem, 2 warnings, 1 unknown; 5 results",
    ]


class Cluster:
    """A cluster that has a text for prefixes of paths; the longest applies, and an error without one."""

    namespace = "shop"

    def __init__(self, live, answers, *, may=True):
        self.live, self.answers, self._may, self.accepted = live, answers, may, {}

    def get(self, _name):
        return self.live

    def models(self):
        return {"items": [self.live]}

    def may(self, _verb, _resource, *, group=""):
        assert group == "serin.dev"
        return self._may

    def read(self, path, *, accept="application/json", **_query):
        self.accepted[path] = accept
        found = [one for one in self.answers if path.startswith(one)]
        if not found:
            raise AbsentError(f"{path} does not exist")
        answer = self.answers[max(found, key=len)]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else json.dumps(answer)


OPERATOR_POD = pod("serin-operator-1")

CORE, NAMESPACES = "/api/v1/namespaces", "/apis/apps/v1/namespaces"

ANSWERS = {
    "/apis/apiextensions.k8s.io": HEALTHY.definition,
    f"{NAMESPACES}/serin-system/deployments": {"items": [deployment()]},
    "/apis/coordination.k8s.io": {"items": [{"metadata": {"name": "other"}}]},
    "/apis/networking.k8s.io": {"items": []},
    f"{CORE}/serin-system/pods": {"items": [OPERATOR_POD]},
    f"{CORE}/serin-system/pods/http:serin-operator-1:8081/proxy/metrics": "x 1",
    f"{CORE}/serin-system/pods/http:serin-operator-1:8081/proxy/readyz": "ok\n",
    f"{CORE}/shop/pods": {"items": [pod()]},
    f"{CORE}/shop/pods/http:categories-1:8080/proxy/metrics": "",
    f"{CORE}/shop/pods/http:categories-1:8080/proxy/ml/status": {
        "uid": "u",
        "process": "p",
        "ready": True,
        "runs": [{"run": OLD, "state": "loaded", "digest": "sha256:0"}],
    },
    f"{CORE}/shop/secrets/tokens": {"kind": "PartialObjectMetadata"},
}

LIVE = model(stable=STABLE, conditions=[condition("Promoted", "all fine")]) | {
    "spec": {"server": {"token": {"secretName": "tokens"}}}
}


def test_the_command_on_a_healthy_cluster(monkeypatch):
    cluster = Cluster(LIVE, ANSWERS)
    ended = run(monkeypatch, app, cluster, "sgm/categories")
    assert ended.exit_code == 0, ended.output
    assert "ok       pods" in ended.output
    assert f"{OLD} is complete, verified and loaded on 1 of 1 pod" in ended.output
    assert "serin-operator-1: ok at /readyz" in ended.output
    assert "Secret tokens (spec.server.token.secretName) exists" in ended.output
    assert "PartialObjectMetadata" in cluster.accepted[f"{CORE}/shop/secrets/tokens"]
    assert ended.output.splitlines()[-1].startswith("1 warning;"), "no Lease of an operator"


def test_the_command_ends_with_status_1_if_there_is_a_problem_and_prints_json(monkeypatch):
    answers = {path: answer for path, answer in ANSWERS.items() if "secrets" not in path}
    ended = run(monkeypatch, app, Cluster(LIVE, answers), "categories", "-o", "json")
    assert ended.exit_code == 1
    printed = json.loads(ended.output)
    (problem,) = [one for one in printed["results"] if one["outcome"] == "problem"]
    assert problem == {
        "check": "inputs",
        "outcome": "problem",
        "found": "Secret tokens (spec.server.token.secretName) does not exist",
        "remedy": "create it, or correct the name",
        "subject": "shop/categories",
    }
    assert (printed["problems"], printed["warnings"]) == (1, 1)


def test_without_any_right_everything_else_is_unknown_and_names_the_right(monkeypatch):
    refused = ClusterError('the API server answered 403 Forbidden: User "jane" cannot list resource "pods"')
    cluster = Cluster(LIVE, dict.fromkeys(("/api", "/apis"), refused))
    ended = run(monkeypatch, app, cluster, "categories")
    assert ended.exit_code == 0
    assert ended.output.count("403 Forbidden") == 7
    assert "problem" not in ended.output


def test_without_a_name_the_conditions_of_all_models_are_checked(monkeypatch):
    live = LIVE | {"status": LIVE["status"] | {"conditions": [condition("RegistryUnavailable", "away")]}}
    ended = run(monkeypatch, app, Cluster(live, ANSWERS))
    assert ended.exit_code == 1
    assert "shop/categories:" in ended.output
    assert "problem  registry" in ended.output
    assert "pods  " not in ended.output.partition("shop/categories:")[2]


@pytest.mark.parametrize("page", ["broken{", "c x", "<html>Sign in</html>"])
def test_a_page_that_is_no_metrics_is_unknown(monkeypatch, page):
    answers = ANSWERS | {f"{CORE}/serin-system/pods/http:serin-operator-1:8081/proxy/metrics": page}
    ended = run(monkeypatch, app, Cluster(LIVE, answers), "categories")
    assert ended.exit_code == 0, ended.output
    (line,) = [line for line in ended.output.splitlines() if "operator metrics" in line]
    assert (
        " ".join(line.split()) == "unknown operator metrics serin-operator-1 did not respond as Serin does at /metrics"
    )
