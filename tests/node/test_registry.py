"""Volumes of the registry as a kubelet mounts them: missing, empty, read-only; and runs that are not there."""

import dataclasses
import json

import pytest

from serin_demo.commands import CommandError

pytestmark = pytest.mark.node


def test_a_missing_claim_is_named_at_once_and_the_rollout_begins_once_it_is_there(rollout, registry):
    claim = json.loads(rollout.kubectl("get", "pvc", "registry", "-o", "json"))
    rollout.kubectl("delete", "pvc", "registry")
    rollout.apply(registry.good)
    rollout.wait(lambda _: rollout.condition()["reason"] == "PodsUnavailable", seconds=20, what="PodsUnavailable")
    assert 'persistentvolumeclaim "registry" not found' in rollout.condition()["message"]
    # A volume whose claim was deleted stays bound to it.
    rollout.kubectl("patch", "pv", rollout.namespace, "--type=merge", "-p", '{"spec": {"claimRef": null}}')
    metadata = {"namespace": rollout.namespace, "name": "registry"}
    spec = {key: claim["spec"][key] for key in ("accessModes", "resources", "storageClassName", "volumeName")}
    rollout.installed.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    rollout.wait_for_stage(0, seconds=120)


def test_a_run_of_an_empty_volume_is_named_as_absent_and_the_rules_serve(bare, registry, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    absent(bare(dataclasses.replace(registry, path=empty)), registry.good, registry.traffic)


def test_a_missing_run_is_named_as_absent_and_the_rules_serve(rollout, registry):
    absent(rollout, "run_00000000_1", registry.traffic)


def absent(rollout, run, rows):
    rollout.apply(run)
    """Wait for the message that names the absent run: pods read the registry again until the run is there."""
    rollout.wait(lambda _: "is not in the registry" in rollout.condition()["message"], seconds=90, what="absent run")
    condition = rollout.condition()
    assert condition["reason"] == "Loading"
    assert run in condition["message"]
    traffic = rollout.send_to_service(rows, rate=50)
    rollout.wait(lambda _: traffic.sent > 0, what="answers by the rules")
    assert traffic.sources["model"] == traffic.failed == 0


def test_a_server_cannot_write_into_the_registry(rollout, registry):
    rollout.apply(registry.good)
    rollout.wait_for_stage(0, seconds=120)
    pod, writes = rollout.pods()[0]["metadata"]["name"], "open('/registry/mine', 'w')"
    with pytest.raises(CommandError, match="Read-only file system"):
        rollout.installed.kubectl("exec", "-n", rollout.namespace, pod, "--", "python", "-c", writes)
