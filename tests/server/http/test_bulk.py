"""Many transactions in one request, one on each line."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from server.fakes import FakeRegistry, Mounted
from server.http.running_service import USER, Running, bought, running

from serin_server.admission import MAX_HELD_BYTES
from serin_server.http.lines import MAX_LINE_BYTES, MAX_LINES
from serin_server.http.middleware import BULK_PATH
from serin_server.http.routes.bulk import AT_ONCE
from serin_server.stores.sqlite import Sqlite
from serin_server.stores.store import Store, StoreUnavailableError

pytestmark = pytest.mark.anyio

LINES = USER | {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def store(mounted: Mounted) -> Sqlite:
    return Sqlite(mounted.root / "data.db")


@pytest.fixture
async def pod(mounted: Mounted, store: Sqlite) -> AsyncIterator[Running]:
    async with running(mounted, FakeRegistry(), store=store) as found:
        yield found


def body(*transactions: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in transactions)


async def send(pod: Running, content: Any, **headers: str) -> httpx.Response:
    return await pod.client.post(BULK_PATH, content=content, headers=LINES | headers)


async def in_pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def stored(store: Store, count: int) -> int:
    return len(await store.fetch([str(number) for number in range(count)]))


async def test_ten_thousand_transactions_are_stored(pod: Running, store: Sqlite) -> None:
    content = body(*(bought(str(number)) for number in range(MAX_LINES)))
    response = await send(pod, in_pieces(content, 65_536))
    assert (response.status_code, response.json()) == (200, {"kept": MAX_LINES})
    assert await stored(store, MAX_LINES) == MAX_LINES


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_lines_may_arrive_in_pieces_and_the_last_need_not_end(pod: Running, store: Sqlite, size: int) -> None:
    content = body(bought("0", merchant="CAFÉ"), bought("1")).replace(b"\n", b"\r\n\n").rstrip()
    assert (await send(pod, in_pieces(content, size))).json() == {"kept": 2}
    assert (await store.fetch(["0"]))["0"].merchant == "CAFÉ"


async def test_with_a_line_that_is_not_valid_nothing_is_stored_and_all_errors_are_listed(
    pod: Running, store: Sqlite
) -> None:
    content = body(bought("0"), {"txn_id": "1", "merchnat": "x"}) + b'{"txn_id": \n' + b'"\xff"\n' + b"[]\n"
    response = await send(pod, content)
    assert response.status_code == 422
    found = response.json()
    assert found["detail"] == "line 2.merchant: this field is required (and 4 more)"
    assert {one["pointer"]: one["detail"] for one in found["errors"]} == {
        "#/line 2/merchant": "this field is required",
        "#/line 2/merchnat": "unknown field; did you mean merchant?",
        "#/line 3": "not valid JSON: EOF while parsing a value at line 1 column 11",
        "#/line 4": "not valid JSON: invalid unicode code point at line 1 column 2",
        "#/line 5": "a JSON object is required",
    }
    assert await stored(store, 2) == 0


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "line 1: at least 1 transaction is required"),
        (b"\n \n", "line 1: at least 1 transaction is required"),
        (
            body(*(bought(str(number)) for number in range(MAX_LINES + 1))),
            "line 10001: at most 10000 transactions are allowed; send several requests",
        ),
        (body(bought("0")) + b"x" * (2 * MAX_LINE_BYTES), f"line 2: a line has at most {MAX_LINE_BYTES} bytes"),
        (
            body(bought("0")) + b" " * (2 * MAX_LINE_BYTES) + b"\n" + body(bought("1")),
            f"line 2: a line has at most {MAX_LINE_BYTES} bytes",
        ),
    ],
    ids=["empty", "blank", "too many", "no end of a line", "spaces without an end, before a transaction"],
)
async def test_what_is_no_list_of_transactions_is_refused(
    pod: Running, store: Sqlite, content: bytes, detail: str
) -> None:
    response = await send(pod, in_pieces(content, 10_000))
    assert (response.status_code, response.json()["detail"]) == (422, detail)
    assert await stored(store, 1) == 0


async def test_no_more_is_read_after_many_errors(pod: Running) -> None:
    read = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield b"{}\n"

    response = await send(pod, endless())
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 32
    assert len(read) < 100


async def test_a_body_above_16_mib_is_refused_also_without_its_length(pod: Running) -> None:
    announced = await send(pod, b"x", **{"Content-Length": str((16 << 20) + 1)})
    line = json.dumps(bought("1", description="x" * 1024, merchant="y" * 200)).encode() + b" " * 20_000 + b"\n"
    arrived = await send(pod, in_pieces(line * 900, 1 << 20))
    for response in (announced, arrived):
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
        assert response.json()["detail"].startswith(f"the body is larger than {16 << 20} bytes")


async def test_clients_that_send_slowly_keep_nobody_waiting(pod: Running, store: Sqlite) -> None:
    others_are_done = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield body(bought("slow"))
        await others_are_done.wait()

    waiting = [asyncio.create_task(send(pod, slow())) for _ in range(3 * AT_ONCE)]
    for number in range(3):
        assert (await send(pod, body(bought(str(number))))).json() == {"kept": 1}
    others_are_done.set()
    assert [response.status_code for response in await asyncio.gather(*waiting)] == [200] * len(waiting)
    assert await stored(store, 3) == 3


async def test_bodies_that_arrive_at_the_same_time_are_bounded_together(pod: Running) -> None:
    others_are_done, arrived = asyncio.Event(), []
    line = body(bought("1")) + b" " * 20_000 + b"\n"
    piece = line * ((4 << 20) // len(line))

    async def large() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield piece
        arrived.append(1)
        await others_are_done.wait()

    count = MAX_HELD_BYTES // (3 * len(piece))
    waiting = [asyncio.create_task(send(pod, large())) for _ in range(count)]
    while len(arrived) < count:
        await asyncio.sleep(0)
    response = await send(pod, in_pieces(piece * 3, 1 << 20))
    assert (response.status_code, response.json()["code"], response.headers["Retry-After"]) == (503, "overloaded", "1")
    assert response.headers["Connection"] == "close"
    assert await pod.count("serin_overload_refusals_total") == 1
    others_are_done.set()
    assert [one.status_code for one in await asyncio.gather(*waiting)] == [200] * count
    assert (await send(pod, in_pieces(piece * 3, 1 << 20))).status_code == 200


async def test_bodies_of_suggestions_are_bounded_together(pod: Running) -> None:
    others_are_done, arrived = asyncio.Event(), []
    spaces, request = b" " * 900_000, json.dumps({"transactions": [bought("1")]}).encode()

    async def large() -> AsyncIterator[bytes]:
        yield spaces
        arrived.append(1)
        await others_are_done.wait()
        yield request

    async def suggest(content: Any) -> httpx.Response:
        headers = USER | {"Content-Type": "application/json"}
        return await pod.client.post("/agent/suggestions", content=content, headers=headers)

    count = MAX_HELD_BYTES // len(spaces)
    waiting = [asyncio.create_task(suggest(large())) for _ in range(count)]
    while len(arrived) < count:
        await asyncio.sleep(0)
    response = await suggest(in_pieces(spaces + request, len(spaces)))
    assert (response.status_code, response.json()["code"], response.headers["Retry-After"]) == (503, "overloaded", "1")
    assert await pod.count("serin_overload_refusals_total") == 1
    others_are_done.set()
    assert [one.status_code for one in await asyncio.gather(*waiting)] == [200] * count
    assert (await suggest(in_pieces(spaces + request, len(spaces)))).status_code == 200


@pytest.mark.parametrize("given", [None, "application/json", "text/plain"])
async def test_another_content_type_is_refused(pod: Running, given: str | None) -> None:
    headers = USER | ({} if given is None else {"Content-Type": given})
    response = await pod.client.post(BULK_PATH, content=body(bought("0")), headers=headers)
    assert response.status_code == 415
    assert "Content-Type: application/x-ndjson" in response.json()["detail"]


async def test_without_a_token_or_a_store_the_body_is_not_read(mounted: Mounted) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with running(mounted, FakeRegistry()) as pod:
        assert (await send(pod, never())).status_code == 409
        assert (await send(pod, never(), Authorization="Bearer x")).status_code == 401


async def test_a_store_that_fails_between_two_batches_is_503_and_the_request_can_be_repeated(
    pod: Running, store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = store.save, threading.Semaphore(2)

    async def failing(transactions: Any) -> None:
        if not calls.acquire(blocking=False):
            raise StoreUnavailableError("the store is not available")
        await save(transactions)

    content = body(*(bought(str(number)) for number in range(2500)))
    monkeypatch.setattr(store, "save", failing)
    response = await send(pod, content)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    monkeypatch.setattr(store, "save", save)
    assert (await send(pod, content)).json() == {"kept": 2500}
    assert await stored(store, 2500) == 2500
