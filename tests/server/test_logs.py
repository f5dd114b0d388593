"""No line of the log ever holds the text of a transaction, whatever goes wrong with it."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from server.fakes import CANDIDATE, TOKEN, FakeClock, FakeRegistry, FakeRun, Mounted, routing

from serin_core.logs import JsonFormatter, TextFormatter
from serin_core.model.features import Transaction
from serin_server.http.app import create_api
from serin_server.http.fast_path.application import FastPath
from serin_server.logs import location_of
from serin_server.runs.predictor import Prediction
from serin_server.service import Service, build_service
from serin_server.stores.store import StoreUnavailableError

pytestmark = pytest.mark.anyio

SECRETS = ("ZUKAYZAL", "doctor", "txn-4711", "user-0815")
BOUGHT = {"txn_id": "txn-4711", "user_id": "user-0815", "merchant": "ZUKAYZAL", "description": "doctor"}


class Talkative(FakeRun):
    """Repeats in every message what it was asked about."""

    def predict(self, transaction: Transaction, *, calibrated: bool, now: float | None = None) -> Prediction:
        raise ValueError(f"{transaction}")


class Broken:
    """A suggester with a fault of the server's own."""

    def suggest(self, transaction, serving):
        raise RuntimeError(f"{transaction}")


class Away:
    """A store that is not there, and says for what."""

    async def save(self, transactions):
        raise StoreUnavailableError("the store does not answer") from OSError(str(transactions))

    async def fetch(self, txn_ids):
        raise RuntimeError(f"{txn_ids}")

    async def record(self, feedback):
        raise RuntimeError(f"{feedback}")

    async def recorded(self, event):
        raise RuntimeError(f"{event}")

    async def close(self):
        pass


@pytest.fixture(params=[False, True], ids=["text", "JSON"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter() if request.param else TextFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


def service(mounted: Mounted, run: FakeRun) -> Service:
    mounted.model(CANDIDATE)
    mounted.rules("classes: {Groceries: [loblaws]}")
    mounted.route(routing(5, percent=100))
    return build_service(mounted.settings(), clock=FakeClock(), read=FakeRegistry(run), store=Away())


def client_of(pod: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(FastPath(create_api(pod), service=pod), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://pod", headers={"Authorization": f"Bearer {TOKEN}"})


async def test_no_line_holds_the_text_of_a_transaction(mounted: Mounted, written: io.StringIO) -> None:
    pod = service(mounted, Talkative())
    batch = {"transactions": [BOUGHT] * 8}
    async with pod.running(), client_of(pod) as client, client_of(replace(pod, suggester=Broken())) as unlucky:
        await pod.runs.load()
        answer = await client.post("/agent/suggestions", json=batch)
        assert answer.status_code == 200
        event_id = answer.json()["items"][0]["event_id"]
        answers = [
            await unlucky.post("/agent/suggestions", json=batch),
            await unlucky.post("/agent/suggestions", json={**batch, "txn_ids": []}),
            await client.post("/agent/suggestions", json={"txn_ids": ["txn-4711"]}),
            await client.post("/agent/suggestions", json={"transactions": [{**BOUGHT, "amount": "x"}]}),
            await client.post("/transactions", json=batch),
            await client.post(f"/agent/suggestions/{event_id}/feedback", json={"label": "Dining"}),
            await client.post(f"/agent/suggestions/{event_id}/feedback", json={"label": "doctor"}),
        ]
    assert [answer.status_code for answer in answers] == [500, 500, 500, 422, 503, 500, 422]
    for answer in answers:
        assert not any(secret in answer.text for secret in SECRETS)
    logged = written.getvalue()
    assert "ValueError at test_logs.py" in logged
    assert "RuntimeError at test_logs.py" in logged
    assert [secret for secret in SECRETS if secret in logged] == []


@pytest.mark.parametrize("as_json", [False, True])
def test_an_exception_is_told_by_its_type_and_its_frames(*, as_json: bool) -> None:
    with pytest.raises(KeyError) as caught:
        raise KeyError("ZUKAYZAL")
    error = caught.value
    assert location_of(error).startswith("KeyError at test_logs.py:")
    exc_info = (KeyError, error, error.__traceback__)
    record = logging.LogRecord("serin", logging.ERROR, __file__, 1, "it failed", (), exc_info)
    line = (JsonFormatter() if as_json else TextFormatter()).format(record)
    assert "KeyError (its message is left out)" in line
    assert "an_exception_is_told_by_its_type" in line
    if as_json:
        assert json.loads(line)["message"] == "it failed"
    else:
        assert "raise KeyError(" in line
