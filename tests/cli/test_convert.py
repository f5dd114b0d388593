"""convert: the older list of gates becomes one field for each gate, and nothing else changes."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from serin_cli import convert
from serin_cli.conversion import convert as converted
from serin_cli.lint_schema import schema_findings

OLD = """\
# The shop's model.
apiVersion: v1
kind: Secret
metadata: {name: tokens}   # kept
---
apiVersion: serin.dev/v1alpha1
kind: SuggestionModel
metadata:
  name: "categories"
spec:
  runID: run_1a2b3c4d_1767225600
  gates:
    acceptance: {f1Macro: 0.72}
    metrics:   # all gates
    # users first
    - name: agreement          # the most important
      atLeast: 0.80   # was 0.75
      # tolerate a little
      margin: 0.02
      stages:
      - 0
      - 50
    - {name: latency, stages: [50, 100]}   # slow start
    - name: errors
      dryRun: true  # for now
      disabled: false
    - name: 'acceptedRatio'
      disabled: true
      dryRun: true
    - name: perClass
    # of the shop
    - name: orders
      good: 'shop_orders_total{code="200",path=" #"}'
      total: >-
        shop_orders_total
      atLeast: 0.995
      required: false
      oddsRatio: 1.5

    # the end
  server:
    token: {secretName: tokens}
"""
NEW = """\
# The shop's model.
apiVersion: v1
kind: Secret
metadata: {name: tokens}   # kept
---
apiVersion: serin.dev/v1alpha1
kind: SuggestionModel
metadata:
  name: "categories"
spec:
  runID: run_1a2b3c4d_1767225600
  gates:
    acceptance: {f1Macro: 0.72}
    # all gates
    # users first
    agreement:  # the most important
      atLeast: 0.80   # was 0.75
      # tolerate a little
      margin: 0.02
      stages:
      - 0
      - 50
    latency:  # slow start
      stages: [50, 100]
    errors:
      mode: DryRun  # for now
    acceptedRatio:
      mode: "Off"
    perClass: {}
    custom:
      # of the shop
      - name: orders
        good: 'shop_orders_total{code="200",path=" #"}'
        total: >-
          shop_orders_total
        atLeast: 0.995

    # the end
  server:
    token: {secretName: tokens}
"""


def run(*arguments, text=None):
    return CliRunner().invoke(convert.app, list(arguments), input=text)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_list_becomes_fields_and_comments_and_other_documents_stay(newline):
    made = converted(OLD.replace("\n", newline))
    assert (made.text, made.changed, made.problems) == (NEW.replace("\n", newline), 1, ())


def test_a_file_in_the_present_form_is_not_changed():
    assert converted(NEW).text == NEW
    assert run("-f", "-", text=NEW).stdout == NEW


def test_json_stays_json_and_a_list_of_resources_is_searched():
    old = '{"kind": "List", "items": [{"kind": "SuggestionModel", "spec": {"gates": {"metrics": [%s]}}}]}'
    one = '{"name": "errors", "dryRun": true, "margin": 0, "required": false}'
    assert converted(old % one).text == (
        '{"kind": "List", "items": [{"kind": "SuggestionModel", "spec": {"gates": {"errors": {"mode": "DryRun", '
        '"margin": 0}}}}]}'
    )


def test_an_empty_list_leaves_no_field():
    text = "kind: SuggestionModel\nspec:\n  gates:\n    metrics: []\n  suspend: true\n"
    assert converted(text).text == "kind: SuggestionModel\nspec:\n  gates:\n    {}\n  suspend: true\n"
    assert yaml.safe_load(converted(text.replace("    metrics", "    acceptance: {}\n    metrics")).text)["spec"] == {
        "gates": {"acceptance": {}},
        "suspend": True,
    }


WRONG = """\
kind: SuggestionModel
metadata: {name: shop}
spec:
  gates:
    latency: {}
    metrics:
    - {name: agreement, atMost: 0.3}
    - {name: errors, within: {low: 0.1, high: 0.9}, disabled: "yes"}
    - {name: latency}
    - {atLeast: 0.3}
    - {name: errors}
    - beauty
