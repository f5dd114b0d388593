"""Proxies that break things: one in front of the API server for each operator, one in front of Prometheus."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web

from faults.history import History

API_FAULTS = (
    "409",
    "410",
    "429",
    "500",
    "503",
    "reset",
    "lost answer",
    "slow",
    "cut",
    "silent",
    "late",
    "doubled",
    "lost",
)
"""What may happen to a request, or to a watch. lost answer: the request is carried out, and its answer lost."""
PROMETHEUS_FAULTS = (
    "away",
    "hangs",
    "slow",
    "empty",
    "old",
    "behind",
    "NaN",
    "HTML",
    "truncated",
    "warnings",
    "500",
    "half",
)
"""What may happen to a query.

old: an earlier answer; behind: that of a replica that is 10 s behind; half: without some targets.
"""
_OF_WATCHES = ("410", "cut", "silent", "late", "doubled", "lost", "slow")
_KEPT = ("Accept", "Content-Type", "User-Agent")
_NEVER = 3600.0
_KEEP_ANSWER = 0.1
_LOST = 0.5


@dataclass
class _Proxy:
    upstream: str
    history: History
    random: Random
    name: str
    fault: str = ""
    """The fault that is on, "" if none is."""
    share: float = 1.0
    """Share of the requests that it concerns."""
    hits: dict[str, int] = field(default_factory=dict)
    """Requests that each fault has concerned."""
    url: str = ""
    tls: ssl.SSLContext | None = None
    clock: timedelta = timedelta()
    """How far its clock is ahead."""

    def _strikes(self, *kinds: str) -> str:
        """Return the fault that concerns this request, "" for none."""
        if self.fault not in kinds or self.random.random() >= self.share:
            return ""
        self.hits[self.fault] = self.hits.get(self.fault, 0) + 1
        return self.fault

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen on a port of its own until the block ends."""
        application = web.Application(client_max_size=8 << 20)
        application.add_routes([web.route("*", "/{path:.*}", self.handle)])
        runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        connector = aiohttp.TCPConnector(ssl=self.tls if self.tls is not None else True, limit=0)
        async with aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), auto_decompress=True
        ) as self._session:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield
            finally:
                await runner.cleanup()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to one request."""
        raise NotImplementedError


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


@dataclass
class ApiProxy(_Proxy):
    """In front of the API server, for one operator."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to one request."""
        if "watch" in request.query:
            return await self._watch(request)
        writes = request.method != "GET"
        fault = self._strikes("429", "500", "503", "reset", "slow", *(("409", "lost answer") if writes else ()))
        match fault:
            case "409" | "429" | "500" | "503":
                headers = {"Retry-After": "1"} if fault in ("429", "503") else {}
                reason = {"409": "Conflict", "429": "TooManyRequests"}.get(fault, "InternalError")
                refusal = {
                    "kind": "Status",
                    "status": "Failure",
                    "code": int(fault),
                    "reason": reason,
                    "message": "a fault",
                }
                return web.json_response(refusal, status=int(fault), headers=headers)
            case "reset":
                return _abort(request)
            case "slow":
                await asyncio.sleep(self.random.uniform(0.2, 3))
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        data = await request.read() or None
        try:
            async with self._session.request(
                request.method, f"{self.upstream}{request.raw_path}", data=data, headers=headers
            ) as answer:
                body = await answer.read()
        except aiohttp.ClientError:
            return _abort(request)
        if writes:
            self.history.add("wrote", by=self.name, method=request.method, path=request.path, status=answer.status)
        if fault == "lost answer":
            return _abort(request)
        kept = {"Content-Type": answer.content_type, "Date": self._date()}
        return web.Response(status=answer.status, body=body, headers=kept)

    def _date(self) -> str:
        return format_datetime(datetime.now(UTC) + self.clock, usegmt=True)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        try:
            async with self._session.get(f"{self.upstream}{request.raw_path}", headers=headers) as answer:
                response = web.StreamResponse(
                    status=answer.status, headers={"Content-Type": answer.content_type, "Date": self._date()}
                )
                await response.prepare(request)
                with suppress(aiohttp.ClientConnectionResetError, asyncio.TimeoutError):
                    await self._forward(request, answer, response)
                return response
        except aiohttp.ClientError:
            return _abort(request)

    async def _forward(
        self, request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse
    ) -> None:
        buffer = b""
        lines = answer.content.iter_any().__aiter__()
        waiting = asyncio.ensure_future(lines.__anext__())
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=0.5)
                if not done:
                    if self.fault == "cut" and self._strikes("cut"):
                        _abort(request)
                        return
                    continue
                try:
                    chunk = waiting.result()
                except StopAsyncIteration:
                    return
                waiting = asyncio.ensure_future(lines.__anext__())
                *whole, buffer = (buffer + chunk).split(b"\n")
                for line in whole:
                    match self._strikes(*_OF_WATCHES):
                        case "410":
                            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
                            await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
                            return
                        case "cut":
                            _abort(request)
                            return
                        case "silent":
                            await asyncio.sleep(self.random.uniform(5, 40))
                        case "late" | "slow":
                            await asyncio.sleep(self.random.uniform(0.1, 2))
                        case "doubled":
                            await response.write(line + b"\n")
                        case "lost":
                            continue
                    await response.write(line + b"\n")
        finally:
            waiting.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, aiohttp.ClientError):
                await waiting


