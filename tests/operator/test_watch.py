"""What the API server is asked for, and which changes wake which resources."""

import asyncio
from pathlib import Path

import kopf
import pytest
import yaml

from serin_core.contract import names
from serin_operator.api_paths import collection_of
from serin_operator.changes import Changes
from serin_operator.known_objects import KnownObjects
from serin_operator.known_resources import KnownResources
from serin_operator.object_store import UnknownError
from serin_operator.reconcile import Key
from serin_operator.watch import build_registry, build_settings
from serin_operator.watched_objects import CHILDREN, WatchedObjects

RBAC = Path(__file__).parents[2] / "manifests/base/rbac.yaml"
KEY = Key("default", "categories")


def body(rules=""):
    server = {"rules": {"configMapName": rules}} if rules else {}
    metadata = {"namespace": "default", "name": "categories", "uid": "u", "generation": 1, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"server": server}}


def config_map(name, **labels):
    return {"kind": "ConfigMap", "metadata": {"namespace": "default", "name": name, "labels": labels}}


def selections(*namespaces):
    return [one._what for one in WatchedObjects(None).informers(namespaces, print)]


def taking_in(enqueued):
    resources = KnownResources()
    resources.enqueue = enqueued.append
    return Changes(resources, KnownObjects(WatchedObjects(None), clock=lambda: 0.0))


def test_an_event_of_kopf_enqueues_the_resource_and_makes_it_known():
    enqueued = []
    changes = taking_in(enqueued)
    (handler,) = build_registry(changes)._watching.get_all_handlers()
    asyncio.run(handler.fn(body=body(), type=None))
    assert enqueued == [KEY]
    assert changes.objects.get(names.KIND, "default", "categories")["kind"] == names.KIND
    asyncio.run(handler.fn(body=body(), type="DELETED"))
    with pytest.raises(UnknownError):
        changes.objects.get(names.KIND, "default", "categories")


def test_a_change_of_a_child_wakes_the_resource_in_its_label():
    enqueued = []
    metadata = {"namespace": "default", "name": "x", "labels": {names.LABEL_MODEL: "categories"}}
    taking_in(enqueued).object_changed({"kind": "Pod", "metadata": metadata})
    assert enqueued == [KEY]


def test_a_change_of_rules_wakes_the_resources_that_use_them_and_no_other_config_map_does():
    enqueued = []
    changes = taking_in(enqueued)
    changes.resource_changed(body(rules="rules"), is_deleted=False)
    enqueued.clear()
    changes.object_changed(config_map("others"))
    changes.object_changed({"kind": "Service", "metadata": {"namespace": "default", "name": "rules"}})
    assert enqueued == []
    changes.object_changed(config_map("rules"))
    assert enqueued == [KEY]


def test_every_config_map_but_the_records_is_in_exactly_one_watch_and_only_ours_are_read_in_full():
    ours, others = (one for one in selections() if one.kind == "ConfigMap")
    assert (ours.is_metadata_only, others.is_metadata_only) == (False, True)
    assert ours.labels == f"{names.LABEL_UID},!{names.LABEL_TRIAL_OF}"
    assert others.labels == f"!{names.LABEL_UID},!{names.LABEL_TRIAL_OF}"


def test_kopf_compares_with_nothing_and_stores_nothing():
    storage, seen, patch = build_settings().persistence.diffbase_storage, kopf.Body(body()), kopf.Patch()
    essence = storage.build(body=seen)
    storage.store(body=seen, patch=patch, essence=essence)
    assert not essence
    assert not patch
    assert storage.fetch(body=seen) is None


def test_with_namespaces_given_nothing_is_asked_of_the_whole_cluster():
    assert {one.namespace for one in selections("a", "b")} == {"a", "b"}
    assert collection_of(selections("a")[0]) == "/api/v1/namespaces/a/pods"
    assert collection_of(selections()[0]) == "/api/v1/pods"


@pytest.mark.parametrize("kind", CHILDREN)
def test_children_are_selected_by_label_and_the_role_allows_to_watch_them(kind):
    (what,) = [one for one in selections() if one.kind == kind and not one.is_metadata_only]
    assert what.labels.startswith(names.LABEL_UID)
    role = next(one for one in yaml.safe_load_all(RBAC.read_text()) if one["kind"] == "ClusterRole")
    *start, plural = collection_of(what).removeprefix("/").split("/")
    group = start[1] if start[0] == "apis" else ""
    (verbs,) = [
        set(rule["verbs"]) for rule in role["rules"] if group in rule["apiGroups"] and plural in rule["resources"]
    ]
    assert {"list", "watch"} <= verbs
