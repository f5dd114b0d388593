"""Parsing of the resource."""

import pytest

from serin_operator.gather import parse
from serin_operator.invalid import InvalidObjectError


def test_an_invalid_spec_names_the_field():
    live = {
        "metadata": {"namespace": "n", "name": "x", "uid": "u", "generation": 1, "resourceVersion": "1"},
        "spec": {"runID": "nonsense", "server": {"token": {"secretName": "t"}}},
    }
    with pytest.raises(InvalidObjectError, match=r"^spec\.runID"):
        parse(live)
