"""Every field of every gate changes what is evaluated, or what is counted."""

import pytest

from serin_core.api.built_in_gates import BuiltInSettings
from serin_core.api.custom_gates import Control, CustomGate, Histogram
from serin_core.api.gate_names import GateMode, GateName
from serin_core.api.gate_options import Range
from serin_core.api.gates import Gates
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting.custom_counters import counters_of
from serin_core.gates.active import active_gates, alpha_fail

STAGES = (0, 10, 50, 100)
ORDERS = {"name": "orders", "good": 'sold{code="200"}', "total": "sold", "atLeast": 0.5}
COMPARED = {"name": "orders", "good": "a", "total": "b", "control": {"good": "c", "total": "d"}}
SECONDS = {"name": "orders", "histogram": {"metric": "seconds", "le": 0.5}, "atLeast": 0.5}
WITHIN = {key: value for key, value in ORDERS.items() if key != "atLeast"} | {"within": {"low": 0.2, "high": 0.8}}
CHANGES = {
    "mode": "DryRun",
    "stages": [50],
    "margin": 0.01,
    "designEffect": 2,
    "initialDelay": "1m",
    "atLeast": 0.42,
    "atMost": 0.42,
    "required": True,
    "oddsRatio": 3,
}
"""Of built-in gates, by field."""
CUSTOM = {
    "name": (ORDERS, "purchases"),
    "mode": (ORDERS, "DryRun"),
    "stages": (ORDERS, [50]),
    "margin": (ORDERS, 0.01),
    "designEffect": (ORDERS, 2),
    "initialDelay": (ORDERS, "1m"),
    "atLeast": (ORDERS, 0.6),
    "atMost": ({**ORDERS, "atLeast": None, "atMost": 0.5}, 0.6),
    "within": (WITHIN, {"low": 0.3, "high": 0.8}),
    "within.high": (WITHIN, {"low": 0.2, "high": 0.9}),
    "good": (ORDERS, "other"),
    "total": (ORDERS, "other"),
    "histogram": (SECONDS, {"metric": "others", "le": 0.5}),
    "histogram.le": (SECONDS, {"metric": "seconds", "le": 0.25}),
    "control": (COMPARED, {"good": "e", "total": "d"}),
    "control.total": (COMPARED, {"good": "c", "total": "e"}),
    "oddsRatio": (COMPARED, 3),
}
"""Of custom gates: what is there before, and the changed value."""


def effect(gates):
    """Return everything that depends on the gates of a spec."""
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "gates": gates}
    spec = SuggestionModelSpec.model_validate(body)
    counters = [counters_of(gate) for gate in spec.gates.active_custom]
    return [active_gates(spec, percent=percent) for percent in STAGES], counters, alpha_fail(spec)


def options(name):
    return [str(field.alias) for field in model_of(name).model_fields.values()]


def model_of(name):
    return type(Gates.model_validate({name.value: {}}).listed(name))


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in GateName for field in options(name)])
def test_every_field_of_a_built_in_gate_changes_something(name, field):
    assert effect({name.value: {}}) != effect({name.value: {field: CHANGES[field]}})


def test_a_built_in_gate_that_is_off_is_not_evaluated():
    for name in GateName:
        shown = [gate.name for gates in effect({name.value: {"mode": GateMode.OFF.value}})[0] for gate in gates]
        assert name.value not in shown


@pytest.mark.parametrize("place", CUSTOM)
def test_every_field_of_a_custom_gate_changes_something(place):
    before, changed = CUSTOM[place]
    field = place.partition(".")[0]
    assert effect({"custom": [before]}) != effect({"custom": [before | {field: changed}]})


def test_no_field_is_missing_here():
    nested = {"within": Range, "histogram": Histogram, "control": Control}
    assert {place.partition(".")[0] for place in CUSTOM} == {str(one.alias) for one in CustomGate.model_fields.values()}
    for field, model in nested.items():
        assert len([place for place in CUSTOM if place.partition(".")[0] == field]) == len(model.model_fields)
    assert {field for name in GateName for field in options(name)} == set(CHANGES)
    assert {model_of(name) for name in GateName} <= set(subclasses(BuiltInSettings))
    assert {str(field.alias) for field in Gates.model_fields.values()} == {
        *GateName,
        "acceptance",
        "custom",
        "queries",
        "checks",
    }


def subclasses(union):
    for one in union.__args__:
        yield one
        yield from one.__subclasses__()
