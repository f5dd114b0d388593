"""With the database away: what needs it says so, and suggestions go on."""

import pytest
from server.fakes import FakeRegistry, Mounted, routing
from server.http.running_service import USER, bought, running

from serin_server.stores.postgres import Postgres

pytestmark = pytest.mark.anyio


async def test_feedback_and_txn_ids_are_refused_with_503_and_suggestions_for_transactions_go_on(
    mounted: Mounted,
) -> None:
    mounted.route(routing(5, percent=None))
    store = Postgres("postgresql://me:secret@127.0.0.1:1/db", uid="u")
    async with running(mounted, FakeRegistry(), store=store) as pod:
        (item,) = await pod.suggest(bought())
        assert item["candidates"][0]["label"] == "Groceries"
        by_id = await pod.client.post("/agent/suggestions", json={"txn_ids": ["1"]}, headers=USER)
        kept = await pod.client.post("/transactions", json={"transactions": [bought()]}, headers=USER)
        said = await pod.feedback(item["event_id"], accepted=True)
        for response in (by_id, kept, said):
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
            assert response.json()["detail"] == "the store is not available: ConnectionRefusedError"
        assert await pod.count("serin_feedback_total") == 0, "only what is kept is counted"
        assert (await pod.client.get("/readyz")).status_code == 200
        assert (await pod.suggest(bought("2")))[0]["candidates"][0]["label"] == "Groceries"
