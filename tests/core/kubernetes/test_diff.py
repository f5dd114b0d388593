"""Differences between live and rendered objects, and who made them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.kubernetes.diff import differences, editors, holds, without_additions

RENDERED = {
    "metadata": {"name": "x", "labels": {"ours": "1"}},
    "spec": {
        "selector": {"uid": "u"},
        "replicas": 2,
        "template": {"spec": {"containers": [{"name": "server", "env": [{"name": "A", "value": "1"}]}]}},
    },
}


def live(**changes):
    container = {"name": "server", "env": [{"name": "A", "value": "1"}], "terminationMessagePath": "/dev/x"}
    spec = {
        "selector": {"uid": "u"},
        "replicas": 2,
        "template": {"spec": {"containers": [container | changes.pop("container", {})], "dnsPolicy": "ClusterFirst"}},
    }
    return {"metadata": {"name": "x", "labels": {"ours": "1", "theirs": "2"}}, "spec": spec | changes}


RENDERED_ENV = [{"name": "A", "value": "1"}]
ANONYMOUS = {"name": "SERIN_ALLOW_ANONYMOUS", "value": "true"}


@pytest.mark.parametrize(
    ("found", "is_same"),
    [
        pytest.param(live(), True, id="defaults and labels of others"),
        pytest.param(live(replicas=3), False, id="another value"),
        pytest.param(live(selector={"uid": "u", "none": "such"}), False, id="a selector of one key more"),
        pytest.param(live(selector={}), False, id="a selector of one key less"),
        pytest.param(live(container={"env": [*RENDERED_ENV, ANONYMOUS]}), False, id="a variable more"),
        pytest.param(
            live(container={"envFrom": [{"configMapRef": {"name": "x"}}]}), False, id="variables by reference"
        ),
        pytest.param(live(container={"command": ["sh"]}), False, id="another command"),
    ],
)
def test_nothing_may_be_added_to_a_selector_or_to_the_settings_of_a_container(found, is_same):
    assert holds(found, RENDERED) is is_same


def test_removing_additions_keeps_what_others_may_own():
    found = live(container={"env": [*RENDERED_ENV, ANONYMOUS], "envFrom": [{"configMapRef": {"name": "x"}}]})
    assert without_additions(found, RENDERED) == live()


def test_an_empty_list_of_settings_is_no_difference_to_none():
    """The API server does not store it, and what it stores must not be replaced."""
    (container,) = RENDERED["spec"]["template"]["spec"]["containers"]
    template = {"spec": {"containers": [container | {"envFrom": []}]}}
    assert without_additions(live(), RENDERED | {"spec": RENDERED["spec"] | {"template": template}}) == live()


def managed(manager, fields):
    return {"manager": manager, "fieldsV1": fields}


def test_only_owners_of_differences_are_named():
    found = live(replicas=5)
    found["metadata"]["managedFields"] = [
        managed("serin-operator", {"f:spec": {"f:selector": {}}}),
        managed("kubectl-scale", {"f:spec": {"f:replicas": {}}}),
        managed("kubectl-label", {"f:metadata": {"f:labels": {"f:theirs": {}}}}),
        managed("kube-controller-manager", {"f:spec": {"f:replicas": {}}}),
    ]
    assert editors(found, RENDERED, manager="serin-operator") == ("kubectl-scale",)


def test_the_owner_of_an_added_variable_is_named():
    found = live(container={"env": [*RENDERED_ENV, ANONYMOUS]})
    path = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"server"}': {}}}}}}
    found["metadata"]["managedFields"] = [managed("kubectl-edit", path), managed("kubectl-scale", {"f:spec": {}})]
    assert editors(found, RENDERED, manager="serin-operator") == ("kubectl-edit",)


def named(found):
    return [str(one) for one in differences(found, RENDERED)]


@pytest.mark.parametrize(
    ("found", "fields"),
    [
        pytest.param(live(), [], id="none"),
        pytest.param(live(replicas=3), ["spec.replicas (3 instead of 2)"], id="a number"),
        pytest.param(live(selector={"uid": "u", "x": "y"}), ["spec.selector"], id="a whole selector"),
        pytest.param(
            live(container={"env": [{"name": "A", "value": "secret"}]}),
            ["spec.template.spec.containers[server].env[A].value"],
            id="a variable, whose value may be secret",
        ),
        pytest.param(
            live(container={"env": [*RENDERED_ENV, ANONYMOUS]}),
            ["spec.template.spec.containers[server].env[SERIN_ALLOW_ANONYMOUS]"],
            id="an addition",
        ),
        pytest.param(
            live(container={"name": "else"}), ["spec.template.spec.containers[server]"], id="a whole container"
        ),
    ],
)
def test_differences_are_named_as_kubectl_writes_fields(found, fields):
    assert named(found) == fields


def test_quantities_are_compared_by_their_value():
    rendered = {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    assert not differences({"resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}}}, rendered)
    found = differences({"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}, rendered)
    assert [str(one) for one in found] == ["resources.requests.cpu (500m instead of 1)"]


VALUES = st.recursive(
    st.sampled_from([1, "a", None]),
    lambda inner: (
        st.dictionaries(st.sampled_from(["name", "x", "env", "selector"]), inner, max_size=3)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_as_it_was_rendered_has_no_difference(value):
    assert differences(value, value) == ()


def with_defaults(value):
    """Return a value as the API server may complete it: a field more in each object that may have more."""
    if isinstance(value, list):
        return [with_defaults(one) for one in value]
    if not isinstance(value, dict):
        return value
    exact = {key: one for key, one in value.items() if key == "selector"}
    return {"default": 1} | {key: with_defaults(one) for key, one in value.items()} | exact


@given(VALUES)
def test_fields_that_are_not_rendered_are_no_difference(value):
    assert differences(with_defaults(value), value) == ()
