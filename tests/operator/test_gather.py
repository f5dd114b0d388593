"""Parsing of the resource."""

import pytest

from serin_core.api.packing import packed
from serin_core.api.status import Status
from serin_operator.invalid import InvalidObjectError
from serin_operator.parsing import parse


def test_an_invalid_spec_names_the_field():
    live = {
        "metadata": {"namespace": "n", "name": "x", "uid": "u", "generation": 1, "resourceVersion": "1"},
        "spec": {"runID": "nonsense", "server": {"token": {"secretName": "t"}}},
    }
    with pytest.raises(InvalidObjectError, match=r"^spec\.runID"):
        parse(live)


def _live(status):
    return {
        "metadata": {"namespace": "n", "name": "x", "uid": "u", "generation": 1, "resourceVersion": "1"},
        "spec": {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}},
        "status": status,
    }


_CANDIDATE = {"runID": "run_aaaaaaaa_1", "state": "Running", "attemptStartedAt": "2026-01-01T00:00:00Z"}


def test_fields_of_a_newer_version_in_a_status_are_ignored():
    newer = {"candidate": _CANDIDATE | {"colour": "red"}, "weather": {"rain": True}, "propagation": {"revision": 7}}
    found = parse(_live({"operatorState": packed(newer)})).status
    assert found == Status.model_validate({"candidate": _CANDIDATE, "propagation": {"revision": 7}})


def test_a_value_of_a_newer_version_in_a_status_is_reported_and_nothing_is_decided():
    newer = {"candidate": _CANDIDATE | {"state": "Warming"}}
    with pytest.raises(
        InvalidObjectError, match=r"^status\.candidate\.state: .* Another version of the operator"
    ) as caught:
        parse(_live({"operatorState": packed(newer)}))
    assert caught.value.reason == "InvalidStatus"


def test_a_status_of_a_newer_version_is_named_as_such():
    newer = {"version": 2, "candidate": _CANDIDATE | {"state": "Warming"}}
    with pytest.raises(InvalidObjectError) as caught:
        parse(_live({"operatorState": packed(newer), "conditions": []}))
    assert str(caught.value) == (
        "status.operatorState has format version 2, which a newer version of Serin wrote; this one reads version 1 and "
        "changes nothing: run that version here, too. The pods go on serving what they serve."
    )
    assert caught.value.reason == "InvalidStatus"
