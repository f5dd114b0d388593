"""Volumes of the registry as a kubelet mounts them: missing, empty, read-only; and runs that are not there."""

import contextlib
import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest

from serin_demo.commands import CommandError
from serin_localcluster.realnode.inside import run

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
    """Wait for the message that names the absent run: pods read the registry again until the run is there."""
    rollout.apply(run)
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


READ_BYTES_PER_SECOND = 200_000
"""With it a server reads its run for seconds, as from a network file system under load."""


@pytest.fixture
def slow(registry, node, tmp_path):
    """The registry on a device of its own, from which containers of server pods read slowly."""
    throttle = Path("/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device")
    if not throttle.exists():
        pytest.skip("slow reads need the blkio controller of cgroup version 1")
    image, mounted = tmp_path / "registry.ext4", tmp_path / "registry"
    size = sum(path.stat().st_size for path in registry.path.rglob("*") if path.is_file())
    with image.open("wb") as file:
        file.truncate(2 * size + 16_000_000)
    run("mkfs.ext4", "-q", "-d", str(registry.path), str(image))
    mounted.mkdir()
    run(*node.enter(), "mount", "-o", "loop,ro", str(image), str(mounted))
    device = run(*node.enter(), "findmnt", "-n", "-o", "MAJ:MIN", str(mounted)).strip()
    over = threading.Event()
    # Limits of a group do not hold for groups below it, so each container gets its own, before Python has started.
    watcher = threading.Thread(target=limit_containers, args=(f"{device} {READ_BYTES_PER_SECOND}", over))
    watcher.start()
    yield dataclasses.replace(registry, path=mounted)
    over.set()
    watcher.join()
    run(*node.enter(), "umount", "--lazy", str(mounted))


def limit_containers(limit, over):
    limited = set()
    while not over.wait(0.02):
        for path in Path("/sys/fs/cgroup/blkio").glob("serin-node-*/**/blkio.throttle.read_bps_device"):
            if path not in limited:
                limited.add(path)
                with contextlib.suppress(OSError):
                    path.write_text(limit)


def test_a_slow_volume_delays_the_rollout_and_no_answer(bare, slow):
    rollout = bare(slow)
    rollout.apply(slow.good)
    rollout.wait(lambda _: rollout.is_ready(), what="two ready pods")
    began, traffic = time.monotonic(), rollout.send_to_service(slow.traffic, rate=50)
    assert rollout.condition()["reason"] == "Loading"
    rollout.wait(lambda _: traffic.sent >= 100, what="answers by the rules")
    rollout.wait_for_stage(0, seconds=180)
    print(f"stage 0 began {time.monotonic() - began:.1f} s after the pods were ready")  # noqa: T201
    restarts = [one["restartCount"] for pod in rollout.pods() for one in pod["status"]["containerStatuses"]]
    assert (traffic.failed, restarts) == (0, [0, 0])
