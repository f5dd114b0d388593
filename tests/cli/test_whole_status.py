"""The CLI reads the whole status, not the short view that `kubectl describe` prints."""

from types import SimpleNamespace

import pytest

from serin_cli.kubernetes_client import Cluster
from serin_cli.request_errors import ClusterError
from serin_core.api.gate_status import GateStatus
from serin_core.api.packing import STATE, packed
from serin_core.api.status import Status
from serin_core.api.status_view import condensed

GATE = GateStatus(name="agreement", at_least=0.7, good=50, total=51, estimate=50 / 51, reason="Proven")


def read(status):
    api = SimpleNamespace(
        get_namespaced_custom_object=lambda *_path, **_options: {"status": status},
        api_client=SimpleNamespace(configuration=SimpleNamespace(host="https://10.0.0.1:6443")),
    )
    return Cluster(api, "default").get("categories")["status"]


def test_gates_are_read_with_their_numbers():
    view = condensed(Status(gates=(GATE,)))
    assert view["gates"] == ["agreement: Inconclusive, 98.0 % of 51"]
    assert [GateStatus.model_validate(gate) for gate in read(view)["gates"]] == [GATE]


def test_of_a_status_that_cannot_be_read_the_conditions_are_left():
    view = condensed(Status(gates=(GATE,))) | {STATE: "nonsense"}
    assert set(read(view)) == {"phase", "observedGeneration", "conditions"}


def test_a_status_of_a_newer_version_is_an_error_since_half_of_it_would_mislead():
    view = condensed(Status(gates=(GATE,))) | {STATE: packed({"version": 2, "gates": {}})}
    with pytest.raises(ClusterError, match=r"^status\.operatorState has format version 2, .* that version here, too$"):
        read(view)
