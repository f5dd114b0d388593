"""forget-pod, against a cluster that is a dictionary."""

import pytest
from cli.fakes import CANDIDATE, STABLE, FakeCluster, model, run

from serin_cli import confirmation, forget_pod
from serin_cli.request_errors import AbsentError
from serin_core.contract.names import LABEL_MODEL, REQUEST_PREFIX

POD = {"uid": "uid-7", "node": "node-3", "labels": {LABEL_MODEL: "categories"}}


@pytest.fixture
def serin(monkeypatch, virtual_time):
    def call(cluster, *arguments, **settings):
        return run(monkeypatch, forget_pod.app, cluster, "categories", "categories-1", *arguments, **settings)

    return call


def cluster(pod=POD, **settings):
    made = FakeCluster(model(candidate=CANDIDATE, stable=STABLE), **settings)

    def read(_name):
        if isinstance(pod, Exception):
            raise pod
        return pod

    made.pod = read
    return made


def test_a_request_names_the_pod_its_uid_the_user_and_the_reason(serin):
    at = cluster(answer="Done: deleted")
    said = serin(at, "--yes", "--reason", "scrapped")
    assert (said.exit_code, said.stdout) == (0, "Done: deleted\n")
    assert "categories-1 on node node-3 will be deleted without waiting for its node" in said.stderr
    value = at.requests[f"{REQUEST_PREFIX}forget-pod"].split()
    assert value[:2] == ["categories-1", "uid-7"]
    assert value[3:] == ["by=jane@example.com", "scrapped"]


def test_it_asks_first_and_does_nothing_without_a_yes(serin, monkeypatch):
    at = cluster()
    said = serin(at)
    assert (said.exit_code, at.requests) == (1, {})
    assert "use --yes" in said.stderr
    monkeypatch.setattr(confirmation, "is_terminal", lambda: True)
    said = serin(at, input="n\n")
    assert (said.exit_code, at.requests) == (1, {})
    assert "nothing was changed" in said.stderr


def test_a_pod_of_another_resource_or_of_none_is_refused(serin):
    at = cluster(POD | {"labels": {LABEL_MODEL: "merchants"}})
    assert "categories-1 is not a pod of categories" in serin(at, "--yes").stderr
    at = cluster(POD | {"labels": None})
    assert "categories-1 is not a pod of categories" in serin(at, "--yes").stderr
    assert at.requests == {}
    at = cluster(AbsentError("pod 'categories-1' not found in namespace 'shop'"))
    assert "pod 'categories-1' not found" in serin(at, "--yes").stderr


def test_an_answer_that_it_was_ignored_is_a_failure(serin):
    said = serin(cluster(answer="Ignored: categories-1 responds to the operator"), "--yes")
    assert said.exit_code == 4
