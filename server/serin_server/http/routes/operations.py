"""Routes for the operator, Kubernetes probes and Prometheus."""

import asyncio
from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse

from serin_core.contract import names
from serin_core.contract.pod_report import LoadState, SupervisionReport
from serin_server.http.auth import admin_only
from serin_server.http.schemas import ErrorResponse
from serin_server.metrics.exposition import Exposition
from serin_server.routing.serving_state import NamedRun
from serin_server.service import Service

KnownDigests = Annotated[
    str,
    Query(
        alias=names.KNOWN_DIGESTS,
        description="Digests of runs, separated by commas, whose `quality` is left out because the caller has it.",
        max_length=8192,
    ),
]


def operation_routes(service: Service) -> APIRouter:
    """Return the routes of one process."""
    router, exposition = APIRouter(tags=["operations"]), Exposition()

    @router.get("/ml/status", summary="Status of this pod")
    async def status(request: Request, known: KnownDigests = "") -> dict[str, Any]:
        """Return the routing and the runs of this pod; the operator reads revision, hash and runs."""
        # A probe, a scrape or a user's curl does not send this header, and is no supervision.
        is_operator = request.headers.get(names.SUPERVISION_HEADER) == service.identity.uid
        before = await service.supervision.hear() if is_operator else service.supervision.report()
        return _status(service, before, known=known.split(","))

    @router.get("/ml/thresholds", summary="Confidence thresholds")
    async def thresholds() -> dict[str, Any]:
        """Return the minimum confidence of each class, for the candidate and the stable run."""
        serving = service.switch.current
        return {
            "revision": serving.revision,
            "candidate": _thresholds(serving.candidate),
            "stable": _thresholds(serving.stable),
        }

    @router.post(
        "/ml/v2/reload",
        summary="Reload the runs",
        dependencies=[Depends(admin_only(service.tokens))],
        responses={status: {"model": ErrorResponse} for status in (401, 403, 409)},
    )
    async def reload() -> dict[str, Any]:
        """Read the runs of this pod from the registry again; each stays in use until its replacement is checked."""
        await service.reload()
        reports = service.runs.reports()
        for run in reports:
            if run.reason:
                kept = "; the loaded run stays in use" if run.state is LoadState.LOADED else ""
                raise HTTPException(409, f"{run.run}: {run.reason}{kept}")
        return {"runs": [run.model_dump(mode="json") for run in reports]}

    @router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return all metrics in the text format of Prometheus; docs/metrics.md describes them."""
        # Copied here, between two transactions; new series are rendered in a thread, while requests go on.
        scrape = service.scrape()
        text = exposition.write(scrape) or await asyncio.to_thread(exposition.learn, scrape)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    @router.get("/healthz", summary="Liveness probe")
    async def healthz() -> dict[str, str]:
        """Return 200 while the process responds."""
        return {"status": "ok"}

    @router.get("/readyz", summary="Readiness probe", responses={503: {"model": ErrorResponse}})
    async def readyz() -> dict[str, str]:
        """Return 200 if requests may be sent to this pod, else 503 with the reason."""
        reason = service.not_ready_reason()
        if reason is not None:
            raise HTTPException(503, reason)
        return {"status": "ready"}

    return router


def _status(service: Service, supervision: SupervisionReport, *, known: Collection[str]) -> dict[str, Any]:
    serving, now = service.switch.current, service.clock.monotonic()
    reason = service.not_ready_reason()
    report = service.report().without_quality(known).model_copy(update={"supervision": supervision})
    return {
        **report.model_dump(mode="json"),
        "pod": service.identity.pod,
        "ready": reason is None,
        "obstacle": reason or "",
        "shadow": serving.shadow,
        "percent": serving.percent,
        "unsupervised": serving.is_unsupervised,
        "candidate": None if serving.candidate is None else serving.candidate.served.run,
        "stable": None if serving.stable is None else serving.stable.served.run,
        "breakersOpen": [run for run, loaded in service.runs.loaded().items() if loaded.breaker.is_open(now)],
        "refusedDocuments": {reason.value: number for reason, number in service.counters.refused.items()},
    }


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
