"""Runs: names, manifests, digests."""

import pytest

from serin_core.model import manifest as run_format
from serin_core.model.manifest import FileEntry, Manifest, RunError

RUN = "run_0123abcd_1760000000"
FILES = {"model.txt": b"tree", "classes.json": b'["A", "B"]'}


def test_a_run_is_named_after_its_id_and_time():
    assert run_format.run_name("run_0123abcd", unix_time=1760000000) == RUN
    assert run_format.parse_run_name(RUN) == ("run_0123abcd", 1760000000)


@pytest.mark.parametrize("name", ["latest", "run_0123ABCD_1", "run_0123abcd", "../run_0123abcd_1", f"{RUN}\n"])
def test_anything_else_is_no_name(name):
    assert not run_format.is_run_name(name)
    with pytest.raises(RunError, match="not the name of a run"):
        run_format.parse_run_name(name)


def test_a_manifest_is_written_and_read_alike_and_its_hash_is_the_digest():
    manifest = Manifest.of(RUN, FILES)
    assert Manifest.parse(manifest.text()) == manifest
    assert run_format.digest(manifest.text()) == f"sha256:{run_format.sha256(manifest.text())}"
    assert Manifest.of(RUN, dict(reversed(FILES.items()))).text() == manifest.text()


def test_files_that_match_the_manifest_are_verified_also_some_of_them():
    manifest = Manifest.of(RUN, FILES)
    run_format.verify(manifest, run=RUN, files=FILES)
    run_format.verify(manifest, run=RUN, files={"model.txt": b"tree"})


@pytest.mark.parametrize(
    ("run", "files", "message"),
    [
        ("run_ffffffff_1", FILES, "the manifest of run_0123abcd_1760000000, not of run_ffffffff_1"),
        (RUN, FILES | {"model.txt": b"evil"}, "model.txt: its sha256"),
        (RUN, FILES | {"model.txt": b"longer"}, "model.txt: it has 6 bytes, the manifest says 4"),
        (RUN, FILES | {"more.txt": b""}, "more.txt: the manifest does not name it"),
    ],
)
def test_anything_else_is_refused(run, files, message):
    with pytest.raises(RunError, match=message):
        run_format.verify(Manifest.of(RUN, FILES), run=run, files=files)


def test_a_file_that_is_missing_is_a_difference():
    manifest = Manifest.of(RUN, FILES)
    assert run_format.differences(manifest, {"model.txt": FileEntry.of(b"tree")}) == ["classes.json: it is missing"]


@pytest.mark.parametrize("text", [b"", b"{}", b'{"run": "latest", "files": {}}', b'{"files": {"../x": {}}}'])
def test_an_invalid_manifest_is_an_error_in_one_line(text):
    with pytest.raises(RunError, match=r"^manifest\.json: .+$"):
        Manifest.parse(text)


def test_a_class_that_is_listed_twice_is_an_error():
    with pytest.raises(RunError, match="twice"):
        run_format.parse_classes(b'["A", "A"]')
