"""Routes for administrators, Kubernetes probes and Prometheus."""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse

from serin_core.contract.pod_report import LoadState
from serin_server.http.auth import admin_only
from serin_server.http.problems import Code, ProblemError
from serin_server.http.schemas import problem_responses
from serin_server.metrics.exposition import Exposition
from serin_server.service import Service


def operation_routes(service: Service) -> APIRouter:
    """Return the routes of one process."""
    router, exposition = APIRouter(tags=["operations"]), Exposition()

    @router.post(
        "/ml/v2/reload",
        summary="Reload the runs",
        dependencies=[Depends(admin_only(service.tokens))],
        responses=problem_responses(401, 403, 409, 429),
    )
    async def reload() -> dict[str, Any]:
        """Read the runs of this pod from the registry again; each stays in use until its replacement is checked."""
        service.reload_limit.take()
        await service.reload()
        reports = service.runs.reports()
        for run in reports:
            if run.reason:
                kept = "; the loaded run stays in use" if run.state is LoadState.LOADED else ""
                raise ProblemError(409, Code.RELOAD_FAILED, f"{run.run}: {run.reason}{kept}")
        return {"runs": [run.model_dump(mode="json") for run in reports]}

    @router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return all metrics in the text format of Prometheus; docs/metrics.md describes them."""
        # Copied here, between two transactions; new or many series are rendered in a thread, while requests go on.
        scrape = service.scrape()
        text = None if exposition.is_large else exposition.write(scrape)
        text = text or await asyncio.to_thread(exposition.render, scrape)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    @router.get("/healthz", summary="Liveness probe")
    async def healthz() -> dict[str, str]:
        """Return 200 while the process responds."""
        return {"status": "ok"}

    @router.get("/readyz", summary="Readiness probe", responses=problem_responses(503))
    async def readyz() -> dict[str, str]:
        """Return 200 if requests may be sent to this pod, else 503 with the reason."""
        reason = service.not_ready_reason()
        if reason is not None:
            raise ProblemError(503, Code.NOT_READY, reason)
        return {"status": "ready"}

    return router
