"""Volumes of the registry as a kubelet mounts them: missing, empty, read-only; and runs that are not there."""

import contextlib
import dataclasses
import json
import threading
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
    assert condition["reason"] == "RunNotFound"
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


READ_BYTES_PER_SECOND = 2_000
"""With it a server would read its run for minutes, as from a network file system that hardly responds."""


@dataclasses.dataclass
class Throttle:
    """A limit for reads from one device by each container of the node."""

    device: str
    limits: dict = dataclasses.field(default_factory=dict)
    is_over: threading.Event = dataclasses.field(default_factory=threading.Event)

    def keep_up(self):
        """Limit containers as they come, before Python has started in them: a group's limit is not its children's."""
        while not self.is_over.wait(0.02):
            # Groups end while they are listed.
            with contextlib.suppress(FileNotFoundError):
                for path in Path("/sys/fs/cgroup/blkio").glob("serin-node-*/**/blkio.throttle.read_bps_device"):
                    if path not in self.limits:
                        self.limits[path] = self.write(path, READ_BYTES_PER_SECOND)

    def write(self, path, limit):
        with contextlib.suppress(OSError):
            path.write_text(f"{self.device} {limit}")
        return limit

    def end(self):
        self.is_over.set()
        for path in self.limits:
            self.write(path, 0)


@pytest.fixture
def slow(registry, node, tmp_path):
    """The registry on a device of its own, from which containers read slowly, and what ends that."""
    if not Path("/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device").exists():
        pytest.skip("slow reads need the blkio controller of cgroup version 1")
    image, mounted = tmp_path / "registry.ext4", tmp_path / "registry"
    size = sum(path.stat().st_size for path in registry.path.rglob("*") if path.is_file())
    with image.open("wb") as file:
        file.truncate(2 * size + 16_000_000)
    run("mkfs.ext4", "-q", "-d", str(registry.path), str(image))
    mounted.mkdir()
    run(*node.enter(), "mount", "-o", "loop,ro", str(image), str(mounted))
    throttle = Throttle(run(*node.enter(), "findmnt", "-n", "-o", "MAJ:MIN", str(mounted)).strip())
    thread = threading.Thread(target=throttle.keep_up)
    thread.start()
    yield dataclasses.replace(registry, path=mounted), throttle
    throttle.end()
    thread.join()
    run(*node.enter(), "umount", "--lazy", str(mounted))


def test_a_slow_volume_is_named_and_ends_in_no_restart(bare, slow):
    registry, throttle = slow
    rollout = bare(registry)
    rollout.apply(registry.good)
    named = f"{registry.good} is still being read: the registry, or its volume, is slow"
    rollout.wait(lambda _: named in rollout.condition()["message"], seconds=120, what=named)
    assert [one["restartCount"] for pod in rollout.pods() for one in pod["status"]["containerStatuses"]] == [0, 0]
    throttle.end()
    rollout.wait_for_stage(0, seconds=120)
