"""Routes for the operator: the status of this pod, and the routing that it is sent."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from serin_core.contract import names, pushed_routing
from serin_core.contract.pushed_routing import PushedRouting
from serin_server.http.content_type import json_only
from serin_server.http.schemas import problem_responses
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


def status_routes(service: Service) -> APIRouter:
    """Return the routes of one process."""
    router = APIRouter(tags=["operations"])

    @router.get("/ml/status", summary="Status of this pod", responses=problem_responses(422))
    async def status(request: Request, known: KnownDigests = "") -> dict[str, Any]:
        """Return the routing and the runs of this pod; the operator reads revision, hash and runs."""
        return await _status(service, request, known)

    @router.post(
        pushed_routing.PATH,
        summary="Send the routing to this pod",
        dependencies=[Depends(json_only)],
        responses=problem_responses(400, 403, 409, 413, 415, 422),
    )
    async def receive(pushed: PushedRouting, request: Request, known: KnownDigests = "") -> dict[str, Any]:
        """Apply a routing document that the operator of this pod has signed, and return the status as GET /ml/status.

        A document of another resource, or of a revision below one that was served, is ignored: the status shows it.
        """
        await service.receive(pushed)
        return await _status(service, request, known)

    @router.get("/ml/thresholds", summary="Confidence thresholds")
    async def thresholds() -> dict[str, Any]:
        """Return the minimum confidence of each class, for the candidate and the stable run."""
        serving = service.switch.current
        return {
            "revision": serving.revision,
            "candidate": _thresholds(serving.candidate),
            "stable": _thresholds(serving.stable),
        }

    return router


async def _status(service: Service, request: Request, known: str) -> dict[str, Any]:
    # A probe, a scrape or a user's curl does not send this header, and is no supervision.
    is_operator = request.headers.get(names.SUPERVISION_HEADER) == service.identity.uid
    supervision = await service.supervision.hear() if is_operator else service.supervision.report()
    serving, now = service.switch.current, service.clock.monotonic()
    reason = service.not_ready_reason()
    report = service.report().without_quality(known.split(",")).model_copy(update={"supervision": supervision})
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
