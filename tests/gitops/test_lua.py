"""The scripts of manifests/argocd in Argo CD's own Lua, in every situation in which its actions differ."""

import copy
import json
import re

import argocd_lua
import pytest
from models.argocd_situations import ACTIONS, WORLDS, live

from serin_core.contract.names import API_VERSION, KIND
from serin_demo.commands import run

pytestmark = pytest.mark.gitops

MOMENT = re.compile(r" 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ by=argocd$")


@pytest.fixture(scope="module")
def outcomes(program):
    """Return each resource with what Argo CD makes of it."""
    resources = {name: live(make()) for name, make in WORLDS.items()} | {"without a status": argocd_lua.resource(None)}
    group = API_VERSION.partition("/")[0]
    scripts = {"health": argocd_lua.HEALTH, "actions": (argocd_lua.FOLDER / "actions.yaml").read_text()}
    given = {"key": f"{group}/{KIND}", "resources": list(resources.values())} | scripts
    found = json.loads(run([str(program), "lua"], text=json.dumps(given)))
    return {name: (resources[name], one) for name, one in zip(resources, found, strict=True)}


@pytest.fixture(params=[*WORLDS, "without a status"])
def outcome(request, outcomes):
    return outcomes[request.param]


def test_health_and_offered_actions_are_those_of_the_tests_of_every_commit(outcome):
    resource, found = outcome
    expected = argocd_lua.health(resource)
    assert (found["status"], found["message"]) == (expected["status"], expected["message"])
    offered = {one["name"]: one for one in found["actions"]}
    assert set(offered) == set(ACTIONS)
    for name, one in argocd_lua.discover(resource).items():
        assert {key: offered[name].get(key, False) for key in one} == one


def test_an_action_changes_its_annotation_only_or_says_why_not(outcome):
    resource, found = outcome
    assert set(found["objects"]) | set(found["errors"]) == set(ACTIONS)
    for action, text in found["errors"].items():
        assert text.strip() == argocd_lua.error_of(resource, action)
    for action, changed in found["objects"].items():
        made = copy.deepcopy(changed)
        (key, value), *others = made["metadata"].pop("annotations").items()
        (_, expected), *_ = argocd_lua.act(resource, action)["metadata"]["annotations"].items()
        assert (key, others) == (f"request.serin.dev/{action}", [])
        assert MOMENT.search(value)
        assert MOMENT.sub("", value) == MOMENT.sub("", expected)
        # What differs beside the annotation, an empty list that became an object for example, Argo CD would write.
        assert made == resource