@dataclass
class PrometheusProxy(_Proxy):
    """In front of Prometheus, for all operators."""

    _first: dict[str, bytes] = field(default_factory=dict)
    """An earlier answer to each query."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to one query."""
        fault = self._strikes(*PROMETHEUS_FAULTS)
        match fault:
            case "away":
                return _abort(request)
            case "hangs":
                await asyncio.sleep(_NEVER)
            case "slow":
                await asyncio.sleep(self.random.uniform(0.5, 6))
            case "HTML":
                return web.Response(text="<html><body>Sign in</body></html>", content_type="text/html")
            case "500":
                return web.Response(status=500, text="internal error")
            case "empty":
                return web.json_response({"status": "success", "data": {"resultType": "vector", "result": []}})
        form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True)) | dict(request.query)
        if fault == "behind" or self.clock:
            at = datetime.now(UTC).timestamp() + self.clock.total_seconds() - (10 if fault == "behind" else 0)
            form["time"] = f"{at:.3f}"
        try:
            async with self._session.post(
                f"{self.upstream}{request.path}",
                data=urlencode(form),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            ) as answer:
                body, status = await answer.read(), answer.status
        except aiohttp.ClientError:
            return _abort(request)
        self.history.add("queried", fault=fault, status=status)
        if status == web.HTTPOk.status_code and fault in ("old", "NaN", "truncated", "warnings", "half"):
            body = self._first.get(form["query"], body) if fault == "old" else self._spoilt(fault, body)
        elif not fault and (form["query"] not in self._first or self.random.random() < _KEEP_ANSWER):
            self._first[form["query"]] = body
        return web.Response(status=status, body=body, content_type="application/json")

    def _spoilt(self, fault: str, body: bytes) -> bytes:
        if fault == "truncated":
            return body[: len(body) // 2]
        found: dict[str, Any] = json.loads(body)
        if fault == "warnings":
            return json.dumps(found | {"warnings": ["a store is not available"]}).encode()
        result = found["data"]["result"]
        if fault == "half":
            seen = {one["metric"].get("serin_process", "") for one in result}
            lost = {process for process in seen if process and self.random.random() < _LOST}
            found["data"]["result"] = [one for one in result if one["metric"].get("serin_process", "") not in lost]
        else:
            for one in result:
                if "value" in one:
                    one["value"][1] = "NaN"
        return json.dumps(found).encode()
