"""The OpenAPI document is kept: whatever it describes, well or badly asked, is answered, and never by a fault."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import httpx
import pytest
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from schemathesis.generation import GenerationMode
from server.fakes import ADMIN, TOKEN, FakeClock, FakeOperator, FakeRegistry, FakeRun, Mounted, routing

from serin_server.http.app import create_api
from serin_server.http.fast_path.application import PATH, FastPath
from serin_server.http.problems import Code
from serin_server.http.reference_page import reference_page
from serin_server.http.schemas import (
    FeedbackRequest,
    FeedbackResponse,
    Problem,
    SuggestionsRequest,
    SuggestionsResponse,
    TransactionsRequest,
    TransactionsResponse,
)
from serin_server.service import build_service
from serin_server.stores.sqlite import Sqlite

OPERATIONS = (
    ("POST", "/agent/suggestions"),
    ("POST", "/agent/suggestions/{event_id}/feedback"),
    ("POST", "/transactions"),
    ("POST", "/transactions/bulk"),
    ("GET", "/ml/status"),
    ("POST", "/ml/routing"),
    ("GET", "/ml/thresholds"),
    ("POST", "/ml/v2/reload"),
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
)
WITH_BODIES = {"/agent/suggestions", "/agent/suggestions/{event_id}/feedback", "/transactions", "/ml/routing"}


@schemathesis.serializer("application/x-ndjson")
def one_line(_context: Any, value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@dataclass
class Pod:
    """A service on an event loop of its own, and a client of it."""

    document: dict[str, Any]
    client: httpx.AsyncClient
    portal: BlockingPortal

    def ask(self, **request: Any) -> httpx.Response:
        response: httpx.Response = self.portal.call(partial(self.client.request, **request))
        return response


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    mounted = Mounted(tmp_path_factory.mktemp("pod"))
    mounted.model(FakeRun().run)
    mounted.rules("classes:\n  Groceries: [loblaws]\n")
    mounted.route(routing(5, percent=50))
    store = Sqlite(mounted.root / "data.db")
    settings_ = mounted.settings(routing_key=FakeOperator().public)
    service = build_service(settings_, clock=FakeClock(), read=FakeRegistry(FakeRun()), store=store)
    api = create_api(service)

    @asynccontextmanager
    async def running() -> Any:
        transport = httpx.ASGITransport(FastPath(api, service=service), raise_app_exceptions=False)
        async with service.running(), httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            yield client

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running()) as client:
        yield Pod(api.openapi(), client, portal)


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        pytest.param(method, path, mode, id=f"{path}, {name}")
        for name, mode in (("as declared", GenerationMode.POSITIVE), ("otherwise", GenerationMode.NEGATIVE))
        for method, path in OPERATIONS
        if mode is GenerationMode.POSITIVE or path in WITH_BODIES
    ],
)
def test_whatever_is_asked_it_is_answered_and_never_by_a_fault(
    pod: Pod, method: str, path: str, mode: GenerationMode
) -> None:
    operation = schemathesis.openapi.from_dict(pod.document)[path][method]

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        token = ADMIN if path == "/ml/v2/reload" else TOKEN
        given_ = case.as_transport_kwargs(base_url="http://pod", headers={"Authorization": f"Bearer {token}"})
        try:
            response = pod.ask(**{name: value for name, value in given_.items() if name not in {"cookies", "auth"}})
        except httpx.InvalidURL:
            # Longer than the client can send.
            reject()
        assert response.status_code < 500
        if response.status_code >= 400:
            assert Problem.model_validate_json(response.content).detail.isprintable()

    asked()


def test_every_operation_of_the_document_is_asked(pod: Pod) -> None:
    found = {(method.upper(), path) for path, methods in pod.document["paths"].items() for method in methods}
    assert found == set(OPERATIONS)


def test_the_endpoint_that_fastapi_does_not_answer_stands_in_it_as_well(pod: Pod) -> None:
    operation = pod.document["paths"]["/agent/suggestions"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/SuggestionsRequest")
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "/SuggestionsResponse"
    )
    assert pod.ask(method="GET", url="/openapi.json").json() == pod.document
    assert pod.document["info"]["version"] == version("serin")


def test_the_page_has_every_route_and_loads_nothing_from_elsewhere(pod: Pod) -> None:
    page = pod.ask(method="GET", url="/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert [path for _, path in OPERATIONS if f"{path}</code>" not in page.text] == []
    assert [code for code in Code if f"<code>{code}</code>" not in page.text] == []
    assert "<script" not in page.text
    assert set(re.findall(r'(?:href|src)="([^"#]*)', page.text)) == {"openapi.json", ""}
    style = re.search("<style>(.*)</style>", page.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]


def test_the_root_leads_to_the_page(pod: Pod) -> None:
    response = pod.ask(method="GET", url="/")
    assert (response.status_code, response.headers["location"]) == (307, "docs")


def test_names_in_the_document_are_escaped(pod: Pod) -> None:
    document = pod.document | {"info": {"title": "<b>", "version": "&", "summary": "<script>"}}
    page = reference_page(document)
    assert "<title>&lt;b&gt; &amp;: HTTP API</title>" in page
    assert "<script" not in page


@pytest.mark.parametrize("model", [SuggestionsRequest, SuggestionsResponse, FeedbackRequest, FeedbackResponse,
                                   TransactionsRequest, TransactionsResponse])  # fmt: skip
def test_each_example_is_valid(model: type[BaseModel]) -> None:
    (example,) = model.model_json_schema()["examples"]
    model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize(("path", "scheme"), [(PATH, "token"), ("/ml/v2/reload", "adminToken"), ("/ml/routing", None)])
def test_a_route_names_the_token_that_it_needs(pod: Pod, path: str, scheme: str | None) -> None:
    security = pod.document["paths"][path]["post"].get("security", [])
    assert security == ([] if scheme is None else [{scheme: []}])
