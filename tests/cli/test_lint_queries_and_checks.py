"""lint on query gates and checks: what cannot be PromQL, cannot pass in time, or reads back before the stage."""

import pytest
import yaml
from typer.testing import CliRunner

from serin_cli import lint
from serin_cli.lint_advice import advice
from serin_cli.lint_configuration import configuration_findings
from serin_cli.lint_schema import schema_findings
from serin_core.api.spec import SuggestionModelSpec

spec_of = SuggestionModelSpec.model_validate
BASE = {
    "runID": "run_1a2b3c4d_1767225600",
    "registry": {"uri": "/registry", "volume": {"claimName": "registry"}},
    "server": {"token": {"secretName": "tokens"}},
}
POOL = {"name": "saturation", "query": "max(pool_used / pool_size)", "atMost": 0.9}


def warnings(**query):
    found = advice(spec_of(BASE | {"gates": {"queries": [POOL | query]}}), None)
    return [str(one) for one in found if one.severity == "warning"]


def errors(*queries, **gates):
    document = {"apiVersion": "serin.dev/v1alpha1", "kind": "SuggestionModel", "metadata": {"name": "categories"}}
    return [str(one) for one in schema_findings(document | {"spec": BASE | {"gates": {"queries": queries} | gates}})]


PATH = "warning: spec.gates.queries[0]"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"query": "max(a"}, f"{PATH}.query: not PromQL: a ( is not closed"),
        ({"query": "max(a))"}, f"{PATH}.query: not PromQL: a ) too many"),
        ({"query": "max(a]"}, f"{PATH}.query: not PromQL: a ] too many"),
        ({"query": 'a{b="c}'}, f'{PATH}.query: not PromQL: a " is not closed'),
        (
            {"query": "sum(rate(errors_total[2d]))"},
            f"{PATH}.query: reads back 48h, longer than the soak of 24h in shadow: its result is partly of the",
        ),
        ({"for": "336h"}, f"{PATH}.for: not below analysis.maxDuration (336h): it cannot pass"),
        ({"stages": [10, 30]}, f"{PATH}.stages: there is no stage at 30 %"),
    ],
)
def test_a_likely_mistake_is_a_warning(query, expected):
    assert any(one.startswith(expected) for one in warnings(**query)), warnings(**query)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"query": 'sum(rate(errors_total{path="/a)[2d]"}[1h:5m])) / `x`'},
        {"query": "max(a", "mode": "Off"},
        {"query": "sum(rate(errors_total[2d]))", "stages": [99]},
    ],
)
def test_what_can_work_is_no_mistake(query):
    assert not [one for one in warnings(**query) if "query:" in one]


def test_a_query_alone_is_a_gate():
    names = ("availability", "errors", "latency", "agreement", "acceptedRatio", "lowConfidence", "feedback")
    off = {name: {"mode": "Off"} for name in names}
    found = advice(spec_of(BASE | {"gates": off | {"queries": [POOL]}}), None)
    assert not [one for one in found if "no gate is active" in one.message]
    found = advice(spec_of(BASE | {"gates": off | {"queries": [POOL | {"mode": "DryRun"}]}}), None)
    assert [one for one in found if "no gate is active" in one.message]


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        ([POOL | {"atLeast": 1}], "error: spec.gates.queries[0]: set exactly one of atLeast and atMost"),
        ([{"name": "a", "query": "b"}], "error: spec.gates.queries[0]: set exactly one of atLeast and atMost"),
        ([POOL, POOL], "error: spec.gates.queries: each query may be listed once"),
        ([POOL | {"name": "latency"}], "error: spec.gates: a query may not have the name of another gate"),
        ([POOL | {"query": "x" * 1025}], "error: spec.gates.queries[0].query: too long: at most 1024 characters"),
        ([POOL | {"query": ""}], "error: spec.gates.queries[0].query: must not be empty"),
        ([POOL | {"mode": "Dry"}], "'Dry' is not one of Enforce, DryRun, Off; did you mean DryRun?"),
        ([POOL | {"fro": "5m"}], "error: spec.gates.queries[0].fro: unknown field; did you mean for?"),
        ([POOL | {"prometheus": "other"}], "error: spec.gates.queries[0].prometheus: unknown field"),
        ([POOL | {"name": f"q{n}"} for n in range(9)], "error: spec.gates.queries: too long: at most 8 entries"),
        ([POOL | {"name": "Pool"}], "'Pool' is not a gate name: it begins with a lower-case letter"),
    ],
)
def test_an_error_has_its_path_and_what_would_be_right(queries, expected):
    assert any(expected in one for one in errors(*queries)), errors(*queries)


