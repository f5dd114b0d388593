import itertools
import os
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from counting.exporter import PLACES, TICKING, TWIN, Exporter
from counting.prometheus_process import PrometheusProcess, VictoriaMetricsProcess

from serin_localcluster.build import build
from serin_localcluster.prometheus import find

PROCESSES = {"prometheus": PrometheusProcess, "victoria-metrics": VictoriaMetricsProcess}
BACKEND = os.environ.get("SERIN_TEST_BACKEND", "prometheus")
"""What counts here; `make test-backends` runs these tests with other ones."""


@pytest.fixture(scope="package")
def program():
    """A Prometheus 3: the one on the PATH, or the local cluster's, which is built once; or another backend."""
    return find() if BACKEND == "prometheus" else build([BACKEND])[BACKEND][0]


@pytest.fixture(scope="package")
def exporter() -> Iterator[Exporter]:
    made = Exporter()
    yield made
    made.close()


@pytest.fixture(scope="package")
def prometheus(program, exporter, tmp_path_factory) -> Iterator[PrometheusProcess]:
    """It scrapes every place of the exporter; the twin twice, as two Prometheus replicas behind one Thanos do."""
    targets = [(exporter.address, {"pod": place, "__metrics_path__": f"/{place}"}) for place in (*PLACES, TICKING)]
    targets += [(exporter.address, {"prometheus": name, "__metrics_path__": f"/{TWIN}"}) for name in ("a", "b")]
    made = PROCESSES[BACKEND](program, tmp_path_factory.mktemp("prometheus") / "first", targets=targets)
    exporter.scraper = made
    yield made
    made.close()


@pytest.fixture(scope="package")
def second(program, tmp_path_factory) -> Iterator[PrometheusProcess]:
    """Another replica, which is told what it knows."""
    made = PROCESSES[BACKEND](program, tmp_path_factory.mktemp("prometheus") / "second")
    yield made
    made.close()


_NUMBERS = itertools.count()


@pytest.fixture
def uid() -> str:
    """A resource of this test's own, so that tests share a Prometheus and no series."""
    return f"uid-{next(_NUMBERS)}"


@pytest.fixture
def pods(exporter) -> Iterator[dict]:
    """The targets of the exporter; all are gone after the test."""
    yield exporter.targets
    exporter.targets.clear()


@pytest.fixture
def in_turn(prometheus, second):
    """One address behind which two replicas answer in turn."""
    behind = itertools.cycle((prometheus.url, second.url))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type") or "application/x-www-form-urlencoded"
            asked = urllib.request.Request(next(behind) + self.path, body, {"Content-Type": kind})  # noqa: S310
            with urllib.request.urlopen(asked) as answer:  # noqa: S310
                found = answer.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
