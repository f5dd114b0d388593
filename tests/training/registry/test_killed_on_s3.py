"""Publishing into a bucket is atomic: a trainer that is killed at any request leaves no half run and loses none."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from registry.s3 import between, serving

from serin_core.model import manifest as runs
from serin_core.model import signing
from serin_training.registry.writer import open_registry

OLD, NEW, NEXT = "run_00000001_1", "run_00000002_2", "run_00000003_3"
FILES = {"meta.json": b"{}", "model.txt": b"trees" * 1000, "weights.npy": bytes(4096)}
TRAINER = f"""
import sys
from serin_training.registry.object_store import ObjectRegistry

registry = ObjectRegistry(sys.argv[1])
registry.publish({NEW!r}, {FILES!r}, sign=lambda manifest: bytes(64))
registry.point_latest({NEW!r})
"""
REQUESTS = 9
"""List what is there, look for the manifest; three files, signature, manifest; look at the manifest, put latest."""


class Trainer:
    """A process that publishes, and is killed by whoever stands between it and the store."""

    def __init__(self, s3, killed_before, killed_after):
        self.requests = 0
        self._started = threading.Event()
        self._before, self._after = killed_before, killed_after
        self.handler = between(s3, self.goes_on_before, self.goes_on_after)

    def run(self, address, uri):
        self._process = subprocess.Popen(
            [sys.executable, "-c", TRAINER, uri], env={**os.environ, "AWS_ENDPOINT": address}, stderr=subprocess.PIPE
        )
        self._started.set()
        _, told = self._process.communicate(timeout=60)
        assert self._process.returncode in (0, -signal.SIGKILL), told
        return self._process.returncode == 0

    def goes_on_before(self, number):
        self.requests = number
        return self._unless_killed(number == self._before)

    def goes_on_after(self, number):
        return self._unless_killed(number == self._after)

    def _unless_killed(self, is_time):
        if is_time:
            self._started.wait()
            self._process.kill()
            self._process.wait()
        return not is_time


def is_whole(registry, run):
    manifest = runs.Manifest.parse(registry.read(run, runs.MANIFEST))
    found = {file: runs.FileEntry.of(registry.read(run, file)) for file in manifest.files}
    is_signed = run == OLD or registry.read(run, signing.SIGNATURE) == bytes(64)
    return set(found) == set(FILES) and is_signed and runs.differences(manifest, found) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, REQUESTS + 1))
def test_a_trainer_killed_at_any_request_leaves_whole_runs_only(bucket, s3, number, moment):
    registry = open_registry(bucket)
    registry.publish(OLD, FILES)
    registry.point_latest(OLD)
    trainer = Trainer(s3, **{"killed_before": None, "killed_after": None, f"killed_{moment}": number})
    with serving(trainer.handler) as address:
        assert not trainer.run(address, bucket)
    assert registry.runs() in ([OLD], [OLD, NEW])
    assert all(is_whole(registry, run) for run in registry.runs())
    assert registry.latest() in registry.runs()
    registry.publish(NEXT, FILES, sign=lambda _: bytes(64))
    registry.point_latest(NEXT)
    assert registry.latest() == NEXT
    assert is_whole(registry, NEXT)


def test_a_trainer_that_is_not_killed_asks_so_many_times(bucket, s3):
    trainer = Trainer(s3, None, None)
    with serving(trainer.handler) as address:
        assert trainer.run(address, bucket)
    assert trainer.requests == REQUESTS
    assert is_whole(open_registry(bucket), NEW)
    assert open_registry(bucket).latest() == NEW


def test_of_two_trainers_with_one_name_at_the_same_moment_one_stores_a_whole_run(bucket):
    outcomes = []
    barrier = threading.Barrier(2)

    def publish(content):
        barrier.wait()
        try:
            open_registry(bucket).publish(NEW, {"meta.json": content, "model.txt": content})
            outcomes.append(content)
        except Exception as error:  # noqa: BLE001 - looked at below
            outcomes.append(str(error))

    threads = [threading.Thread(target=publish, args=[content]) for content in (b"one", b"other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    (stored,) = [one for one in outcomes if isinstance(one, bytes)]
    (refused,) = [one for one in outcomes if isinstance(one, str)]
    assert "never overwritten" in refused
    registry = open_registry(bucket)
    assert {registry.read(NEW, file) for file in ("meta.json", "model.txt")} == {stored}