SMOKE = {"name": "smoke", "endpoint": "ci"}
CONFIGURATION = {"prometheus": {"default": {"url": "http://p"}}, "checks": {"ci": {}, "security": {}}}


@pytest.mark.parametrize(
    ("before", "expected"),
    [([20], "there is no step to 20 %: it is made before 50 %"), ([10, 100], None), (None, None)],
)
def test_a_check_before_no_step_is_a_warning(before, expected):
    check = SMOKE | ({} if before is None else {"before": before})
    found = [str(one) for one in advice(spec_of(BASE | {"gates": {"checks": [check]}}), None) if "checks" in one.path]
    assert found == ([] if expected is None else [f"warning: spec.gates.checks[0].before: {expected}"])


def test_names_of_endpoints_are_checked_against_the_operators_configuration():
    spec = BASE | {"gates": {"checks": [SMOKE | {"endpoint": "cii"}]}, "analysis": {"prometheus": "other"}}
    of = "of the operator's configuration (known:"
    assert [str(one) for one in configuration_findings(spec_of(spec), CONFIGURATION)] == [
        f"error: spec.analysis.prometheus: 'other' is no Prometheus endpoint {of} default)",
        f"error: spec.gates.checks[0].endpoint: 'cii' is no check endpoint {of} ci, security); did you mean ci?",
    ]
    assert list(configuration_findings(spec_of(BASE | {"gates": {"checks": [SMOKE]}}), CONFIGURATION)) == []


@pytest.mark.parametrize("is_config_map", [False, True])
def test_lint_reads_the_operators_configuration(tmp_path, is_config_map):
    text = yaml.safe_dump(CONFIGURATION)
    if is_config_map:
        text = yaml.safe_dump({"kind": "ConfigMap", "data": {"config.yaml": text}})
    (tmp_path / "config.yaml").write_text(text)
    document = {"apiVersion": "serin.dev/v1alpha1", "kind": "SuggestionModel", "metadata": {"name": "categories"}}
    gates = {"checks": [SMOKE | {"endpoint": "cii"}]}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(document | {"spec": BASE | {"gates": gates}}))
    command = ["-f", str(tmp_path / "model.yaml")]
    assert CliRunner().invoke(lint.app, command).exit_code == 0
    said = CliRunner().invoke(lint.app, [*command, "--operator-config", str(tmp_path / "config.yaml")])
    assert said.exit_code == 1
    assert "spec.gates.checks[0].endpoint: 'cii' is no check endpoint" in said.stdout


@pytest.mark.parametrize("text", ["[]", "a: b: c", "kind: ConfigMap\n", "kind: ConfigMap\ndata: {config.yaml: '{'}"])
def test_a_file_that_is_no_configuration_is_wrong_usage(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    said = CliRunner().invoke(lint.app, ["-f", "-", "--operator-config", str(tmp_path / "config.yaml")], input="a: b")
    assert said.exit_code == 2
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([SMOKE, SMOKE], "error: spec.gates.checks: each check may be listed once"),
        ([SMOKE | {"url": "http://x"}], "error: spec.gates.checks[0].url: unknown field"),
        ([SMOKE | {"before": [0]}], "error: spec.gates.checks[0].before[0]: 0 is not above 0"),
        ([SMOKE | {"timeout": "6m"}], "error: spec.gates.checks[0].timeout: must be from 1s to 5m"),
        ([{"name": "smoke"}], "error: spec.gates.checks[0].endpoint: required"),
        ([SMOKE | {"name": "Smoke"}], "'Smoke' is not a gate name"),
    ],
)
def test_an_error_of_a_check_has_its_path(checks, expected):
    found = errors(checks=checks)
    assert any(expected in one for one in found), found
