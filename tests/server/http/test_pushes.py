"""POST /ml/routing: the routing of the operator over HTTP, and what everybody else gets there."""

from typing import Any

import httpx
import pytest
from server.fakes import CANDIDATE, STABLE, UID, FakeClock, FakeOperator, FakeRegistry, FakeRun, Mounted, routing
from server.http.running_service import bought, running
from server.test_process import RULES, pod_environment, started

from serin_core.contract import names
from serin_core.contract.pod_report import PodReport
from serin_core.contract.pushed_routing import MAX_CHARACTERS, PATH, key_id

pytestmark = pytest.mark.anyio

OPERATOR = FakeOperator()
REGISTRY = FakeRegistry(FakeRun(label="Dining"), FakeRun(STABLE))
BY = {names.SUPERVISION_HEADER: UID}


def body(revision: int, **fields: Any) -> dict[str, Any]:
    return OPERATOR.push(routing(revision, **fields)).model_dump()


async def test_the_next_request_is_served_by_what_was_sent_and_the_response_is_the_status(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100, stable=STABLE))
    async with running(mounted, REGISTRY, routing_key=OPERATOR.public) as pod:
        assert (await pod.suggest(bought()))[0]["model_id"] == CANDIDATE
        response = await pod.client.post(PATH, json=body(6, percent=None, stable=STABLE))
        assert response.status_code == 200
        assert (await pod.suggest(bought()))[0]["model_id"] == STABLE
        report = PodReport.model_validate(response.json())
        assert (report.revision, report.hash) == (6, routing(6, percent=None, stable=STABLE).hash())
        status = (await pod.client.get("/ml/status")).json()
        assert status == response.json()
        assert status["routingKey"] == key_id(OPERATOR.public)


async def test_it_counts_as_supervision_with_the_header_only(mounted: Mounted, clock: FakeClock) -> None:
    mounted.route(routing(5, percent=100, supervision=3600.0))
    async with running(mounted, REGISTRY, clock=clock, routing_key=OPERATOR.public) as pod:
        clock.advance(4000)
        for headers, unsupervised in (({}, True), (BY, False)):
            sent = body(6, percent=100, supervision=3600.0)
            response = await pod.client.post(PATH, json=sent, headers=headers)
            assert (response.status_code, response.json()["unsupervised"]) == (200, unsupervised)


async def test_a_forged_one_is_refused_and_is_no_supervision(mounted: Mounted, clock: FakeClock) -> None:
    mounted.route(routing(5, percent=100, supervision=3600.0))
    async with running(mounted, REGISTRY, clock=clock, routing_key=OPERATOR.public) as pod:
        clock.advance(4000)
        forged = FakeOperator().push(routing(6, percent=100)).model_dump()
        response = await pod.client.post(PATH, json=forged, headers=BY)
        assert response.status_code == 403
        assert response.json()["code"] == "invalid_signature"
        assert response.json()["detail"] == "the document is not signed by the operator of this pod; it is ignored"
        status = (await pod.client.get("/ml/status")).json()
        assert (status["revision"], status["supervision"]["silenceSeconds"]) == (5, 4000)
        assert status["refusedDocuments"]["signature"] == 1
        assert await pod.count("serin_documents_refused_total", reason="signature") == 1


async def test_an_older_one_is_ignored_and_the_status_shows_it(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=10))
    async with running(mounted, REGISTRY, routing_key=OPERATOR.public) as pod:
        response = await pod.client.post(PATH, json=body(4, percent=100))
        assert (response.status_code, response.json()["revision"]) == (200, 5)


SIGNATURE = "A" * 86 + "=="
BAD: list[tuple[Any, str]] = [
    ([], "a JSON object is required"),
    ({}, "document"),
    ({"document": "{}"}, "signature"),
    ({"document": "{}", "signature": "short"}, "signature"),
    ({"document": "{}", "signature": SIGNATURE, "more": 1}, "more: unknown field; the fields are document, signature"),
    ({"document": 5, "signature": SIGNATURE}, "document"),
    ({"document": "x" * (MAX_CHARACTERS + 1), "signature": SIGNATURE}, "document"),
]


@pytest.mark.parametrize(("sent", "names_field"), BAD)
async def test_a_body_that_is_none_is_refused_with_one_line(mounted: Mounted, sent: Any, names_field: str) -> None:
    mounted.route(routing(5, percent=10))
    async with running(mounted, REGISTRY, routing_key=OPERATOR.public) as pod:
        response = await pod.client.post(PATH, json=sent)
        assert response.status_code == 422
        assert names_field in response.json()["detail"]
        assert response.json()["detail"].isprintable()


@pytest.mark.parametrize("content", [b"", b"{", b'{"document": "\\ud800", "signature": "' + SIGNATURE.encode() + b'"}'])
async def test_text_that_is_no_json_is_refused(mounted: Mounted, content: bytes) -> None:
    async with running(mounted, REGISTRY, routing_key=OPERATOR.public) as pod:
        response = await pod.client.post(PATH, content=content, headers={"Content-Type": "application/json"})
        assert response.status_code in {400, 403, 422}


async def test_a_body_above_the_limit_is_not_parsed(mounted: Mounted) -> None:
    async with running(mounted, REGISTRY, routing_key=OPERATOR.public) as pod:
        sent = {"document": "x" * (1 << 20), "signature": SIGNATURE}
        assert (await pod.client.post(PATH, json=sent)).status_code == 413


async def test_a_pod_without_a_key_refuses_everything_and_names_the_variable(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=10))
    async with running(mounted, REGISTRY) as pod:
        response = await pod.client.post(PATH, json=body(6, percent=100))
        assert response.status_code == 409
        assert "SERIN_ROUTING_KEY" in response.json()["detail"]
        assert (await pod.client.get("/ml/status")).json()["routingKey"] == ""


def test_a_real_process_serves_it_and_goes_on_with_it_after_kill(mounted: Mounted) -> None:
    mounted.model()
    mounted.rules(RULES)
    mounted.route(routing(5, percent=None))
    environment = pod_environment(mounted) | {"SERIN_ROUTING_KEY": OPERATOR.public}
    with started("-m", "serin_server.main", environment=environment) as pod:
        assert pod.get("/ml/status").json()["revision"] == 5
        response = httpx.post(pod.url + PATH, json=body(6, percent=None), timeout=5)
        assert (response.status_code, response.json()["revision"]) == (200, 6)
        pod.popen.kill()
        pod.popen.wait()
    with started("-m", "serin_server.main", environment=environment) as pod:
        assert pod.get("/ml/status").json()["revision"] == 6


@pytest.mark.parametrize("key", ["no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_a_key_that_is_none_ends_the_start_with_one_line(key: str) -> None:
    from serin_server.environment import pod_settings  # noqa: PLC0415
    from serin_server.settings import SettingsError  # noqa: PLC0415

    with pytest.raises(SettingsError, match=r"^SERIN_ROUTING_KEY: the public key is not an Ed25519 key"):
        pod_settings({"SERIN_UID": UID, "SERIN_ROUTING_KEY": key})
