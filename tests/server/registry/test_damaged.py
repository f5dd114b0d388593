"""Every file of a run with every damage, also where the manifest was written to fit it: refused, with the reason."""

import contextlib
import json
import os
import pickle
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry.conftest import RUN, Files, Write

from serin_core.model.features import NUMBERS
from serin_core.model.lightgbm_text import TreesError, checked_trees
from serin_core.model.manifest import (
    CLASSES,
    MANIFEST,
    MODEL,
    REPORT,
    RUNS_DIRECTORY,
    SERVING,
    WEIGHTS,
    FileEntry,
    Manifest,
)
from serin_core.model.report import Report
from serin_registry.errors import NotInRegistryError, RunRefusedError
from serin_server.runs.lightgbm_predictor import FastTrees
from serin_server.runs.loaded_runs import Runs
from serin_server.runs.loader import RegistryReader

DEEP = 100_000


BOMB = Path(tempfile.gettempdir()) / f"serin-bomb-went-off-{os.getpid()}"


class Bomb:
    """Makes a file where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {BOMB}",)


BOMB_OF_OBJECTS = (
    b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
    + b"\n"
    + pickle.dumps([Bomb()])
)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut to a byte": lambda content: content[:1],
    "cut in half": lambda content: content[: len(content) // 2],
    "cut by a tenth": lambda content: content[: -max(2, len(content) // 10)],
    "flipped in its first byte": lambda content: bytes([content[0] ^ 0x80]) + content[1:],
    "flipped in the middle": lambda content: content[: len(content) // 2] + b"\xff" + content[len(content) // 2 + 1 :],
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "nested deep": lambda content: b"[" * DEEP + b"]" * DEEP,
    "objects nested deep": lambda content: b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a number of ten thousand digits": lambda content: b"9" * 10_000,
    "null": lambda content: b"null",
    "a list": lambda content: b"[]",
    "an object": lambda content: b"{}",
    "a page of HTML": lambda content: b"<html>404</html>",
    "zeros": lambda content: bytes(len(content)),
    "a pickle bomb": lambda content: pickle.dumps(Bomb()),
    "a bomb in a .npy": lambda content: BOMB_OF_OBJECTS,
}


def refusal(registry: Path, wanted: object) -> str:
    with pytest.raises(RunRefusedError) as caught:
        RegistryReader(str(registry))(wanted)  # type: ignore[arg-type]
    reason = str(caught.value)
    assert reason
    assert "\n" not in reason
    assert len(reason) < 500
    return reason


@pytest.mark.parametrize("name", SERVING)
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_not_what_the_manifest_says_is_not_opened(
    registry: Path, write: Write, files: Files, name: str, damage: Callable[[bytes], bytes]
) -> None:
    wanted = write(files)
    (registry / RUNS_DIRECTORY / RUN / name).write_bytes(damage(files[name]))
    assert re.match(
        rf"^{re.escape(name)}: it (has \d+ bytes, the manifest says|s sha256 is not)",
        refusal(registry, wanted).replace("its sha256", "it s sha256"),
    )


# A flipped bit of a weight is left out: another weight is another model, and only its digest tells.
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(name, damage, id=f"{name}, {how}")
        for name in SERVING
        for how, damage in DAMAGE.items()
        if (name, how) != (WEIGHTS, "flipped in the middle")
    ],
)
def test_a_damaged_file_whose_hash_stands_in_the_manifest_is_refused_by_what_it_holds(
    registry: Path,
    write: Write,
    files: Files,
    name: str,
    damage: Callable[[bytes], bytes],
) -> None:
    refusal(registry, write({**files, name: damage(files[name])}))
    assert not BOMB.exists()


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_manifest_is_refused(
    registry: Path, write: Write, files: Files, damage: Callable[[bytes], bytes]
) -> None:
    manifest = damage(Manifest.of(RUN, files).text())
    refusal(registry, write({**files, MANIFEST: manifest}).model_copy(update={"digest": None}))


@pytest.mark.parametrize("name", [*SERVING, MANIFEST])
def test_a_file_that_is_missing_is_named_and_may_still_be_copied(
    registry: Path, write: Write, files: Files, name: str
) -> None:
    wanted = write(files)
    (registry / RUNS_DIRECTORY / RUN / name).unlink()
    with pytest.raises(NotInRegistryError) as caught:
        RegistryReader(str(registry))(wanted)
    assert str(caught.value) == f"{RUN} is not complete in the registry {registry}: {name}: there is no such file"


@pytest.mark.parametrize("name", SERVING)
def test_a_file_that_the_manifest_does_not_name_is_not_read(
    registry: Path, write: Write, files: Files, name: str
) -> None:
    manifest = Manifest.of(RUN, {key: value for key, value in files.items() if key != name}).text()
    assert refusal(registry, write({**files, MANIFEST: manifest})) == f"{name}: the manifest does not name it"


@pytest.mark.parametrize("name", [*SERVING, MANIFEST])
@pytest.mark.parametrize("kind", ["a pipe", "a device", "an endless file"])
def test_what_is_no_file_is_refused_and_never_waited_for(
    registry: Path, write: Write, files: Files, name: str, kind: str
) -> None:
    wanted = write(files)
    path = registry / RUNS_DIRECTORY / RUN / name
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    assert re.fullmatch(rf"{name}: it (is not a regular file|has \d+ bytes, .*)", refusal(registry, wanted))


@pytest.mark.parametrize("name", [name for name in SERVING if name != CLASSES])
def test_a_file_of_another_run_is_refused(
    registry: Path, write: Write, files: Files, other_files: Files, name: str
) -> None:
    assert files[name] != other_files[name]
    refusal(registry, write({**files, name: other_files[name]}))


def test_a_manifest_of_another_run_is_refused(registry: Path, write: Write, files: Files) -> None:
    manifest = Manifest.of("run_4567cdef_1767225600", files).text()
    assert "the manifest of run_4567cdef_1767225600" in refusal(registry, write({**files, MANIFEST: manifest}))


@pytest.mark.parametrize("name", SERVING)
def test_a_size_that_nobody_could_read_is_refused_before_anything_is_read(
    registry: Path, write: Write, files: Files, name: str
) -> None:
    manifest = Manifest.of(RUN, files)
    entry = FileEntry(sha256=manifest.files[name].sha256, size=1 << 62)
    huge = manifest.model_copy(update={"files": {**manifest.files, name: entry}}).text()
    assert refusal(registry, write({**files, MANIFEST: huge})).startswith(f"{name}: it is larger than ")


def npy(shape: str, kind: str = "<f4") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n"


@pytest.mark.parametrize(
    "shape",
    [
        "(1000000000000, 12)",
        "(100000000, 12)",
        "(-1, 12)",
        "(0, 12)",
        "(12,)",
        "(1.5, 12)",
        "()",
        "(9" + "9" * 500 + ",)",
    ],
)
def test_a_header_that_promises_what_does_not_follow_is_refused(
    registry: Path, write: Write, files: Files, shape: str
) -> None:
    reason = refusal(registry, write({**files, WEIGHTS: npy(shape)}))
    assert reason.startswith(("encoder: ", "its files are not consistent: "))


def changed(pattern: str, by: str, count: int = 1) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, by, text, count=count)


TREES = {
    "a child that is nowhere": changed(r"left_child=(\S+)", "left_child=999999"),
    "a leaf that is nowhere": changed(r"right_child=(\S+)", "right_child=-99999999"),
    "a walk in a circle": changed(r"left_child=(\S+)", "left_child=0"),
    "circles everywhere": changed(r"(left|right)_child=(\S+)", r"\1_child=0", 0),
    "a leaf twice": changed(r"right_child=(\S+) (\S+)", r"right_child=\1 -1"),
    "a number that is nowhere": changed(r"split_feature=(\S+)", "split_feature=99999999"),
    "a number below the first": changed(r"split_feature=(\S+)", "split_feature=-5"),
    "billions of leaves": changed(r"num_leaves=\d+", "num_leaves=2000000000"),
    "no leaf": changed(r"num_leaves=\d+", "num_leaves=0"),
    "less than no leaf": changed(r"num_leaves=\d+", "num_leaves=-1"),
    "billions of classes": changed(r"num_class=\d+", "num_class=2000000000"),
    "billions of trees a step": changed(r"num_tree_per_iteration=\d+", "num_tree_per_iteration=2000000000"),
    "no tree a step": changed(r"num_tree_per_iteration=\d+", "num_tree_per_iteration=0"),
    "a tree that is longer than the text": changed(r"tree_sizes=\d+", "tree_sizes=99999999"),
    "a tree of less than nothing": changed(r"tree_sizes=\d+", "tree_sizes=-10"),
    "splits by category": changed(r"decision_type=\d+", "decision_type=1"),
    "categories": changed(r"num_cat=\d+", "num_cat=1"),
    "linear leaves": changed(r"is_linear=0", "is_linear=1"),
    "no number": changed(r"leaf_value=\S+", "leaf_value=nan"),
    "more than any number": changed(r"leaf_value=\S+", "leaf_value=1e999"),
    "a number missing": changed(r"leaf_value=\S+ ", "leaf_value="),
    "a line missing": changed(r"threshold=.*\n", ""),
    "a line twice": changed(r"(threshold=.*\n)", r"\1\1"),
    "another version": changed(r"version=v4", "version=v9"),
    "another objective": changed(r"objective=.*", "objective=regression"),
    "no end": changed(r"end of trees", "more trees"),
    "a NUL": changed(r"shrinkage", "shrink\0age"),
}


@pytest.mark.parametrize("damage", TREES.values(), ids=TREES)
def test_trees_that_would_end_or_hang_the_process_never_reach_it(
    registry: Path, write: Write, files: Files, damage: Callable[[str], str]
) -> None:
    text = files[MODEL].decode()
    assert damage(text) != text
    refusal(registry, write({**files, MODEL: damage(text).encode()}))


@pytest.mark.parametrize("twentieth", range(20))
def test_trees_that_are_cut_anywhere_never_reach_it(registry: Path, write: Write, files: Files, twentieth: int) -> None:
    end = files[MODEL].index(b"end of trees")
    refusal(registry, write({**files, MODEL: files[MODEL][: end * twentieth // 20]}))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_is_changed_in_the_trees_is_refused_or_harmless(files: Files, data: st.DataObject) -> None:
    text = files[MODEL].decode()
    start = data.draw(st.integers(0, text.index("end of trees")))
    length = data.draw(st.integers(0, 40))
    changed = text[:start] + data.draw(st.text(max_size=20)) + text[start + length :]
    classes = len(json.loads(files[CLASSES]))
    with contextlib.suppress(TreesError):
        taken = checked_trees(changed, classes=classes, numbers=len(NUMBERS))
        FastTrees(taken, classes=classes, numbers=len(NUMBERS)).corrections([0.0] * len(NUMBERS))


@pytest.mark.anyio
async def test_while_a_damaged_run_is_refused_what_is_served_goes_on(
    registry: Path, write: Write, files: Files
) -> None:
    runs = Runs(RegistryReader(str(registry)), changed=lambda _: None)
    wanted = write(files)
    runs.set_wanted([wanted])
    await runs.load()
    before = runs.loaded()[RUN].predictor
    stored, quality = Report.parse(files[REPORT]), before.quality
    errors = (stored.val_calibration_error, stored.val_calibration_error_uncalibrated)
    assert (quality.calibration_error, quality.uncalibrated_error) == errors
    (registry / RUNS_DIRECTORY / RUN / MODEL).write_bytes(b"cut")
    await runs.reload()
    assert runs.loaded()[RUN].predictor is before
    report = runs.reports()[0]
    assert runs.refused() == {RUN: True}
    assert (report.state.value, report.reason) == (
        "loaded",
        f"{MODEL}: it has 3 bytes, the manifest says {len(files[MODEL])}",
    )
    write(files)
    await runs.reload()
    assert runs.reports()[0].reason == ""
    assert runs.refused() == {RUN: False}
