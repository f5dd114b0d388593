"""Label selectors mean what they mean in Kubernetes."""

import pytest

from serin_core.kubernetes.label_selector import LabelSelector, SelectorError

A = {"team": "a", "example.com/tier": "gold"}


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("team=a", A, True),
        ("team==a", A, True),
        ("team = a", A, True),
        ("team=b", A, False),
        ("team=", {"team": ""}, True),
        ("team=", {}, False),
        ("team!=a", A, False),
        ("team!=b", A, True),
        ("team!=a", {}, True),
        ("team", A, True),
        ("team", {}, False),
        ("!team", A, False),
        ("! team", {}, True),
        ("team in (a, b)", A, True),
        ("team in (b,c)", A, False),
        ("team in (a)", {}, False),
        ("team notin (a,b)", A, False),
        ("team notin (b)", A, True),
        ("team notin (a)", {}, True),
        ("example.com/tier=gold,team in (a,b),!canary", A, True),
        ("example.com/tier=gold,team in (a,b),!canary", A | {"canary": ""}, False),
        (" team=a , example.com/tier ", A, True),
        ("inner=1", {"inner": "1"}, True),
    ],
)
def test_it_selects(text, labels, matches):
    assert LabelSelector.parse(text).matches(labels) is matches


@pytest.mark.parametrize(
    "text",
    ["team=a b", "=a", "team in a", "team in (a", "team,,tier", "team=a,", "team>3", "a/b/c=1", "-team", "t=a;b"],
)
def test_anything_else_is_an_error_with_an_example(text):
    with pytest.raises(SelectorError, match=r"expected requirements such as team=a"):
        LabelSelector.parse(text)


def test_a_value_that_no_label_can_have_is_named():
    with pytest.raises(SelectorError, match=r"'team in \(a b\)' in .*: a value of a label has letters"):
        LabelSelector.parse("team in (a b)")
