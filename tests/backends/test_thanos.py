"""A real Thanos over real Prometheus replicas: every event is counted once, and a store that is down is no surprise."""

import time
from dataclasses import dataclass

import pytest
from backends.conftest import built
from counting.exporter import PLACES
from counting.looking import Rollout, own_counts
from counting.processes import Server, truth
from counting.prometheus_process import PrometheusProcess

from serin_core.counting.reading import Unreadable
from serin_core.evidence.counts import Counts
from serin_localcluster.controlplane import free_port

pytestmark = pytest.mark.backends
REPLICA = "prometheus_replica"
BOTH_WAYS = pytest.mark.parametrize("merges", [True, False], ids=["Thanos merges replicas", "the operator does"])


@dataclass
class Thanos:
    """Two queriers in front of the same stores: one merges replicas, the other shows both."""

    merging: str
    plain: str
    unrelated: object


@pytest.fixture(scope="package")
def thanos(program, exporter, processes, tmp_path_factory):
    """Two replicas that scrape the same pods, and a Prometheus that has nothing to do with them."""
    binary, folder = built("thanos"), tmp_path_factory.mktemp("thanos")
    targets = [(exporter.address, {"pod": place, "__metrics_path__": f"/{place}"}) for place in PLACES[:2]]
    stores, servers = {}, []
    for name, scraped, labels in (
        ("a", targets, {"cluster": "eu", REPLICA: "a"}),
        ("b", targets, {"cluster": "eu", REPLICA: "b"}),
        ("unrelated", [], {"cluster": "us", REPLICA: "a"}),
    ):
        server = PrometheusProcess(program, folder / name, targets=scraped, external_labels=labels)
        servers.append(server)
        grpc = free_port()
        listen = (f"--grpc-address=127.0.0.1:{grpc}", f"--http-address=127.0.0.1:{free_port()}")
        data = f"--tsdb.path={folder / name / 'data'}"
        process = processes.start(f"sidecar-{name}", binary, "sidecar", f"--prometheus.url={server.url}", data, *listen)
        stores[name] = (grpc, process)
    for grpc, _ in stores.values():
        processes.wait_for_port(grpc)
    endpoints = [f"--endpoint=127.0.0.1:{grpc}" for grpc, _ in stores.values()]
    urls = []
    for name, flags in (("merging", [f"--query.replica-label={REPLICA}"]), ("plain", [])):
        port = free_port()
        listen = (f"--http-address=127.0.0.1:{port}", f"--grpc-address=127.0.0.1:{free_port()}")
        processes.start(f"query-{name}", binary, "query", *listen, *endpoints, *flags)
        processes.wait_for_port(port)
        urls.append(f"http://127.0.0.1:{port}")
    yield Thanos(*urls, stores["unrelated"][1])
    for server in servers:
        server.close()


def orders(good, total):
    return f'orders_total{{code="200"}} {good}\norders_total{{code="500"}} {total - good}\n'.encode


def look_until(rollout, holds, *, seconds=60):
    """Look until a reading is as expected, or return the last one: stores are found only after a while."""
    deadline = time.monotonic() + seconds
    while True:
        reading = rollout.look()
        if holds(reading) or time.monotonic() > deadline:
            return reading
        time.sleep(0.5)


@pytest.fixture
def rollout(thanos, uid, exporter, pods):
    gate = {"name": "orders", "good": 'orders_total{code="200"}', "total": "orders_total", "atLeast": 0.5}
    made = Rollout(thanos.merging, uid, gates={"custom": [gate]})
    made.server = Server(uid, "one")
    made.server.answer(50)
    pods[PLACES[0]], pods[PLACES[1]] = made.server.text, orders(0, 0)
    exporter.scraped(*PLACES[:2], times=4)
    pods[PLACES[1]] = orders(30, 40)
    exporter.scraped(*PLACES[:2], times=4)
    return made


def is_exact(rollout):
    def holds(reading):
        wanted = rollout.wanted(truth([rollout.server], canary=True))
        return rollout.counts(reading) == wanted and own_counts(reading, "orders") == Counts(30.0, 40.0)

    return holds


@BOTH_WAYS
def test_every_event_is_counted_once_through_two_replicas(rollout, thanos, merges):
    rollout.url = thanos.merging if merges else thanos.plain
    rollout.replica_labels = () if merges else (REPLICA,)
    reading = look_until(rollout, is_exact(rollout))
    assert rollout.counts(reading) == rollout.wanted(truth([rollout.server], canary=True))
    assert own_counts(reading, "orders") == Counts(30.0, 40.0)


def test_a_store_that_is_down_holds_the_rollout_unless_the_operator_is_told_to_go_on(rollout, thanos):
    assert is_exact(rollout)(look_until(rollout, is_exact(rollout)))
    thanos.unrelated.kill()
    thanos.unrelated.wait()
    refused = look_until(rollout, lambda reading: isinstance(reading, Unreadable))
    assert isinstance(refused, Unreadable)
    assert refused.reason in ("QueryError", "Unreachable")
    assert "127.0.0.1" in refused.message
    rollout.partial_response = "Warn"
    reading = look_until(rollout, is_exact(rollout))
    assert rollout.counts(reading) == rollout.wanted(truth([rollout.server], canary=True))
    assert own_counts(reading, "orders") == Counts(30.0, 40.0)
