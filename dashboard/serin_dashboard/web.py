"""Routes of the dashboard: overview, one SuggestionModel, and the stream that tells open pages of changes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from serin_cli.action_plans import offered
from serin_dashboard.access import Check, Guard
from serin_dashboard.acting import describe_requests
from serin_dashboard.action_routes import Actions, routes
from serin_dashboard.detail import detail_of
from serin_dashboard.overview import Row, rows_of
from serin_dashboard.pages import Pages, problem_page
from serin_dashboard.reading import Reader
from serin_dashboard.store import Key, Store

_STATIC: Final = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
_POLL: Final = 0.5
"""Seconds between two looks at the store, in memory; changes in between are one event."""
_TICK: Final = 20.0
"""Seconds after which a page is refreshed although nothing changed: it shows ages."""


def build(  # noqa: PLR0913 - what the routes work with, given by name
    store: Store,
    reader: Reader,
    access: Check,
    *,
    scope: str,
    clock: Callable[[], datetime],
    actions: Actions | None = None,
    others: Iterable[APIRouter] = (),
    poll: float = _POLL,
) -> Guard:
    """Return the application. `scope` says which namespaces are shown, `clock` returns the time in UTC.

    Without `actions`, pages can only be read. `others` are further routes, such as those of probes.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, _problem)

    pages = Pages(store, scope, clock)
    page = pages.page
    for router in (*others, *([] if actions is None else [routes(actions, pages)])):
        app.include_router(router)

    @app.get("/", response_class=HTMLResponse)
    def overview(q: Annotated[str, Query(max_length=100)] = "") -> HTMLResponse:
        version, wanted = store.version(), q.strip().lower()
        rows = rows_of(store.entries(), now=clock())
        shown = [row for row in rows if _matches(row, wanted)]
        return page("overview.html.j2", version=version, events="/events", rows=shown, total=len(rows), q=q)

    @app.get("/models/{namespace}/{name}", response_class=HTMLResponse)
    def model(namespace: str, name: str) -> HTMLResponse:
        key = (namespace, name)
        version, entry = store.version(key), store.get(key)
        if entry is None and not store.has_read(namespace):
            raise HTTPException(503, "The SuggestionModels have not been read from the cluster yet.")
        if entry is None:
            raise HTTPException(404, f"There is no SuggestionModel {name} in the namespace {namespace}.")
        detail = detail_of(entry, reader.read(key), now=clock())
        return page(
            "detail.html.j2",
            version=version,
            events=f"/events/{namespace}/{name}",
            detail=detail,
            actions=() if actions is None or entry.problem else offered(entry.live),
            requests=describe_requests(entry.live, now=clock()),
        )

    @app.get("/events")
    def all_events(since: int = -1, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
        return _stream(store, None, _seen(since, last_event_id), poll)

    @app.get("/events/{namespace}/{name}")
    def events_of_model(
        namespace: str, name: str, since: int = -1, last_event_id: Annotated[str | None, Header()] = None
    ) -> StreamingResponse:
        return _stream(store, (namespace, name), _seen(since, last_event_id), poll)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in _STATIC:
            raise HTTPException(404, "There is no such file.")
        return Response(_static(name), media_type=_STATIC[name])

    return Guard(app, access)


def _static(name: str) -> bytes:
    """Return a file of the pages; the stylesheet begins with what all pages of Serin share."""
    own = files("serin_dashboard").joinpath("static", name).read_bytes()
    return files("serin_core").joinpath("pages", "base.css").read_bytes() + own if name == "style.css" else own


def _matches(row: Row, wanted: str) -> bool:
    """Return whether a row has the wanted words somewhere."""
    texts = (row.namespace, row.name, row.phase, row.reason, row.run, row.attention.label)
    return all(any(word in text.lower() for text in texts) for word in wanted.split())


def _seen(since: int, last_event_id: str | None) -> int:
    """Return the version that a page shows: that of the last event, or with which it was made."""
    return int(last_event_id) if last_event_id and last_event_id.isdecimal() else since


def _stream(store: Store, key: Key | None, seen: int, poll: float) -> StreamingResponse:
    return StreamingResponse(
        changes(store, key, seen, poll=poll), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def changes(store: Store, key: Key | None, seen: int, *, poll: float) -> AsyncIterator[str]:
    """Yield an event whenever the page that shows version `seen` is out of date, and now and then for its ages.

    Ends when the store is closed.
    """
    yield ": connected\n\n"
    waited = 0.0
    while not store.is_closed:
        version = store.version(key)
        if version != seen or waited >= _TICK:
            seen, waited = version, 0.0
            yield f"id: {version}\nevent: changed\ndata: {version}\n\n"
        await asyncio.sleep(poll)
        waited += poll


def _problem(_request: Request, error: Exception) -> Response:
    status, message = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    title = {404: "Not found", 405: "Not allowed", 503: "Not ready"}.get(status, "Not possible")
    return problem_page(status, title, message)
