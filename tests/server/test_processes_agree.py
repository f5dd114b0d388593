"""Two real processes of one pod: what the operator tells one of them holds for both, by the clock of the machine."""

import time

import httpx
from server.fakes import UID, Mounted, routing
from server.test_process import PATIENCE, Process, pod_environment, started, started_as_pod

from serin_core.contract import names
from serin_server.routing.supervision import Record, SharedRecord, boot_id

HOUR = 3600.0


def wait(*pods: Process, unsupervised: bool) -> None:
    until = time.monotonic() + PATIENCE
    while {pod.get("/ml/status").json()["unsupervised"] for pod in pods} != {unsupervised}:
        assert time.monotonic() < until, [pod.get("/ml/status").json() for pod in pods]
        time.sleep(0.05)


def test_a_request_of_the_operator_to_one_process_counts_for_the_other(mounted: Mounted) -> None:
    state = mounted.root / "state"
    shared = SharedRecord(state, boot_id())
    shared.write(Record(heard=time.perf_counter() - HOUR - 60))
    with (
        started_as_pod(mounted) as one,
        started("-m", "serin_server.main", environment=pod_environment(mounted)) as two,
    ):
        mounted.route(routing(2, percent=50, supervision=HOUR))
        wait(one, two, unsupervised=True)
        asked = httpx.get(f"{one.url}/ml/status", headers={names.SUPERVISION_HEADER: UID}, timeout=5).json()
        assert 60 <= asked["supervision"]["lapsedSeconds"] < 60 + 10 * PATIENCE
        wait(one, two, unsupervised=False)
        kept = shared.read(time.perf_counter())
        assert kept is not None
        assert time.perf_counter() - kept.heard < 2 * PATIENCE
        assert kept.lapsed == asked["supervision"]["lapsedSeconds"]
