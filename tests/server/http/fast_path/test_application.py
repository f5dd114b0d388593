"""The fast path takes nothing that the declared schema refuses, and reads what it takes alike."""

import json
import math
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from server.fakes import TOKEN, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from starlette.types import ASGIApp, Message

from serin_core.model.values import FIRST_YEAR, LAST_YEAR
from serin_server.http.app import create_api
from serin_server.http.fast_path.application import PATH, FastPath, read_transactions
from serin_server.http.middleware import MAX_BODY_BYTES
from serin_server.http.schemas import SuggestionsRequest
from serin_server.service import Service, build_service

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
USER = (b"authorization", f"Bearer {TOKEN}".encode())
BODY = {"transactions": [{"txn_id": "1", "user_id": "u1", "merchant": "LOBLAWS #12", "amount": 3.2}]}

moments = st.one_of(
    st.datetimes().map(lambda at: at.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
    st.datetimes().map(lambda at: at.isoformat(sep=" ") + "Z"),
    st.from_regex(
        r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]([T t][0-2][0-9]:[0-5][0-9](:[0-6][0-9])?([.,][0-9]{1,12})?)?"
        r"(Z|z|[+-][0-9]{2}:?[0-9]{2})?\Z"
    ),
)
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["\x00", "\ud800", "x" * 200, "x" * 2000, "1e3", "NaN", [], {}, [[[[]]]], 10**400, 1e308, "é" * 128]
    ),
)
transactions = st.fixed_dictionaries(
    {"txn_id": st.text(min_size=1, max_size=128) | odd, "merchant": st.text(max_size=256) | odd},
    optional={
        "user_id": st.text(max_size=128) | odd,
        "timestamp": moments | odd,
        "description": st.text(max_size=40) | odd,
        "amount": st.floats() | st.integers() | odd,
        "channel": st.sampled_from(["card", "online"]) | odd,
        "colour": odd,
    },
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "transactions": st.lists(transactions, max_size=3) | odd,
        "txn_ids": st.lists(st.text(max_size=4), max_size=2) | odd,
        "mode": st.just("auto") | odd,
        "more": odd,
    },
)
written = st.one_of(
    bodies.map(lambda body: json.dumps(body).encode()),
    bodies.map(lambda body: json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.builds(lambda body, cut: json.dumps(body).encode()[:cut], bodies, st.integers(min_value=0, max_value=80)),
    st.binary(max_size=60),
)


def declared(body: bytes) -> list[Any]:
    """Return the transactions as the declared schema reads them. Raises ValueError, RecursionError."""
    return [one.transaction() for one in SuggestionsRequest.model_validate(json.loads(body)).transactions]


@given(written)
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "timestamp": "2024-01-01T23:59:59.9999999Z"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "timestamp": "2024-01-01T24:00:00Z"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "timestamp": "2024-06-30T23:59:60Z"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "timestamp": "0000-01-01T00:00:00Z"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "timestamp": "2024-01-01T00:00:00+23:59"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "timestamp": "2024-01-01T00:00:00+24:00"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "timestamp": "2024-01-01t00:00:00z"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "amount": 1e999}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "amount": 123456789012345678901234567890}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "amount": 0.1e-400}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "amount": -0}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m", "txn_id": "2"}], "transactions": []}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": "m"}], "transactions": [{"txn_id": "3", "merchant": "m"}]}')
@example(b'{"transactions": [{"txn_id": "1"}]}')
@example(b'{"transactions": [{"txn_id": "1", "merchant": ""}]}')
@example(b'\xef\xbb\xbf{"transactions": [{"txn_id": "1", "merchant": "m"}]}')
@example(b'{"transactions": [{"txn_id": "\x7f", "merchant": "m"}]}')
@example(b'{"transactions": [{"txn_id": "a\nb", "merchant": "m"}]}')
@example(b'{"transactions": [{"txn_id": "\\ud83d\\ude00", "merchant": "m"}]}')
@example(b'{"transactions": [{"txn_id": "\\ud83d", "merchant": "m"}]}')
@example(b'{"transactions": [{"txn_id": "\\\\u0000", "merchant": "m"}]}')
def test_whatever_the_fast_path_takes_the_declared_schema_takes_as_the_same(body: bytes) -> None:
    fast = read_transactions(body)
    if fast is not None:
        slow = declared(body)
        assert fast == slow
        assert [type(one.amount) for one in fast] == [float] * len(fast)
        assert all(math.isfinite(one.amount) for one in fast)


ordinary = st.fixed_dictionaries(
    {
        "txn_id": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=128),
        "merchant": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=256),
    },
    optional={
        "user_id": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=128),
        "timestamp": st.none()
        | st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)).map(lambda day: day.isoformat())
        | st.datetimes(
            datetime.fromisoformat(f"{FIRST_YEAR}-01-01"),
            datetime.fromisoformat(f"{LAST_YEAR}-12-31"),
            timezones=st.just(None) | st.timezones(no_cache=True),
        ).map(lambda at: at.replace(tzinfo=None).isoformat() + ("Z" if at.tzinfo else "")),
        "amount": st.decimals(places=2, min_value=-(10**9), max_value=10**9).map(float),
    },
)


