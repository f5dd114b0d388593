"""Bodies, headers and ids of anyone: every route responds with a documented status and never with an internal error."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from foreign_input import HOSTILE_TEXTS, damaged_json, damaged_texts
from hypothesis import given
from hypothesis import strategies as st
from server.fakes import ADMIN, TOKEN, UID, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from server.http.running_service import Running, bought, running

from serin_server.event_ids import EventError, sign, verify
from serin_server.http.problems import MEDIA_TYPE
from serin_server.stores.sqlite import Sqlite

BODIES: dict[str, Any] = {
    "/agent/suggestions": {"transactions": [bought(timestamp="2026-01-31T12:00:00Z", description="d", channel="pos")]},
    "/transactions": {"transactions": [bought()]},
    "/transactions/bulk": bought(),
    "/agent/suggestions/{event}/feedback": {"label": "Dining"},
    "/ml/routing": {"document": json.dumps({"uid": UID, "revision": 1}), "signature": f"{'A' * 86}=="},
}
ALLOWED = {200, 400, 403, 404, 409, 410, 413, 415, 422}
TYPES = st.sampled_from(["application/json", "application/x-ndjson", "text/plain", "", "application/json; charset=x"])


class Pod:
    """A service in a loop of its own, so that hypothesis may ask it from a plain test."""

    def __init__(self, runner: asyncio.Runner, pod: Running, clock: FakeClock) -> None:
        self._runner, self._pod, self._clock = runner, pod, clock
        (self.item,) = runner.run(pod.suggest(bought()))

    def post(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        self._clock.advance(1)  # below every rate limit
        every = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | headers
        return self._runner.run(self._pod.client.post(path, content=content, headers=every))

    def keys(self) -> tuple[bytes, ...]:
        return self._pod.service.tokens.keys()


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    folder = tmp_path_factory.mktemp("pod")
    mounted = Mounted(folder)
    mounted.write("tokens", {"token": TOKEN, "admin-token": ADMIN})
    mounted.route(routing(5, percent=100))
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        clock, store = FakeClock(), Sqlite(folder / "store.sqlite3")
        entered = running(mounted, FakeRegistry(FakeRun()), clock=clock, store=store)
        yield Pod(runner, runner.run(stack.enter_async_context(entered)), clock)
        runner.run(stack.aclose())


def check(response: httpx.Response) -> None:
    assert response.status_code in ALLOWED, response.text
    if response.status_code >= 400:
        problem = response.json()
        assert response.headers["content-type"] == MEDIA_TYPE
        assert problem["detail"].isprintable()
        assert len(response.content) < 20_000


@pytest.mark.parametrize("path", BODIES)
@given(data=st.data())
def test_any_body_has_a_documented_response(pod: Pod, path: str, data: st.DataObject) -> None:
    content = data.draw(damaged_json(BODIES[path]))
    check(pod.post(path.format(event=pod.item["event_id"]), content, **{"Content-Type": data.draw(TYPES)}))


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("content", HOSTILE_TEXTS)
def test_what_is_known_to_be_hostile_has_a_documented_response(pod: Pod, path: str, content: bytes) -> None:
    for kind in ("application/json", "application/x-ndjson"):
        check(pod.post(path.format(event=pod.item["event_id"]), content, **{"Content-Type": kind}))


@given(data=st.data())
def test_any_event_id_is_verified_or_refused_in_one_line(pod: Pod, data: st.DataObject) -> None:
    known = pod.item["event_id"].encode()
    text = data.draw(st.one_of(damaged_texts(known).map(lambda found: found.decode("latin-1")), st.text(max_size=1100)))
    try:
        event = verify(text, pod.keys())
    except EventError as error:
        message = str(error)
        assert message.startswith("event_id: ")
        assert "\n" not in message
        return
    assert sign(event, pod.keys()[0]) == pod.item["event_id"]


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=200))
def test_any_authorization_is_refused(pod: Pod, text: str) -> None:
    response = pod.post("/transactions", b"{}", Authorization=text.strip())
    assert response.status_code == 401
    assert text.strip() == "" or len(text) < 8 or text not in response.text
