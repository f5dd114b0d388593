"""What holds for every reader of a run: the server's loader, and training's opening and verifying."""

import json
import os
import subprocess
import sys

import pytest
from registry.conftest import RUN

import serin_registry
from serin_core.contract.documents import LoadedRun
from serin_core.model.manifest import (
    CALIBRATION,
    ENCODER,
    MANIFEST,
    MODEL,
    PIPELINE,
    REPORT,
    RUNS_DIRECTORY,
    Manifest,
    RunError,
)
from serin_registry.errors import (
    GateRefusedError,
    NotInRegistryError,
    RegistryError,
    RegistryUnavailableError,
    RunRefusedError,
)
from serin_registry.limits import MAX_MANIFEST_BYTES
from serin_registry.reader import open_reader
from serin_registry.verification import verify_run
from serin_server.runs.loader import RegistryReader
from serin_training.run_pipeline import open_run

READERS = {
    "server": lambda registry: RegistryReader(str(registry))(LoadedRun(run=RUN)),
    "open_run": lambda registry: open_run(open_reader(str(registry)), RUN),
    "verify_run": lambda registry: verify_run(open_reader(str(registry)), RUN),
}


@pytest.fixture(params=READERS.values(), ids=READERS)
def read(request):
    return request.param


@pytest.fixture
def folder(registry, write, files):
    write(files)
    return registry / RUNS_DIRECTORY / RUN


@pytest.mark.usefixtures("folder")
def test_a_whole_run_is_read(read, registry):
    read(registry)


@pytest.mark.parametrize("file", [MANIFEST, REPORT, MODEL])
@pytest.mark.parametrize("kind", ["pipe", "device", "endless file"])
def test_what_is_not_a_regular_file_of_bounded_size_is_refused_and_never_waited_for(read, registry, folder, file, kind):
    path = folder / file
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            with path.open("wb") as made:
                made.truncate(1 << 40)
    with pytest.raises(RunRefusedError, match=rf"{file}: it (is not a regular file|has {1 << 40} bytes)"):
        read(registry)


@pytest.mark.parametrize("file", [REPORT, MODEL])
@pytest.mark.parametrize(
    "change_and_reason",
    [
        (lambda content: content[:-1] + b"\xff", "its sha256 is not the one in the manifest"),
        (lambda content: content + b" ", r"it has \d+ bytes, the manifest says \d+"),
        (lambda content: content[:-1], r"it has \d+ bytes, the manifest says \d+"),
    ],
    ids=["changed", "longer", "shorter"],
)
def test_a_file_is_hashed_before_it_is_opened(read, registry, folder, file, change_and_reason):
    change, reason = change_and_reason
    (folder / file).write_bytes(change((folder / file).read_bytes()))
    with pytest.raises(RunRefusedError, match=f"{file}: {reason}"):
        read(registry)


def test_a_manifest_of_another_run_is_refused(read, registry, folder, files):
    (folder / MANIFEST).write_bytes(Manifest.of("run_4567cdef_1767225600", files).text())
    with pytest.raises(RunRefusedError, match="it is the manifest of run_4567cdef_1767225600"):
        read(registry)


def test_a_manifest_that_is_too_large_is_not_parsed(read, registry, folder):
    (folder / MANIFEST).write_bytes(b" " * (MAX_MANIFEST_BYTES + 1))
    with pytest.raises(RunRefusedError, match=f"{MANIFEST}: it has {MAX_MANIFEST_BYTES + 1} bytes"):
        read(registry)


@pytest.mark.parametrize("file", [MANIFEST, MODEL])
def test_a_missing_file_is_named(read, registry, folder, file):
    (folder / file).unlink()
    with pytest.raises(NotInRegistryError, match=f"{file}: there is no such file"):
        read(registry)


def test_a_missing_run_is_named_and_a_missing_registry_is_unavailable(read, registry):
    with pytest.raises(RegistryUnavailableError, match="does not exist"):
        read(registry)
    (registry / RUNS_DIRECTORY).mkdir(parents=True)
    with pytest.raises(NotInRegistryError, match=f"{RUN} is not in the registry"):
        read(registry)


def test_a_volume_that_fails_is_unavailable(read, registry, folder):
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(folder)
    with pytest.raises(RegistryUnavailableError, match="Too many levels of symbolic links"):
        read(registry)