@given(st.lists(ordinary, min_size=1, max_size=4))
def test_it_takes_every_ordinary_request(given_transactions: list[dict[str, Any]]) -> None:
    body = json.dumps({"transactions": given_transactions}).encode()
    assert read_transactions(body) == declared(body)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def service(mounted: Mounted) -> AsyncIterator[Service]:
    mounted.model(FakeRun().run)
    mounted.rules("classes:\n  Groceries: [loblaws]\n")
    mounted.route(routing(5, percent=100))
    built = build_service(mounted.settings(), clock=FakeClock(), read=FakeRegistry(FakeRun(label="Dining")))
    async with built.running():
        await built.runs.load()
        yield built


@pytest.fixture
def api(service: Service) -> ASGIApp:
    """The same without the fast path."""
    return create_api(service)


@pytest.fixture
def app(service: Service, api: ASGIApp) -> ASGIApp:
    return FastPath(api, service=service)


async def ask(
    app: ASGIApp, pieces: list[bytes], *, headers: tuple[tuple[bytes, bytes], ...] = (USER, JSON), cut: bool = False
) -> tuple[int, dict[bytes, bytes], bytes] | None:
    """Return status, headers and body of one POST whose body arrives in pieces; None where nothing was answered."""
    waiting: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if cut:
        waiting.append({"type": "http.disconnect"})
    else:
        waiting[-1]["more_body"] = False
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }
    await app(scope, receive, send)
    if not sent:
        return None
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


def apart(body: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(body[:size])
        body = body[size:]
    return [*pieces, body]


def without_ids(answer: tuple[int, dict[bytes, bytes], bytes] | None) -> Any:
    """Event ids tell answers apart, and are no part of what is compared."""
    assert answer is not None
    status, headers, body = answer
    found = json.loads(body)
    found.pop("requestId", None)
    for item in found.get("items", ()):
        item["event_id"] = "..."
    return status, headers[b"content-type"], found


SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(written, st.lists(st.integers(min_value=0, max_value=40), max_size=5))
async def test_with_and_without_it_every_body_is_answered_alike_and_never_by_a_fault(
    app: ASGIApp, api: ASGIApp, body: bytes, sizes: list[int]
) -> None:
    fast = without_ids(await ask(app, apart(body, sizes)))
    assert fast == without_ids(await ask(api, apart(body, sizes)))
    assert fast[0] in {200, 400, 409, 422}
    assert fast[0] == 200 or "\n" not in fast[2]["detail"]


values = st.sampled_from([b"", b"Bearer", b"Bearer ", USER[1], b"bearer " + TOKEN.encode(), b"Basic x", b"\xff\xfe"])
others = st.sampled_from([JSON[1], b"application/json; charset=utf-8", b"text/plain", b"", b"application/x+json"])
lengths = st.sampled_from([b"0", b"-1", b"x", b"12", str(MAX_BODY_BYTES + 1).encode(), b"\xb2", b"9" * 5000])


@SLOW
@given(st.lists(st.tuples(st.just(b"authorization"), values) | st.tuples(st.just(b"content-type"), others)
                | st.tuples(st.just(b"content-length"), lengths), max_size=4))  # fmt: skip
async def test_with_and_without_it_every_header_is_answered_alike(
    app: ASGIApp, api: ASGIApp, headers: list[tuple[bytes, bytes]]
) -> None:
    pieces = [json.dumps(BODY).encode()]
    fast = without_ids(await ask(app, list(pieces), headers=tuple(headers)))
    assert fast == without_ids(await ask(api, list(pieces), headers=tuple(headers)))
    assert fast[0] < 500


@pytest.mark.parametrize("pieces", [[b""], [b'{"transactions": ['], [b"x" * 10] * 30], ids=["at once", "early", "late"])
async def test_a_client_that_is_gone_gets_no_answer_and_leaves_no_fault(app: ASGIApp, pieces: list[bytes]) -> None:
    assert await ask(app, pieces, cut=True) is None


async def test_a_body_in_very_many_pieces_is_bounded_as_a_whole(app: ASGIApp) -> None:
    answer = await ask(app, [b" " * 1000] * (MAX_BODY_BYTES // 1000 + 2))
    assert answer is not None
    assert answer[0] == 413
    assert answer[1][b"connection"] == b"close"
    body = json.dumps(BODY).encode()
    answer = await ask(app, [body[at : at + 1] for at in range(len(body))])
    assert answer is not None
    assert answer[0] == 200


async def test_while_the_process_ends_clients_are_told_to_let_go(app: ASGIApp, service: Service) -> None:
    answer = await ask(app, [json.dumps(BODY).encode()])
    assert answer is not None
    assert b"connection" not in answer[1]
    service.readiness.is_draining = True
    answer = await ask(app, [json.dumps(BODY).encode()])
    assert answer is not None
    assert answer[1][b"connection"] == b"close"


async def test_a_batch_is_answered_bit_for_bit_as_its_transactions_one_by_one(app: ASGIApp) -> None:
    bought = [{"txn_id": str(number), "merchant": f"CAFE {number}", "amount": number / 7} for number in range(64)]
    together = without_ids(await ask(app, [json.dumps({"transactions": bought}).encode()]))[2]["items"]
    alone = [
        without_ids(await ask(app, [json.dumps({"transactions": [one]}).encode()]))[2]["items"][0] for one in bought
    ]
    assert together == alone


async def test_a_large_batch_lets_other_requests_in_between(app: ASGIApp) -> None:
    ended: list[str] = []
    large = {"transactions": [{"txn_id": str(number), "merchant": "CAFE"} for number in range(256)]}

    async def one(name: str, body: dict[str, Any]) -> None:
        await ask(app, [json.dumps(body).encode()])
        ended.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(one, "large", large)
        group.start_soon(one, "small", BODY)
    assert ended == ["small", "large"]
