"""What is known of watched objects: never an older version, and nothing where it cannot be known."""

import json

import pytest

from serin_core.contract import names
from serin_operator.object_store import (
    ObjectStore,
    UnknownError,
    version_only,
    with_writers_only,
    without_managed_fields,
)


def made(version, name="a", *, uid="u", namespace="default", **fields):
    metadata = {"namespace": namespace, "name": name, "resourceVersion": str(version)}
    return {"kind": "Pod", "metadata": metadata | {"labels": {names.LABEL_UID: uid}}, **fields}


def listed(*objects, namespace="", version=""):
    store = ObjectStore()
    store.begin_list(namespace, version)
    for one in objects:
        store.put(one)
    store.end_list(namespace)
    return store


def test_before_a_list_is_complete_nothing_is_known_also_not_that_something_is_absent():
    store = ObjectStore()
    store.begin_list("", "")
    store.put(made(1))
    with pytest.raises(UnknownError):
        store.get("default", "a")
    with pytest.raises(UnknownError):
        store.find("default", {names.LABEL_UID: "u"})
    store.end_list("")
    assert store.get("default", "a") == made(1)
    assert store.get("default", "b") is None


def test_what_is_kept_equals_what_was_put_and_shares_its_short_texts_with_other_objects():
    fields = {"spec": {"nodeName": "node-1", "containers": [{"args": ["a", 1, None, True, 0.5], "text": "x" * 200}]}}
    first, second = (json.loads(json.dumps(made(1, name, **fields))) for name in "ab")
    store = listed(first, second)
    assert (store.get("default", "a"), store.get("default", "b")) == (first, second)
    specs = [store.get("default", name)["spec"] for name in "ab"]
    assert specs[0]["nodeName"] is specs[1]["nodeName"]
    assert all(one is other for one, other in zip(*specs, strict=True))
    assert specs[0]["containers"][0]["text"] is not specs[1]["containers"][0]["text"]


def test_a_list_of_one_namespace_says_nothing_about_another():
    store = listed(made(1), namespace="default")
    assert store.get("default", "b") is None
    with pytest.raises(UnknownError):
        store.get("other", "b")


@pytest.mark.parametrize(("before", "after", "kept"), [(9, 10, 10), (10, 9, 10), (99, 100, 100)])
def test_of_two_versions_the_newer_one_is_kept_compared_as_numbers(before, after, kept):
    store = listed(made(before))
    store.put(made(after))
    assert store.get("default", "a") == made(kept)


def test_the_result_of_a_write_is_kept_until_a_newer_event():
    store = listed(made(1))
    store.put_own(made(5))
    store.put(made(4))
    assert store.get("default", "a") == made(5)


def test_a_late_deletion_of_an_older_object_does_not_hide_the_one_that_replaced_it():
    store = listed(made(1))
    store.put_own(made(8))
    store.remove(made(7))
    assert store.get("default", "a") == made(8)
    store.remove(made(9))
    assert store.get("default", "a") is None


@pytest.mark.parametrize("namespace", ["", "default"])
def test_a_response_that_is_older_than_the_deletion_does_not_bring_the_object_back(namespace):
    store = listed(made(3), namespace=namespace)
    store.remove(made(9))
    store.put_own(made(3))
    assert store.get("default", "a") is None
    assert store.find("default", {names.LABEL_UID: "u"}) == []
    store.put_own(made(10))
    assert store.get("default", "a") == made(10), "it was created again, and the event is still to come"


@pytest.mark.parametrize("is_ended", [True, False])
def test_a_response_that_is_older_than_a_list_does_not_add_what_the_list_does_not_contain(is_ended):
    store = ObjectStore()
    store.begin_list("", "20")
    if is_ended:
        store.end_list("")
    store.put_own(made(19))
    store.put_own(made(21, "b"))
    store.end_list("")
    assert store.find("default", {names.LABEL_UID: "u"}) == [made(21, "b")]


def test_a_new_list_also_takes_back_up_to_which_version_everything_is_known():
    store = listed(made(100), version="100")
    store.begin_list("", "4")
    store.end_list("")
    store.put_own(made(5))
    assert store.get("default", "a") == made(5)


def test_versions_that_are_no_numbers_make_the_result_of_a_write_doubtful_until_the_next_event():
    store = listed(made("x"))
    store.put_own(made("y"))
    with pytest.raises(UnknownError):
        store.get("default", "a")
    store.put(made("z"))
    assert store.get("default", "a") == made("z")


def test_a_doubtful_object_makes_every_list_of_its_namespace_unknown_and_no_other():
    store = listed(made(1), made(1, namespace="other"))
    store.doubt("default", "a")
    with pytest.raises(UnknownError):
        store.find("default", {names.LABEL_UID: "u"})
    assert store.find("other", {names.LABEL_UID: "u"}) == [made(1, namespace="other")]
    store.put(made(2))
    assert store.find("default", {names.LABEL_UID: "u"}) == [made(2)]


def test_objects_are_found_by_uid_namespace_and_all_other_labels():
    store = listed(made(1), made(1, "b", uid="v"), made(1, "c", namespace="other"))
    assert store.find("default", {names.LABEL_UID: "u"}) == [made(1)]
    assert store.find("default", {names.LABEL_UID: "u", "more": "x"}) == []
    moved = made(2, uid="v")
    store.put(moved)
    assert store.find("default", {names.LABEL_UID: "u"}) == []
    assert store.find("default", {names.LABEL_UID: "v"}) == [moved, made(1, "b", uid="v")]


def test_a_new_list_forgets_what_it_does_not_contain_also_after_versions_went_back():
    store = listed(made(100), made(100, "b"))
    assert set(store.begin_list("", "")) == {("default", "a"), ("default", "b")}
    store.put(made(3))
    store.end_list("")
    assert store.get("default", "a") == made(3)
    assert store.get("default", "b") is None


def test_what_is_kept_of_pods_and_of_the_config_maps_of_users():
    pod = made(1, spec={"nodeName": "n"})
    pod["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    assert without_managed_fields(pod) == made(1, spec={"nodeName": "n"})
    kept = version_only(made(1, data={"large": "x" * 1000}))
    assert kept == {"kind": "Pod", "metadata": {"namespace": "default", "name": "a", "resourceVersion": "1"}}


def test_of_who_manages_a_suggestion_model_only_the_writers_of_its_spec_are_kept():
    writer = {"manager": "argocd-controller", "operation": "Apply", "time": "2026-01-02T00:00:00Z"}
    spec = {"f:spec": {"f:runID": {}}}
    status = {"manager": "serin-operator", "fieldsV1": {"f:status": {"f:phase": {}}}}
    live = {"metadata": {"name": "m", "managedFields": [writer | {"fieldsV1": spec | {"f:metadata": {}}}, status, {}]}}
    kept = with_writers_only(live)["metadata"]
    assert kept["name"] == "m"
    assert kept["managedFields"] == [{"manager": "argocd-controller", "time": "2026-01-02T00:00:00Z", "fieldsV1": spec}]
    assert len(live["metadata"]["managedFields"]) == 3
    assert with_writers_only({"metadata": {}}) == {"metadata": {}}
