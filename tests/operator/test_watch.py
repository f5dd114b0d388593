"""The handlers that kopf is given, and what the API server is asked for."""

import asyncio
import re
from pathlib import Path

import pytest
import yaml

from serin_core.contract import names
from serin_operator.known_resources import KnownResources
from serin_operator.reconcile import Key
from serin_operator.watch import CHILDREN, build_registry, build_settings

RBAC = Path(__file__).parents[2] / "manifests/base/rbac.yaml"


def handlers(enqueued):
    known = KnownResources()
    known.enqueue = enqueued.append
    registry = build_registry(known, lambda: None)
    return {handler.fn.__name__: handler.fn for handler in registry._watching.get_all_handlers()}


def send(enqueued, handler, **event):
    asyncio.run(handlers(enqueued)[handler](**{"namespace": "default", "labels": {}, "type": "MODIFIED"} | event))


def test_an_event_of_a_child_enqueues_the_resource_in_its_label():
    enqueued = []
    send(enqueued, "child_event", name="x", labels={names.LABEL_MODEL: "categories"})
    assert enqueued == [Key("default", "categories")]


def test_an_event_of_rules_enqueues_the_resources_that_use_them():
    enqueued = []
    found = handlers(enqueued)
    body = {"metadata": {"uid": "u", "generation": 1}, "spec": {"server": {"rules": {"configMapName": "rules"}}}}
    asyncio.run(found["resource_event"](namespace="default", name="categories", body=body, type=None))
    enqueued.clear()
    asyncio.run(found["config_map_event"](namespace="default", name="rules", labels={}))
    asyncio.run(found["config_map_event"](namespace="default", name="others", labels={}))
    assert enqueued == [Key("default", "categories")]


@pytest.mark.parametrize("child", CHILDREN, ids=lambda child: child[-1])
def test_children_are_watched_by_label_and_the_role_allows_it(child):
    assert build_settings().watching.label_selectors[child] == names.LABEL_MODEL
    role = next(one for one in yaml.safe_load_all(RBAC.read_text()) if one["kind"] == "ClusterRole")
    group = child[0] if not re.fullmatch(r"v\d", child[0]) else ""
    (verbs,) = [
        set(rule["verbs"]) for rule in role["rules"] if group in rule["apiGroups"] and child[-1] in rule["resources"]
    ]
    assert {"list", "watch"} <= verbs
