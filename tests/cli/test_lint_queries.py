"""lint on query gates: what cannot be PromQL, cannot pass in time, or reads back before the stage."""

import pytest

from serin_cli.lint_advice import advice
from serin_cli.lint_schema import schema_findings

BASE = {
    "runID": "run_1a2b3c4d_1767225600",
    "registry": {"uri": "/registry", "volume": {"claimName": "registry"}},
    "server": {"token": {"secretName": "tokens"}},
}
POOL = {"name": "saturation", "query": "max(pool_used / pool_size)", "atMost": 0.9}


def warnings(**query):
    found = advice(BASE | {"gates": {"queries": [POOL | query]}}, None)
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
    found = advice(BASE | {"gates": off | {"queries": [POOL]}}, None)
    assert not [one for one in found if "no gate is active" in one.message]
    found = advice(BASE | {"gates": off | {"queries": [POOL | {"mode": "DryRun"}]}}, None)
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
