"""The handlers that kopf is given, and what the API server is asked for."""

import asyncio
import re
from pathlib import Path

import pytest
import yaml

from serin_core.contract import names
from serin_operator.reconcile import Key
from serin_operator.watch import CHILDREN, build_registry, build_settings

RBAC = Path(__file__).parents[2] / "manifests/base/rbac.yaml"


def handlers(woken):
    registry = build_registry(woken.append, lambda: None)
    return {handler.fn.__name__: handler.fn for handler in registry._watching.get_all_handlers()}


def tell(woken, handler, **event):
    asyncio.run(handlers(woken)[handler](**{"namespace": "default", "labels": {}, "type": "MODIFIED"} | event))


def test_a_child_wakes_the_resource_that_its_label_names():
    woken = []
    tell(woken, "child_event", name="x", labels={names.LABEL_MODEL: "categories"})
    assert woken == [Key("default", "categories")]


def test_rules_wake_the_resources_that_name_them():
    woken = []
    told = handlers(woken)
    body = {"metadata": {"uid": "u", "generation": 1}, "spec": {"server": {"rules": {"configMapName": "rules"}}}}
    asyncio.run(told["resource_event"](namespace="default", name="categories", body=body, type=None))
    woken.clear()
    asyncio.run(told["config_map_event"](namespace="default", name="rules", labels={}))
    asyncio.run(told["config_map_event"](namespace="default", name="others", labels={}))
    assert woken == [Key("default", "categories")]


@pytest.mark.parametrize("child", CHILDREN, ids=lambda child: child[-1])
def test_of_each_kind_of_child_the_api_server_sends_only_ours_and_may(child):
    assert build_settings().watching.label_selectors[child] == names.LABEL_MODEL
    role = next(one for one in yaml.safe_load_all(RBAC.read_text()) if one["kind"] == "ClusterRole")
    group = child[0] if not re.fullmatch(r"v\d", child[0]) else ""
    (verbs,) = [
        set(rule["verbs"]) for rule in role["rules"] if group in rule["apiGroups"] and child[-1] in rule["resources"]
    ]
    assert {"list", "watch"} <= verbs