---
kind: SuggestionModel
metadata: {name: other}
spec: {gates: {metrics: [{name: orders, good: sum(x), total: x, atLeast: 0.9}, {name: availability, margin: 0.95}]}}
---
kind: SuggestionModel
spec: {gates: {metrics: 7}}
---
kind: SuggestionModel
metadata: {name: anchored}
spec: {gates: {metrics: [&a {name: errors}]}}
"""
SAID = [
    "shop: error: spec.gates.metrics[3].name: required",
    "shop: error: spec.gates.metrics[5]: not a gate: a mapping with a name is needed",
    "shop: error: spec.gates.metrics[2]: spec.gates.latency exists already",
    "shop: error: spec.gates.metrics[4].name: errors is listed twice",
    (
        "shop: error: spec.gates.metrics[0].atMost: agreement has no atMost any more; it has atLeast: remove it, or "
        "count the same series in a custom gate"
    ),
    (
        "shop: error: spec.gates.metrics[1].within: errors has no within any more; it has atLeast: remove it, or count "
        "the same series in a custom gate"
    ),
    "shop: error: spec.gates.metrics[1].disabled: 'yes' is not true or false",
    "other: error: spec.gates.metrics[1]: margin must be below atLeast",
    (
        "other: error: spec.gates.metrics[0].good: must be a metric with label matchers and no other PromQL: "
        'shop_orders_total{code="200"}, or with the name in quotes where it has other characters: '
        '{"http.server.requests",code="200"}'
    ),
    "resource 3: error: spec.gates.metrics: not a list of gates",
    "anchored: error: spec.gates.metrics: has an anchor, an alias or a merge key; write its values out first",
]


def test_all_that_cannot_be_converted_is_reported_at_once_and_no_file_is_changed(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(OLD)
    bad.write_text(WRONG)
    said = run("-f", str(good), "-f", str(bad), "--in-place")
    assert said.exit_code == 1
    lines = [line.replace("suggestionmodel/", "") for line in said.stderr.splitlines()]
    assert lines == [f"{bad}: {one}" for one in SAID]
    assert (good.read_text(), bad.read_text(), said.stdout) == (OLD, WRONG, "")


def test_files_are_rewritten_in_place(tmp_path):
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    new.write_text(NEW)
    said = run("-f", str(old), "-f", str(new), "--in-place")
    assert (said.exit_code, said.stdout) == (0, "")
    assert said.stderr == f"{old}: 1 converted\n{new}: nothing to convert\n"
    assert (old.read_text(), new.read_text()) == (NEW, NEW)


def test_several_files_are_printed_as_one_stream(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"kind: SuggestionModel\nmetadata: {{name: {name}}}")
    said = run("-f", str(tmp_path / "a"), "-f", str(tmp_path / "b"))
    assert [one["metadata"]["name"] for one in yaml.safe_load_all(said.stdout)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: b: c", "line 1, column 5: not valid YAML: mapping values are not allowed here"),
        (b"\xff\xfe\xfd", "not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path, text, message):
    (tmp_path / "m").write_bytes(text)
    said = run("-f", str(tmp_path / "m"))
    assert (said.exit_code, said.stderr) == (2, f"serin: {tmp_path / 'm'}: {message}\n")
    said = run("-f", "nofile.yaml")
    assert (said.exit_code, said.stderr) == (2, "serin: nofile.yaml: no such file or directory\n")


FILLED = {"disabled": False, "dryRun": False, "margin": 0, "designEffect": 1, "initialDelay": "0s"}
FILLED |= {"required": False, "oddsRatio": 1.5}
OPTIONS = {
    "availability": {"atLeast": 0.8, "margin": 0.1, "designEffect": 2, "initialDelay": "5m", "stages": [0]},
    "lowConfidence": {"atMost": 0.3, "margin": 0.1, "stages": [50]},
    "feedback": {"required": True, "oddsRatio": 2},
    "perClass": {"atLeast": 0.5, "margin": 0.1},
    "orders": {"within": {"low": 0.2, "high": 0.5}, "good": "a", "total": 'b{c="#"}'},
    "basket": {"histogram": {"metric": "x", "le": 0.5}, "atMost": 0.3, "margin": 0.1},
}
NEEDED = {"orders": ("within", "good", "total"), "basket": ("histogram", "atMost")}


@st.composite
def older(draw):
    gates = draw(st.lists(st.sampled_from(sorted(OPTIONS)), unique=True))
    found = []
    for name in gates:
        chosen = draw(st.lists(st.sampled_from(sorted(OPTIONS[name])), unique=True))
        listed = {key: OPTIONS[name][key] for key in dict.fromkeys([*chosen, *NEEDED.get(name, ())])}
        filled = FILLED if draw(st.booleans()) else {}
        role = draw(st.sampled_from([{}, {"dryRun": True}, {"disabled": True}]))
        found.append({"name": name} | filled | listed | role)
    return found


@given(older(), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_older_list_means_the_same_afterwards(metrics, flow, has_others):
    gates = {"acceptance": {"f1Macro": 0.5}, "metrics": metrics} if has_others else {"metrics": metrics}
    spec = {"runID": "run_aaaaaaaa_1", "gates": gates, "server": {"token": {"secretName": "t"}}}
    spec["registry"] = {"uri": "s3://runs"}
    document = {"apiVersion": "serin.dev/v1alpha1", "kind": "SuggestionModel", "metadata": {"name": "c"}, "spec": spec}
    made = converted(yaml.safe_dump(document, default_flow_style=True if flow else None, sort_keys=False))
    assert not made.problems
    after = yaml.safe_load(made.text)
    assert schema_findings(after) == []
    found = after["spec"].pop("gates")
    assert after["spec"] == {key: value for key, value in spec.items() if key != "gates"}
    assert found.pop("acceptance", None) == gates.get("acceptance")
    custom = {gate.pop("name"): gate for gate in found.pop("custom", [])}
    for gate in metrics:
        now = (custom if gate["name"] in NEEDED else found).pop(gate["name"])
        mode = "Off" if gate.get("disabled") else "DryRun" if gate.get("dryRun") else "Enforce"
        assert now.pop("mode", "Enforce") == mode
        lost = {key: value for key, value in gate.items() if key not in now and key != "name"}
        assert {key: value for key, value in lost.items() if FILLED.get(key) != value and key not in FILLED} == {}
        assert now == {key: gate[key] for key in now}
    assert (found, custom) == ({}, {})
