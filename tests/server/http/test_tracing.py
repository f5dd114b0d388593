"""Spans tell which endpoint was asked and how it was answered; without a collector there are none, at no cost."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from server.fakes import TOKEN, FakeClock, FakeRegistry, Mounted
from server.test_process import started_as_pod

from serin_server.http.app import create_app
from serin_server.http.tracing import trace
from serin_server.service import build_service

pytestmark = pytest.mark.anyio


async def test_a_span_tells_the_endpoint_and_the_answer_and_nothing_that_was_asked(mounted: Mounted) -> None:
    mounted.model()
    service = build_service(mounted.settings(), clock=FakeClock(), read=FakeRegistry())
    kept = InMemorySpanExporter()
    app = trace(create_app(service), service.identity, processor=SimpleSpanProcessor(kept))
    transport = httpx.ASGITransport(app)
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    bought = {"transactions": [{"txn_id": "txn-4711", "user_id": "user-0815", "merchant": "ZUKAYZAL"}]}
    async with service.running(), httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        answer = await client.post("/agent/suggestions", json=bought, headers=headers)
        event_id = answer.json()["items"][0]["event_id"]
        await client.post(f"/agent/suggestions/{event_id}/feedback", json={"label": "x"}, headers=headers)
        await client.get("/ZUKAYZAL")
    spans = kept.get_finished_spans()
    assert [(span.name, (span.attributes or {})["http.response.status_code"]) for span in spans] == [
        ("POST /agent/suggestions", 200),
        ("POST /agent/suggestions/{event_id}/feedback", 200),
        ("GET other", 404),
    ]
    assert spans[0].parent is not None
    assert f"{spans[0].parent.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert spans[0].resource.attributes["serin.model"] == "shop/categories"
    told = " ".join(span.to_json() for span in spans)
    assert [secret for secret in ("ZUKAYZAL", "txn-4711", "user-0815", event_id, TOKEN) if secret in told] == []


def test_without_a_collector_neither_sdk_nor_exporter_is_imported() -> None:
    # FastAPI itself loads OpenTelemetry's interfaces where they are installed; those do nothing.
    script = "import sys, serin_server.main; print(*(name for name in sys.modules if name.startswith('opentelemetry')))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))] == []


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What a collector does with OTLP over HTTP: it takes spans, and answers 200."""
    received: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                pod = next(one.value.string_value for one in resource.resource.attributes if "instance" in one.key)
                received.extend((pod, span.name) for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()


def test_a_process_sends_its_spans_to_the_collector_the_last_ones_as_it_ends(
    mounted: Mounted, collector: tuple[str, list[tuple[str, str]]]
) -> None:
    endpoint, received = collector
    with started_as_pod(mounted, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as pod:
        pod.suggest()
        pod.popen.terminate()
        assert pod.popen.wait(timeout=20) == 0
    assert ("categories-1", "POST /agent/suggestions") in received


def test_a_collector_that_is_away_costs_no_answer_and_no_clean_end(mounted: Mounted) -> None:
    with started_as_pod(mounted, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as pod:
        assert pod.suggest()["candidates"][0]["label"] == "Groceries"
        pod.popen.terminate()
        assert pod.popen.wait(timeout=20) == 0
