"""Versions of formats: what a reader does with a newer one, and that a writer writes the lowest that is enough."""

import json

import pytest
from models.starting import has_percent, new_world

from serin_core.api import packing
from serin_core.api.format_versions import Format, NewerVersionError
from serin_core.api.status import Status
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.contract.documents import DocumentError, ModelDocument, NewerDocumentError, RoutingDocument
from serin_core.model.manifest import Manifest, RunError
from serin_core.rollout import recording
from serin_core.rollout.recording import NewerRecordError, RecordError

COLOURED: Format[dict[str, object]] = Format(
    "the paint", needs=(lambda paint: "colour" in paint, lambda paint: "gloss" in paint)
)
ROUTING = {"uid": "u", "revision": 7, "stage": 7, "salt": "x"}
SENTENCE = (
    "the routing document has format version 2, which a newer version of Serin wrote; this one reads version 1 and "
    "changes nothing: run that version here, too"
)


def test_a_writer_writes_the_lowest_version_that_holds_what_it_says():
    found = [COLOURED.lowest(one) for one in ({}, {"colour": 1}, {"gloss": 1}, {"colour": 1, "gloss": 1})]
    assert found == [1, 2, 3, 3]
    assert COLOURED.highest == 3


def test_a_reader_names_the_version_it_meets_and_those_it_reads():
    assert [COLOURED.check(version) for version in (1, 2, 3)] == [1, 2, 3]
    with pytest.raises(NewerVersionError) as caught:
        COLOURED.check(4)
    assert "the paint has format version 4" in str(caught.value)
    assert "reads versions 1 to 3 and changes nothing" in str(caught.value)


@pytest.mark.parametrize("version", [0, -1, True, None, "2", 2.0, [2]])
def test_a_version_that_is_none_is_not_taken_for_a_newer_one(version):
    with pytest.raises(ValueError, match="not a whole number above 0") as caught:
        COLOURED.check(version)
    assert not isinstance(caught.value, NewerVersionError)
    with pytest.raises(DocumentError, match=r"^version: The format version is not a whole number above 0") as of_text:
        RoutingDocument.parse(json.dumps(ROUTING | {"version": version}))
    assert not isinstance(of_text.value, NewerDocumentError)


def test_documents_of_version_1_do_not_name_it_so_that_every_server_reads_them():
    world = new_world()
    world.settle(until=has_percent(10))
    texts = {key: one["data"][key] for one in world.children.values() for key in one.get("data", {})}
    for key in (names.ROUTING_KEY, names.MODEL_KEY):
        assert "version" not in json.loads(texts[key])
    assert packing.VERSION not in packing.expanded(condensed(world.status))


@pytest.mark.parametrize("more", [{}, {"colour": "red"}, {"salt": {"new": 1}, "revision": "r7"}])
def test_a_newer_document_is_refused_as_a_whole_whatever_else_it_holds(more):
    with pytest.raises(NewerDocumentError) as caught:
        RoutingDocument.parse(json.dumps(ROUTING | {"version": 2} | more))
    assert str(caught.value) == SENTENCE


def test_a_field_that_is_not_known_in_a_document_of_this_version_is_damage():
    with pytest.raises(DocumentError, match=r"^colour: Extra inputs") as caught:
        RoutingDocument.parse(json.dumps(ROUTING | {"colour": "red"}))
    assert not isinstance(caught.value, NewerDocumentError)


def test_a_document_that_names_version_1_is_the_same():
    named = RoutingDocument.parse(json.dumps(ROUTING | {"version": 1}))
    assert named.hash() == RoutingDocument.parse(json.dumps(ROUTING)).hash()


def test_a_document_keeps_its_version_when_it_is_written_again():
    newer = RoutingDocument.parse(json.dumps(ROUTING)).model_copy(update={"version": 2})
    assert json.loads(newer.text())["version"] == 2
    assert newer.hash() != newer.versioned().hash()


def test_a_newer_model_document_is_refused():
    with pytest.raises(NewerDocumentError, match=r"^the model document has format version 9, .* reads version 1"):
        ModelDocument.parse('{"version": 9, "uid": "u"}')


def test_a_newer_state_is_refused_and_an_older_one_is_read():
    state = condensed(Status())[packing.STATE]
    assert Status.model_validate({packing.STATE: state}) == Status()
    with pytest.raises(NewerVersionError, match=r"^status\.operatorState has format version 2, "):
        packing.expanded({packing.STATE: packing.packed({packing.VERSION: 2, "stable": "unknown"})})


def test_a_newer_record_is_told_from_a_damaged_one():
    with pytest.raises(NewerRecordError, match=r"^the record has format version 2, "):
        recording.read('{"version": 2, "trial": "one"}')
    with pytest.raises(RecordError) as caught:
        recording.read('{"version": 1, "trial": "one"}')
    assert not isinstance(caught.value, NewerRecordError)


def test_a_newer_manifest_is_refused():
    text = Manifest.of("run_aaaaaaaa_1", {}).text().replace(b'"schema_version": 1', b'"schema_version": 2')
    with pytest.raises(RunError, match=r"^manifest\.json: the manifest has format version 2, .* reads version 1 "):
        Manifest.parse(text)
