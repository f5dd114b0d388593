"""serin simulate: options, output, errors; the same seed, whatever the number of processes."""

import json
import re

import pytest
import yaml
from typer.testing import CliRunner

from serin_cli import simulate
from serin_cli.simulation_page import render
from serin_simulation.summary import Summary

MANIFEST = {
    "apiVersion": "serin.dev/v1alpha1",
    "kind": "SuggestionModel",
    "metadata": {"name": "categories"},
    "spec": {
        "runID": "run_aaaaaaaa_1",
        "server": {"token": {"secretName": "t"}},
        "canary": {"shadowSoak": "5m", "steps": [{"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "5m"}]},
        "analysis": {"maxDuration": "1h"},
    },
}
OWN = {"name": "orders", "good": "good_total", "total": "orders_total", "atLeast": 0.9}


@pytest.fixture
def simulated(tmp_path):
    def run(*arguments, **spec):
        file = tmp_path / "model.yaml"
        file.write_text(yaml.safe_dump(MANIFEST | {"spec": MANIFEST["spec"] | spec}))
        return CliRunner().invoke(simulate.app, ["-f", str(file), "--rollouts", "8", *arguments])

    return run


def rules(result):
    return {one["rule"]: one for one in json.loads(result.stdout)["rules"]}


def test_a_good_run_is_promoted_and_each_stage_is_shown(simulated):
    found = simulated("--agreement", "0.85", "--jobs", "1")
    assert found.exit_code == 0
    assert "categories: 8 rollouts, 20/s of 5,000 users, agreement 85 %, seed 7" in found.stdout
    assert "this resource: promoted 100.0 %, rolled back 0.0 %, held 0.0 %" in found.stdout
    assert "Flagger, threshold 5" in found.stdout
    assert "Argo Rollouts, failureLimit 3, count 10" in found.stdout


def test_the_same_seed_gives_the_same_answer_on_one_core_and_on_two(simulated):
    options = ("--agreement", "0.74", "--rate", "2/s", "-o", "json", "--feedback", "0.05")
    one, two = simulated(*options, "--jobs", "1"), simulated(*options, "--jobs", "2")
    assert one.stdout == two.stdout
    assert one.stdout != simulated(*options, "--jobs", "1", "--seed", "8").stdout


def test_a_bad_run_is_rolled_back_for_the_gate_that_it_fails(simulated):
    mine = rules(simulated("--agreement", "0.6", "-o", "json"))["this resource"]
    assert (mine["ends"]["RolledBack"], mine["why"]) == (8, {"RolledBack: agreement": 8})


def test_harm_that_begins_later_is_found(simulated):
    mine = rules(simulated("--harm-at", "6m", "--harm", "errors=0.1", "-o", "json"))["this resource"]
    assert mine["why"] == {"RolledBack: errors": 8}
    assert [stage["left"] for stage in mine["stages"]] == [8, 0]


def test_an_outage_of_prometheus_holds_here_and_rolls_back_under_flagger(simulated):
    found = rules(simulated("--outage", "0s+10m", "-o", "json"))
    assert found["this resource"]["ends"]["Promoted"] == 8
    assert found["Flagger, threshold 5"]["why"] == {"RolledBack: no data": 8}


def test_the_page_needs_nothing_but_itself(simulated, tmp_path):
    page = tmp_path / "out.html"
    assert simulated("--agreement", "0.72", "--rate", "1/s", "--page", str(page)).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "Pods confirm after 2 s" in text
    assert text.count("<svg") == 3
    assert "http" not in text
    assert "src=" not in text
    assert "<script" not in text


def test_no_two_curves_of_a_chart_of_the_page_have_one_colour(simulated, tmp_path):
    page = tmp_path / "out.html"
    assert simulated("--agreement", "0.72", "--page", str(page)).exit_code == 0
    promoted, rolled_back = page.read_text(encoding="utf-8").split("<h3>Promoted")[1].split("<h3>Rolled back")
    for chart in (promoted, rolled_back.split("</svg>")[0]):
        colours = re.findall(r'<polyline fill="none" stroke="(#\w+)"', chart)
        assert len(colours) == len(set(colours))
    assert "<polyline" in promoted


def test_a_longer_check_interval_checks_less_often(simulated):
    often, rarely = (rules(simulated("-o", "json", *more))["this resource"] for more in ((), ("--every", "5m")))
    assert rarely["looks"] < often["looks"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rate", "many"), "--rate: many is neither one rate"),
        (("--rate", "1,2,3/s"), "--rate: 1,2,3/s is neither"),
        (("--harm", "luck=0.5"), "--harm: there is no share luck"),
        (("--harm", "agreement=5"), "--harm: agreement=5 is not a name and a share"),
        (("--own", "orders=0.9"), "--own: there is no custom gate orders"),
        (("--outage", "2h"), "--outage"),
        (("--every", "1ms"), "--every: at least 1s"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(simulated, arguments, message):
    found = simulated(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_custom_gate_must_be_described(simulated):
    assert "--own orders=0.99" in simulated(gates={"custom": [OWN]}).stderr
    found = simulated("--own", "orders=0.5", "-o", "json", gates={"custom": [OWN]})
    assert rules(found)["this resource"]["why"] == {"RolledBack: orders": 8}


def test_queries_and_checks_are_named_as_not_simulated(simulated):
    queries = [{"name": name, "query": "max(used)", "atMost": 1} for name in ("pool", "disk")]
    checks = [{"name": "smoke", "endpoint": "ci"}]
    found = simulated(gates={"queries": [queries[0], queries[1] | {"mode": "Off"}], "checks": checks})
    assert "Not simulated, taken as passed: query pool, check smoke." in " ".join(found.stdout.split())
    assert "disk" not in found.stdout
    assert "Not simulated" not in simulated().stdout


def test_a_suspended_resource_is_refused(simulated):
    assert "spec.suspend is true, so the rollout would not start" in simulated(suspend=True).stderr


def test_names_are_escaped_in_the_page():
    one = Summary("<rule>", 2, dict.fromkeys(("Promoted", "AtCap", "RolledBack", "Held"), 0), {}, (), (), (), 0, 0)
    text = render([one], title="<title>", head="a & b", notes=["<script>"])
    assert "<script>" not in text
    assert "&lt;title&gt;" in text
    assert "&lt;rule&gt;" in text
