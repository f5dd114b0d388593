from pathlib import Path

import pytest
from server.fakes import CANDIDATE, UID, Mounted, routing

from serin_core.contract.documents import DocumentError
from serin_server.routing.mounted_files import PodFiles, SeenRevision, announced_revision, read_model


@pytest.mark.parametrize(
    ("lines", "revision"),
    [
        pytest.param('serin.dev/revision="12"\n', 12, id="alone"),
        pytest.param('a="x=\\"y\\""\nserin.dev/revision="3"\nz="\\u00e9"', 3, id="among others"),
        pytest.param("", None, id="no annotation at all"),
        pytest.param('other="1"', None, id="not announced yet"),
        pytest.param('serin.dev/revision=""', None, id="empty"),
        pytest.param('serin.dev/revision="twelve"', None, id="no number"),
        pytest.param('serin.dev/revision="-1"', None, id="negative"),
        pytest.param('serin.dev/revision="1', None, id="half written"),
        pytest.param('serin.dev/revision="10000000000000000000"', None, id="above the maximum"),
    ],
)
def test_the_announced_revision_is_found_in_the_downward_api(lines: str, revision: int | None) -> None:
    assert announced_revision(lines) == revision


def test_both_files_are_read_through_the_swapped_directory(mounted: Mounted) -> None:
    files = PodFiles(mounted.root / "routing", mounted.root / "pod")
    assert files.routing() is None
    assert files.announced() is None
    for revision in (1, 2):
        mounted.route(routing(revision))
        assert files.routing() == routing(revision).text().encode()
        assert files.announced() == revision


def test_the_highest_revision_survives_a_restart(tmp_path: Path) -> None:
    seen = SeenRevision(tmp_path / "state")
    assert seen.read() == -1
    seen.write(7)
    seen.write(8)
    assert SeenRevision(tmp_path / "state").read() == 8


def test_the_model_document_is_read_and_its_problems_name_the_file(mounted: Mounted) -> None:
    with pytest.raises(DocumentError, match=r"model\.json: No such file or directory$"):
        read_model(mounted.root / "model")
    mounted.write("model", {"model.json": '{"uid": "u"}'})
    with pytest.raises(DocumentError, match=r"model\.json: registry: Field required$"):
        read_model(mounted.root / "model")
    mounted.write("model", {"model.json": '{"version": 2, "uid": "u", "registries": []}'})
    with pytest.raises(DocumentError, match=r"model\.json: the model document has format version 2, which a newer"):
        read_model(mounted.root / "model")
    mounted.model(CANDIDATE)
    model = read_model(mounted.root / "model")
    assert (model.uid, [run.run for run in model.runs]) == (UID, [CANDIDATE])