NAMES = ["../secret", "..", "run_0123abcd_1767225600/../secret", "run_0123abcd_1767225600\n", "/etc", "a\0b", ".", ""]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leaves_the_registry(name, registry, write, files, tmp_path):
    write(files)
    for secret in (registry / "secret", registry / RUNS_DIRECTORY / "secret"):
        secret.mkdir(parents=True)
        (secret / MANIFEST).write_bytes((registry / RUNS_DIRECTORY / RUN / MANIFEST).read_bytes())
    with pytest.raises(RegistryError):
        RegistryReader(str(registry))(LoadedRun(run=name))
    reader = open_reader(str(registry))
    for read in (lambda: reader.read(name, MANIFEST), lambda: reader.point_latest(name)):
        with pytest.raises(RegistryError):
            read()
    entry = {"sha256": "a" * 64, "size": 1}
    manifest = json.dumps({"schema_version": 1, "run": RUN, "files": {name: entry}}).encode()
    with pytest.raises(RunError):
        Manifest.parse(manifest)
    link = registry / RUNS_DIRECTORY / "latest"
    if name and "\0" not in name:
        link.symlink_to(name)
        with pytest.raises(RegistryError):
            reader.latest()


def test_no_pickle_is_opened(read, registry, write, files):
    write({**files, PIPELINE: b"cos\nsystem\n(S'false'\ntR."})
    read(registry)


@pytest.mark.parametrize("name", ["server", "open_run"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param((b"left_child=", b"left_child=0 "), id="a split more than leaves"),
        pytest.param((b"tree_sizes=", b"tree_sizes=99999999999999999999 "), id="a size that nobody has"),
        pytest.param((b"end of trees", b""), id="no end"),
    ],
)
def test_trees_that_lightgbm_would_trust_are_refused_before_it_reads_them(name, change, registry, write, files):
    write({**files, MODEL: files[MODEL].replace(*change, 1)})
    with pytest.raises(RunRefusedError, match="tree"):
        READERS[name](registry)


@pytest.mark.parametrize("file", [ENCODER, CALIBRATION])
@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b"9" * 10_000, b'{"a": {"raw": [1' + b"0" * 400 + b'], "right": [1]}}']
)
def test_json_that_ends_a_parser_is_refused(file, text, registry, write, files):
    write({**files, file: text})
    for name in ("server", "open_run"):
        with pytest.raises(RunRefusedError):
            READERS[name](registry)


def test_a_directory_is_read_without_the_client_of_object_stores(registry, folder):
    program = """
import sys
from serin_registry.reader import open_reader
assert open_reader(sys.argv[1]).runs() == [sys.argv[2]]
assert not {"obstore", "cryptography", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(registry), folder.name], check=True, timeout=60)


class TestSwapTo:
    def test_latest_names_the_run_and_what_it_named_before_is_returned(self, registry, folder):
        swap = serin_registry.swap_to("run_0123abcd", registry=str(registry))
        assert (swap.before, swap.after) == (None, RUN)
        assert (registry / RUNS_DIRECTORY / "latest").readlink().name == RUN
        assert serin_registry.swap_to("latest", registry=open_reader(str(registry))).before == RUN

    def test_a_damaged_run_is_never_named(self, registry, folder):
        (folder / MODEL).write_bytes(b"")
        with pytest.raises(RunRefusedError, match=MODEL):
            serin_registry.swap_to(RUN, registry=str(registry), force=True)
        assert open_reader(str(registry)).latest() is None

    def test_a_run_that_its_gate_refused_needs_force(self, registry, write, files):
        write(
            {
                **files,
                REPORT: files[REPORT].replace(b'"passed_acceptance_gate": true', b'"passed_acceptance_gate": false'),
            }
        )
        with pytest.raises(GateRefusedError):
            serin_registry.swap_to(RUN, registry=str(registry))
        assert serin_registry.swap_to(RUN, registry=str(registry), force=True).after == RUN

    @pytest.mark.usefixtures("folder")
    def test_a_run_that_is_not_there_is_never_named(self, registry):
        for name in ("run_99999999", "run_99999999_9", "../x", ""):
            with pytest.raises((NotInRegistryError, RunRefusedError)):
                serin_registry.swap_to(name, registry=str(registry))
