"""The routes that operators, probes and Prometheus use."""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse

from serin_core.contract.pod_report import LoadState
from serin_server.http.auth import AdminOnly
from serin_server.http.schemas import Problem
from serin_server.metrics.exposition import Exposition
from serin_server.routing.serving_state import NamedRun
from serin_server.service import Service


def operation_routes(service: Service) -> APIRouter:
    """Answer the routes, bound to one process."""
    router, exposition = APIRouter(tags=["operations"]), Exposition()

    @router.get("/ml/status")
    async def status() -> dict[str, Any]:
        """Say what this pod serves: the operator reads revision, hash and runs; the rest is for people."""
        serving, now = service.switch.current, service.clock.monotonic()
        return {
            **service.report().model_dump(mode="json"),
            "pod": service.identity.pod,
            "ready": service.obstacle() is None,
            "obstacle": service.obstacle() or "",
            "shadow": serving.shadow,
            "percent": serving.percent,
            "candidate": None if serving.candidate is None else serving.candidate.served.run,
            "stable": None if serving.stable is None else serving.stable.served.run,
            "breakersOpen": [run for run, loaded in service.runs.loaded().items() if loaded.breaker.is_open(now)],
            "refusedDocuments": {reason.value: number for reason, number in service.counters.refused.items()},
        }

    @router.get("/ml/thresholds")
    async def thresholds() -> dict[str, Any]:
        """Say which confidence each class of each run in use needs."""
        serving = service.switch.current
        return {
            "revision": serving.revision,
            "candidate": _thresholds(serving.candidate),
            "stable": _thresholds(serving.stable),
        }

    @router.post(
        "/ml/v2/reload",
        dependencies=[Depends(AdminOnly(service.tokens))],
        responses={status: {"model": Problem} for status in (401, 403, 409)},
    )
    async def reload() -> dict[str, Any]:
        """Read the named runs again, beside those in use, and swap them; never any other run."""
        await service.reload()
        reports = service.runs.reports()
        for run in reports:
            if run.reason:
                kept = "; the one in use stays" if run.state is LoadState.LOADED else ""
                raise HTTPException(409, f"{run.run}: {run.reason}{kept}")
        return {"runs": [run.model_dump(mode="json") for run in reports]}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Expose every count, as docs/metrics.md says."""
        # Copied here, between two transactions; new series are written out in a thread, while requests go on.
        scrape = service.scrape()
        text = exposition.write(scrape) or await asyncio.to_thread(exposition.learn, scrape)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Say that the event loop turns."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"model": Problem}})
    async def readyz() -> dict[str, str]:
        """Say whether requests may be sent here."""
        obstacle = service.obstacle()
        if obstacle is not None:
            raise HTTPException(503, obstacle)
        return {"status": "ready"}

    return router


def _thresholds(named: NamedRun | None) -> dict[str, Any] | None:
    if named is None:
        return None
    served = named.served
    classes = () if named.loaded is None else named.loaded.predictor.classes
    return {
        "run": served.run,
        "calibration": served.calibration,
        **served.thresholds.model_dump(mode="json"),
        "classes": {label: served.thresholds.of(label) for label in classes},
    }
