"""The examples: valid, and complete together."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from serin_cli.lint_schema import schema_findings
from serin_core.api import pod, scheduling
from serin_core.api.base import SpecModel
from serin_core.api.checks import Check
from serin_core.api.custom_gates import CustomGate
from serin_core.api.queries import Query
from serin_core.api.scaling import Autoscaling
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.waiting import Window
from serin_core.model.keyword_rules import Rules
from serin_core.rollout.canary_steps import needs_approval

EXAMPLES = Path(__file__).parents[2] / "examples"


def documents(name):
    return list(yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8")))


@pytest.fixture
def model():
    (found,) = documents("suggestionmodel.yaml")
    return found


@pytest.fixture
def prerequisites():
    return {found["kind"]: found for found in documents("prerequisites.yaml")}


def test_the_example_has_no_errors(model):
    assert schema_findings(model) == []


def test_the_example_of_approval_and_windows_has_no_errors_and_sets_every_field():
    (found,) = documents("approval-and-windows.yaml")
    assert schema_findings(found) == []
    canary = SuggestionModelSpec.model_validate(found["spec"]).canary
    assert set(Window.model_fields) == canary.windows[0].model_fields_set
    assert [needs_approval(canary, percent=step.percent) for step in canary.steps] == [False, True, True]


def test_the_example_of_checks_and_queries_has_no_errors_and_sets_every_field():
    (found,) = documents("checks-and-queries.yaml")
    assert schema_findings(found) == []
    done = set(set_fields(SuggestionModelSpec.model_validate(found["spec"]).gates))
    assert {(kind, name) for kind in (Query, Check) for name in kind.model_fields} <= done


def test_the_example_of_autoscaling_has_no_errors_and_sets_every_field():
    (found,) = documents("autoscaling.yaml")
    assert schema_findings(found) == []
    server = SuggestionModelSpec.model_validate(found["spec"]).server
    assert server.autoscaling.model_fields_set == set(Autoscaling.model_fields)


def set_fields(value):
    """Yield every field of a model, and of the models in it, that is set."""
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield type(value), name
            yield from set_fields(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from set_fields(item)


def test_the_example_of_gates_has_no_errors_and_lists_every_gate():
    (found,) = documents("gates.yaml")
    assert schema_findings(found) == []
    gates = SuggestionModelSpec.model_validate(found["spec"]).gates
    assert set(type(gates).model_fields) - gates.model_fields_set == {"queries", "checks"}
    used = {field for gate in gates.custom for field in gate.model_fields_set}
    elsewhere = {"stages", "margin", "design_effect", "initial_delay", "at_most"}
    assert set(CustomGate.model_fields) - used == elsewhere


def test_the_example_of_pod_settings_has_no_errors_and_sets_every_field():
    (found,) = documents("pod-settings.yaml")
    assert schema_findings(found) == []
    server = SuggestionModelSpec.model_validate(found["spec"]).server
    done = set(set_fields(server))
    kinds = [one for module in (pod, scheduling) for one in vars(module).values() if isinstance(one, type)]
    kinds = [one for one in kinds if issubclass(one, SpecModel) and one is not SpecModel]
    elsewhere = {
        (pod.CaBundle, "secret_name"),  # beside configMapName
        (scheduling.PodAffinity, "required_during_scheduling_ignored_during_execution"),
        (scheduling.PodAffinity, "preferred_during_scheduling_ignored_during_execution"),
    }
    wanted = {(kind, name) for kind in kinds for name in kind.model_fields}
    assert wanted - done <= elsewhere
    assert server.keep_alive_seconds
    assert server.tls


def test_the_prerequisites_are_what_the_example_refers_to(model, prerequisites):
    spec = SuggestionModelSpec.model_validate(model["spec"])
    namespace = model["metadata"]["namespace"]
    assert prerequisites["Namespace"]["metadata"]["name"] == namespace
    referred = {
        "PersistentVolumeClaim": spec.registry.volume.claim_name,
        "Secret": spec.server.token.secret_name,
        "ConfigMap": spec.server.rules.config_map_name,
    }
    found = {kind: prerequisites[kind]["metadata"] for kind in referred}
    assert found == {kind: {"name": name, "namespace": namespace} for kind, name in referred.items()}


def test_the_example_of_rules_can_be_read(prerequisites):
    rules = Rules.parse(yaml.safe_load(prerequisites["ConfigMap"]["data"]["rules.yaml"]))
    assert set(rules.classes) == {"Groceries", "Fuel", "Rent"}
