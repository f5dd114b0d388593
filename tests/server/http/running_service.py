"""The whole service in one process, with runs at the seam of the registry, asked over ASGI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from secret_search import assert_no_secret
from server.fakes import TOKEN, FakeClock, FakeRegistry, Mounted

from serin_core.contract import names
from serin_server.http.app import create_api
from serin_server.http.fast_path.application import FastPath
from serin_server.service import Service, build_service
from serin_server.stores.store import Store

RULES = "classes:\n  Groceries: [loblaws]\n  Dining: [cafe]\n"
USER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Running:
    """A service and a client of it."""

    service: Service
    client: httpx.AsyncClient

    async def suggest(self, *transactions: dict[str, Any], headers: dict[str, str] = USER) -> list[dict[str, Any]]:
        body = {"transactions": list(transactions)}
        response = await self.client.post("/agent/suggestions", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return list(response.json()["items"])

    async def feedback(self, event_id: str, **body: Any) -> httpx.Response:
        return await self.client.post(f"/agent/suggestions/{event_id}/feedback", json=body, headers=USER)

    async def count(self, name: str, **labels: str) -> float:
        text = (await self.client.get("/metrics")).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def check(self) -> None:
        await self.service.watcher.check()


@asynccontextmanager
async def running(
    mounted: Mounted,
    registry: FakeRegistry,
    *,
    clock: FakeClock | None = None,
    store: Store | None = None,
    routing_key: str = "",
) -> AsyncIterator[Running]:
    if not (mounted.root / "model" / "model.json").exists():
        mounted.model(*registry.runs, *registry.refused)
    if not (mounted.root / "rules" / names.RULES_KEY).exists():
        mounted.rules(RULES)
    service = build_service(
        mounted.settings(routing_key=routing_key), clock=clock or FakeClock(), read=registry, store=store
    )
    api = create_api(service)
    async with api.router.lifespan_context(api):
        await service.runs.load()
        transport = httpx.ASGITransport(app=FastPath(api, service=service), raise_app_exceptions=False)
        hooks = {"response": [_search]}
        async with httpx.AsyncClient(transport=transport, base_url="http://pod", event_hooks=hooks) as client:
            yield Running(service, client)


async def _search(response: httpx.Response) -> None:
    await response.aread()
    assert_no_secret(f"{response.headers}\n{response.text}", response.request.url.path)


def bought(txn_id: str = "1", **fields: Any) -> dict[str, Any]:
    return {"txn_id": txn_id, "user_id": "u1", "merchant": "LOBLAWS #12", "amount": 3.2, **fields}
