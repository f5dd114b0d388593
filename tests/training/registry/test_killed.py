"""Publishing is atomic: a trainer that is killed at any instant leaves no half run and loses none."""

import hashlib
import subprocess
import sys

import pytest

from serin_core import runs
from serin_training.errors import RegistryError
from serin_training.registry.directory import DirectoryRegistry

OLD, NEW, NEXT = "run_00000001_1", "run_00000002_2", "run_00000003_3"
FILES = {"meta.json": b"{}", "model.txt": b"trees" * 1000, "weights.npy": b"\0" * 4096}
TRAINER = f"""
import os, sys
from pathlib import Path
from serin_training.registry.directory import DirectoryRegistry

registry = DirectoryRegistry(Path(sys.argv[1]), uri=sys.argv[1])
left = int(sys.argv[2])
EVENTS = ("open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree")

def count(event, arguments):
    global left
    if event in EVENTS and str(registry._root) in str(arguments):
        left -= 1
        if left < 0:
            os._exit(9)

sys.addaudithook(count)
registry.publish({NEW!r}, {FILES!r})
registry.point_latest({NEW!r})
"""

MANY = f"""
import sys
from pathlib import Path
from serin_training.registry.directory import DirectoryRegistry

registry = DirectoryRegistry(Path(sys.argv[1]), uri=sys.argv[1])
for number in range(1, 41):
    run = f"run_{{sys.argv[2]}}_{{number}}"
    registry.publish(run, {FILES!r})
    registry.point_latest(run)
"""


def at(folder):
    return DirectoryRegistry(folder, uri=str(folder))


def is_whole(registry, run):
    manifest = runs.Manifest.parse(registry.read(run, runs.MANIFEST))
    found = {file: hashlib.sha256(registry.read(run, file)).hexdigest() for file in manifest.files}
    return set(found) == set(FILES) and all(found[file] == entry.sha256 for file, entry in manifest.files.items())


def kill_after(folder, events):
    command = [sys.executable, "-c", TRAINER, str(folder), str(events)]
    return subprocess.run(command, check=False, capture_output=True, timeout=60)


def test_a_trainer_killed_at_any_step_leaves_whole_runs_only(tmp_path):
    killed = 0
    for events in range(200):
        folder = tmp_path / str(events)
        registry = at(folder)
        registry.publish(OLD, FILES)
        registry.point_latest(OLD)
        done = kill_after(folder, events)
        assert done.returncode in (0, 9), done.stderr
        assert set(registry.runs()) <= {OLD, NEW}
        assert OLD in registry.runs()
        assert all(is_whole(registry, run) for run in registry.runs())
        assert registry.latest() in registry.runs()
        registry.publish(NEXT, FILES)
        registry.point_latest(NEXT)
        assert registry.latest() == NEXT
        if done.returncode == 0:
            break
        killed += 1
    assert done.returncode == 0
    assert killed > 10


def test_two_trainers_at_the_same_moment_both_store_their_run(tmp_path):
    trainers = [
        subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path), name], stderr=subprocess.PIPE, text=True)
        for name in ("aaaaaaaa", "bbbbbbbb")
    ]
    assert [trainer.communicate(timeout=60)[1] for trainer in trainers] == ["", ""]
    registry = at(tmp_path)
    assert len(registry.runs()) == 80
    assert all(is_whole(registry, run) for run in registry.runs())
    assert registry.latest() in ("run_aaaaaaaa_40", "run_bbbbbbbb_40")
    assert not [path.name for path in (tmp_path / runs.RUNS_DIRECTORY).iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("run", ["../x", "latest", "run_1"])
def test_a_name_that_is_none_is_refused(tmp_path, run):
    with pytest.raises(RegistryError, match="is no name of a run"):
        at(tmp_path).read(run, "meta.json")
