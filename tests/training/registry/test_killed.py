"""Publishing is atomic: a trainer that is killed at any instant leaves no half run and loses none."""

import hashlib
import subprocess
import sys

import pytest

from serin_core.model import manifest as runs
from serin_core.model import signing
from serin_registry.errors import RegistryError
from serin_training.registry.directory import DirectoryRegistry

OLD, NEW, NEXT = "run_00000001_1", "run_00000002_2", "run_00000003_3"
FILES = {"meta.json": b"{}", "model.txt": b"trees" * 1000, "weights.npy": b"\0" * 4096}
TRAINERS = f"""
import os, sys
from itertools import count
from pathlib import Path
from serin_training.registry.directory import DirectoryRegistry

def dies_before(step):
    left = step

    def look(frame, event, called):
        # Whatever touches files: of the operating system, or of an open file.
        nonlocal left
        if event != "c_call":
            return
        if called.__module__ == "posix" or type(called.__self__).__module__ == "_io":
            left -= 1
            if left < 0:
                os._exit(9)

    return look

for step in count():
    registry = DirectoryRegistry(Path(sys.argv[1]) / str(step), uri="here")
    registry.publish({OLD!r}, {FILES!r})
    registry.point_latest({OLD!r})
    child = os.fork()
    if child == 0:
        sys.setprofile(dies_before(step))
        registry.publish({NEW!r}, {FILES!r}, sign=lambda manifest: bytes(64))
        registry.point_latest({NEW!r})
        sys.setprofile(None)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 9:
        sys.exit(status)
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
    is_signed = run != NEW or registry.read(run, signing.SIGNATURE) == bytes(64)
    return (
        set(found) == set(FILES)
        and is_signed
        and all(found[file] == entry.sha256 for file, entry in manifest.files.items())
    )


def test_a_trainer_killed_at_any_step_leaves_whole_runs_only(tmp_path):
    done = subprocess.run([sys.executable, "-c", TRAINERS, str(tmp_path)], check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    folders = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    for folder in folders:
        registry = at(folder)
        assert registry.runs() in ([OLD], [OLD, NEW])
        assert all(is_whole(registry, run) for run in registry.runs())
        assert registry.latest() in registry.runs()
        registry.publish(NEXT, FILES)
        registry.point_latest(NEXT)
        assert registry.latest() == NEXT
    killed = folders[:-1]
    assert len(killed) > 50
    assert 0 < sum(at(folder).runs() == [OLD, NEXT] for folder in killed) < len(killed), "killed before and after"
    assert at(folders[-1]).runs() == [OLD, NEW, NEXT]


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
    with pytest.raises(RegistryError, match="is not the name of a run"):
        at(tmp_path).read(run, "meta.json")
