"""Every error is a problem detail (RFC 9457) with a code, all wrong fields and the id of the request."""

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from server.fakes import ADMIN, TOKEN, FakeRegistry, Mounted
from server.http.running_service import USER, bought, running

from serin_server.http.problems import TITLES, Code
from serin_server.http.schemas import MAX_ITEMS

pytestmark = pytest.mark.anyio
PATH = "/agent/suggestions"
FIELDS = "txn_id, user_id, timestamp, merchant, description, amount, channel"
JSON = {"Content-Type": "application/json"}


def problem(response: httpx.Response) -> dict[str, Any]:
    """Return the body of an error response, checked for what all of them have in common."""
    found: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == found["requestId"]
    assert (found["status"], found["title"]) == (response.status_code, TITLES[Code(found["code"])])
    assert found["type"] == "urn:serin:problem:" + found["code"].replace("_", "-")
    return found


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 401, "missing_token", id="no token"),
        pytest.param({"Authorization": "Bearer x"}, 401, "invalid_token", id="a wrong token"),
        pytest.param({"Authorization": "Basic x"}, 401, "missing_token", id="another scheme"),
    ],
)
async def test_a_missing_token_and_a_wrong_one_have_different_codes(
    mounted: Mounted, headers: dict[str, str], status: int, code: str
) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post(PATH, json={"transactions": [bought()]}, headers=headers)
        assert (response.status_code, problem(response)["code"]) == (status, code)
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("token", "status", "code"), [(TOKEN, 403, "admin_token_required"), (ADMIN, 200, None)])
async def test_the_token_of_users_is_not_enough_for_administrators(
    mounted: Mounted, token: str, status: int, code: str | None
) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post("/ml/v2/reload", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == status
        assert code is None or problem(response)["code"] == code


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "json", ""])
@pytest.mark.parametrize("path", [PATH, "/agent/suggestions/e/feedback", "/transactions", "/ml/routing"])
async def test_another_content_type_is_415(mounted: Mounted, path: str, content_type: str | None) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        headers = USER if content_type is None else USER | {"Content-Type": content_type}
        response = await pod.client.post(path, content=b"{}", headers=headers)
        assert (response.status_code, problem(response)["code"]) == (415, "unsupported_media_type")
        assert "Content-Type: application/json" in problem(response)["detail"]


async def test_all_wrong_fields_are_named_at_once(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        body = {
            "transactions": [
                {"txn_id": "", "merchant": "m", "amount": "NaN", "merchnat": "m"},
                {"txn_id": 5, "a/b~c": 1, "timestamp": "soon"},
            ],
            "transaktions": [],
        }
        response = await pod.client.post(PATH, json=body, headers=USER)
        found = problem(response)
        assert (response.status_code, found["code"]) == (422, "invalid_request")
        assert {error["pointer"]: error["detail"] for error in found["errors"]} == {
            "#/transactions/0/txn_id": "at least 1 character is required",
            "#/transactions/0/amount": "must be a finite number",
            "#/transactions/0/merchnat": "unknown field; did you mean merchant?",
            "#/transactions/1/txn_id": "text is required",
            "#/transactions/1/merchant": "this field is required",
            "#/transactions/1/a~1b~0c": f"unknown field; the fields are {FIELDS}",
            "#/transactions/1/timestamp": "must be a day or time in ISO 8601, like 2026-01-31 or "
            "2026-01-31T12:00:00+00:00",
            "#/transaktions": "unknown field; did you mean transactions?",
        }
        assert found["detail"] == "transactions.0.txn_id: at least 1 character is required (and 7 more)"


async def test_a_field_of_feedback_is_proposed_for_feedback_only(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        (item,) = await pod.suggest(bought())
        response = await pod.client.post(f"{PATH}/{item['event_id']}/feedback", json={"acepted": True}, headers=USER)
        assert problem(response)["errors"] == [
            {"detail": "unknown field; did you mean accepted?", "pointer": "#/acepted"}
        ]


async def test_a_field_that_is_like_none_is_answered_with_all_fields(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        (item,) = await pod.suggest(bought())
        found = problem(await pod.feedback(item["event_id"], outcome="accepted"))
        assert found["detail"] == "outcome: unknown field; the fields are accepted, label"


async def test_the_number_of_errors_in_a_response_is_bounded(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        body = {"transactions": [bought(colour="red")] * MAX_ITEMS}
        found = problem(await pod.client.post(PATH, json=body, headers=USER))
        assert len(found["errors"]) == 32
        assert found["detail"] == (f"transactions.0.colour: unknown field; the fields are {FIELDS} (and 255 more)")


async def test_invalid_json_has_its_position(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post(PATH, content=b'{"txn_ids": [1,]}', headers=USER | JSON)
        found = problem(response)
        assert (response.status_code, found["code"]) == (400, "invalid_json")
        assert found["detail"].endswith("at character 14") or found["detail"].endswith("at character 15")


async def test_a_parameter_is_named(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        found = problem(await pod.client.get("/ml/status", params={"knownDigests": "x" * 8193}))
        assert found["errors"] == [
            {"detail": "at most 8192 characters are allowed, 8193 were sent", "parameter": "knownDigests"}
        ]


@pytest.mark.parametrize("given", ["abc-1", "a.b:c/d=e", "x" * 128])
async def test_the_request_id_of_a_client_is_kept(mounted: Mounted, given: str) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.get("/nowhere", headers={"X-Request-Id": given})
        assert problem(response)["requestId"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "<script>", "a;b"])
async def test_a_request_id_that_no_log_line_should_have_is_replaced(mounted: Mounted, given: str) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        found = problem(await pod.client.get("/nowhere", headers={"X-Request-Id": given}))
        assert len(found["requestId"]) == 32
        assert found["requestId"].isalnum()


async def test_an_internal_error_is_found_in_the_log_by_its_request_id(
    mounted: Mounted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(mounted, FakeRegistry()) as pod:

        def fails(*_: Any) -> None:
            raise ZeroDivisionError("a secret text")

        monkeypatch.setattr("serin_server.suggester.Suggester.suggest", fails)
        with caplog.at_level(logging.ERROR):
            response = await pod.client.post(
                PATH, json={"transactions": [bought()]}, headers=USER | {"X-Request-Id": "of-the-client"}
            )
        assert problem(response)["code"] == "internal_error"
        assert "of-the-client" in caplog.text
        assert "a secret text" not in caplog.text + response.text


def test_every_code_has_a_title_and_is_documented() -> None:
    assert set(TITLES) == set(Code)
    document = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text(encoding="utf-8")
    errors = document.partition("## Errors")[2].partition("## Python client")[0]
    assert [code for code in Code if f"`{code}`" not in errors] == []
