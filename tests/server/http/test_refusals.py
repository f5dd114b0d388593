"""Requests that are refused: by token, by form, by size."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from server.fakes import FakeRegistry, Mounted
from server.http.running_service import USER, bought, running

from serin_server.http.middleware import MAX_BODY_BYTES

pytestmark = pytest.mark.anyio


async def test_a_missing_token_and_a_wrong_one_have_different_messages(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        body = {"transactions": [bought()]}
        missing = await pod.client.post("/agent/suggestions", json=body)
        wrong = await pod.client.post("/agent/suggestions", json=body, headers={"Authorization": "Bearer x"})
        assert (missing.status_code, missing.json()["detail"]) == (
            401,
            "a bearer token is required: Authorization: Bearer <token>",
        )
        assert (wrong.status_code, wrong.json()["detail"]) == (401, "the bearer token is not valid")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param({}, "send exactly one of txn_ids and transactions, with at least one entry", id="neither"),
        pytest.param(
            {"txn_ids": ["1"], "transactions": [bought()]},
            "send exactly one of txn_ids and transactions, with at least one entry",
            id="both",
        ),
        pytest.param(
            {"transactions": [bought(amount="NaN")]},
            "transactions.0.amount: must be a finite number",
            id="an amount that is no number",
        ),
        pytest.param(
            {"transactions": [bought(colour="red")]},
            "transactions.0.colour: unknown field; the fields are txn_id, user_id, timestamp, merchant, description, "
            "amount, channel",
            id="a field that is not known",
        ),
        pytest.param({"transactions": [bought()], "mode": "magic"}, "mode: must be 'auto'", id="another mode"),
        pytest.param(
            {"transactions": [bought(str(number)) for number in range(257)]},
            "transactions: at most 256 entries are allowed, 257 were sent",
            id="too many",
        ),
        pytest.param(
            {"transactions": [bought(merchant="x" * 257)]},
            "transactions.0.merchant: at most 256 characters are allowed, 257 were sent",
            id="too long",
        ),
    ],
)
async def test_a_request_that_does_not_fit_is_said_in_one_line(
    mounted: Mounted, body: dict[str, Any], detail: str
) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post("/agent/suggestions", json=body, headers=USER)
        assert (response.status_code, response.json()["detail"]) == (422, detail)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b'{"txn_ids": ["\\ud800"]}', id="half a character"),
        pytest.param(b'{"txn_ids": ["\\u0000"]}', id="a NUL"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"\\n": 1}', id="a line break as a field"),
        pytest.param(b'{"\\ud800": 1}', id="half a character as a field"),
        pytest.param(b'{"\\u2028\\u001b[2J": 1}', id="controls as a field"),
    ],
)
@pytest.mark.parametrize("path", ["/agent/suggestions", "/agent/suggestions/e/feedback", "/transactions"])
async def test_garbage_is_refused_in_one_line_and_never_a_fault(mounted: Mounted, path: str, content: bytes) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post(path, content=content, headers=USER | {"Content-Type": "application/json"})
        assert response.status_code in {400, 422}
        assert response.json()["detail"].isprintable()


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(mounted: Mounted) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (MAX_BODY_BYTES // 10)

    async with running(mounted, FakeRegistry()) as pod:
        for content in (b" " * (MAX_BODY_BYTES + 1), pieces()):
            response = await pod.client.post("/agent/suggestions", content=content, headers=USER)
            assert response.status_code == 413
            assert response.json()["detail"].startswith("the body is larger than 1048576 bytes")


async def test_users_of_other_paths_get_one_line_as_well(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        assert (await pod.client.get("/nowhere")).json()["code"] == "route_not_found"
        assert (await pod.client.get("/agent/suggestions")).json()["code"] == "method_not_allowed"
