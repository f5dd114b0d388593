"""The node's pure parts: paths, variables, volumes, probes."""

from pathlib import Path

import pytest

from serin_localcluster.node import volumes
from serin_localcluster.node.agent import unschedulable_reason
from serin_localcluster.node.container import Probe, restart_delay
from serin_localcluster.node.environment import expand, field, pairs, rewrite

ROOT = Path("/pods/x/root")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("/etc/serin/routing", "/pods/x/root/etc/serin/routing"),
        ("/etc/serin/routing/routing.json", "/pods/x/root/etc/serin/routing/routing.json"),
        ("--dir=/etc/serin/routing", "--dir=/pods/x/root/etc/serin/routing"),
        ("file:///registry/a", "file:///pods/x/root/registry/a"),
        ("/etc/serin-other/routing", "/etc/serin-other/routing"),
        ("/var/etc/serin/routing", "/var/etc/serin/routing"),
        ("http://host/registry.git", "http://host/registry.git"),
        ("/registry:/etc/serin", "/pods/x/root/registry:/pods/x/root/etc/serin"),
        ("no path at all", "no path at all"),
    ],
)
def test_a_mounted_path_is_moved_below_the_pods_root(text, seen):
    assert rewrite(text, root=ROOT, mounts=["/etc/serin", "/etc/serin/routing", "/registry/"]) == seen


def test_without_mounts_nothing_is_moved():
    assert rewrite("/etc", root=ROOT, mounts=[]) == "/etc"


@pytest.mark.parametrize(
    ("text", "seen"),
    [("$(A)/b", "1/b"), ("$$(A)", "$(A)"), ("$(UNKNOWN)", "$(UNKNOWN)"), ("$A", "$A"), ("a$$b", "a$b")],
)
def test_variables_are_expanded_as_kubernetes_does(text, seen):
    assert expand(text, {"A": "1"}) == seen


def test_annotations_are_written_as_the_kubelet_writes_them():
    assert pairs({"b": 'say "hi"\n', "a": "1"}) == 'a="1"\nb="say \\"hi\\"\\n"'


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.annotations['k']", "v"),
        ("metadata.labels['none']", ""),
        ("status.podIP", "127.77.0.5"),
        ("status.hostIP", "127.77.0.1"),
        ("spec.nodeName", "local"),
    ],
)
def test_fields_of_the_downward_api(path, value):
    pod = {"metadata": {"name": "p", "annotations": {"k": "v"}, "labels": {}}, "spec": {"nodeName": "local"}}
    assert field(path, pod, address="127.77.0.5") == value


def test_an_unknown_field_is_refused():
    with pytest.raises(KeyError):
        field("spec.magic", {"metadata": {}, "spec": {}}, address="x")


def test_a_volume_is_swapped_whole_and_only_when_it_changed(tmp_path):
    target = tmp_path / "volume"
    assert volumes.swap(target, {"a": b"1", "b": b"2"})
    first = (target / "..data").resolve()
    assert not volumes.swap(target, {"a": b"1", "b": b"2"})
    assert (target / "..data").resolve() == first
    assert volumes.swap(target, {"a": b"3"})
    assert (target / "a").read_bytes() == b"3"
    assert sorted(entry.name for entry in target.iterdir() if not entry.name.startswith("..")) == ["a"]
    assert not first.exists()


def test_a_probe_passes_and_fails_at_its_thresholds():
    probe = Probe(failures_needed=2, successes_needed=2)
    assert [probe.note(passed=True), probe.note(passed=True), probe.holds] == [False, True, True]
    assert [probe.note(passed=False), probe.holds] == [False, True]
    assert [probe.note(passed=False), probe.holds] == [True, False]
    assert probe.note(passed=True) is False


def test_the_first_restart_is_immediate_and_later_ones_are_delayed():
    assert [restart_delay(number, base=10) for number in (0, 1, 2, 3, 99)] == [0, 10, 20, 40, 300]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"containers": [{}]}, ""),
        ({"containers": [{}], "nodeSelector": {"gpu": "yes"}}, "didn't match"),
        ({"containers": [{"resources": {"requests": {"cpu": "65"}}}]}, "Insufficient cpu"),
        ({"containers": [{"resources": {"requests": {"memory": "40Gi"}}}] * 2}, "Insufficient memory"),
        ({"containers": [{"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}}]}, ""),
    ],
)
def test_a_pod_that_does_not_fit_gets_a_reason(spec, reason):
    found = unschedulable_reason({"spec": spec})
    assert (reason in found) if reason else found == ""
