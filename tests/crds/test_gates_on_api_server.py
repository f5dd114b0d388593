"""A real API server takes and refuses gates as `serin lint` does, and explains each of them."""

import copy

import pytest
from crds.conftest import EXAMPLE

from serin_cli.lint_schema import schema_findings
from serin_core.api.gate_names import GateName
from serin_core.api.gates import Gates

pytestmark = pytest.mark.cluster

ORDERS = {"name": "orders", "good": "a", "total": "b", "atLeast": 0.9}
COMPARED = {"name": "orders", "good": "a", "total": "b", "control": {"good": "c", "total": "d"}}
SHORT = {"shadowSoak": "1h", "steps": [{"percent": 10, "soak": "1h"}, {"percent": 100}]}


def document(name, **spec):
    found = copy.deepcopy(EXAMPLE)
    found["metadata"]["name"] = name
    found["spec"] |= spec
    return found


ACCEPTED = {
    "all gates without options": {"gates": {name.value: {} for name in GateName}},
    "a delay that fits": {"canary": SHORT, "gates": {"errors": {"initialDelay": "1h"}, "custom": [ORDERS]}},
    "a delay where the soak is long": {"canary": SHORT, "gates": {"errors": {"initialDelay": "2h", "stages": [100]}}},
    "a comparison": {"gates": {"custom": [COMPARED | {"stages": [10, 50]}]}},
    "a holdback": {
        "bake": {"duration": "1h", "holdback": 5},
        "gates": {"feedback": {"stages": [50, 100]}, "custom": [COMPARED | {"stages": [100]}]},
    },
    "an object store": {"registry": {"uri": "s3://runs"}},
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_what_lint_takes_is_taken(kubectl, spec):
    found = document("accepted", **spec)
    assert schema_findings(found) == []
    kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", document=found)


REFUSED = {
    "agreement from above": {"gates": {"agreement": {"atMost": 0.3}}},
    "a margin as large as the bound": {"gates": {"perClass": {"margin": 0.7}}},
    "a maximum of one": {"gates": {"fallback": {"atMost": 0.96, "margin": 0.05}}},
    "acceptedRatio in the shadow": {"gates": {"acceptedRatio": {"stages": [0]}}},
    "feedback without a control group": {"gates": {"feedback": {"stages": [100]}}},
    "a comparison without a control group": {"gates": {"custom": [COMPARED | {"stages": [100]}]}},
    "a comparison with a bound": {"gates": {"custom": [COMPARED | {"atMost": 0.2}]}},
    "a comparison that is corrected": {"gates": {"custom": [COMPARED | {"initialDelay": "1m"}]}},
    "a delay of a built-in gate": {"canary": SHORT, "gates": {"errors": {"initialDelay": "61m"}}},
    "a delay in the canary": {"canary": SHORT, "gates": {"fallback": {"initialDelay": "61m"}}},
    "a delay of a custom gate": {"canary": SHORT, "gates": {"custom": [ORDERS | {"initialDelay": "61m"}]}},
    "a built-in name": {"gates": {"custom": [ORDERS | {"name": "errors"}]}},
    "no volume": {"registry": {"uri": "/registry/team"}},
    "off without quotes": {"gates": {"errors": {"mode": False}}},
}


@pytest.mark.parametrize("spec", REFUSED.values(), ids=REFUSED)
def test_what_lint_refuses_is_refused_and_rules_have_its_sentence(kubectl, spec):
    found = document("refused", **spec)
    (finding,) = schema_findings(found)
    said = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", document=found, fails=True)
    sentence = finding.message.removeprefix("required: ")
    assert sentence in said or finding.path.rpartition(".")[2].partition("[")[0] in said


@pytest.mark.parametrize("name", GateName)
def test_explain_states_what_a_gate_counts_and_its_default(kubectl, name):
    said = " ".join(kubectl("explain", f"sgm.spec.gates.{name.value}").split())
    field = next(one for one in Gates.model_fields.values() if one.alias == name.value)
    assert " ".join(field.description.split()) in said
    assert "mode <string>" in said
