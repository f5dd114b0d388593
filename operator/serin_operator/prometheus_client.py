"""Prometheus through `prometheus-api-client`, in a bounded thread pool with a deadline.

That client returns results only; a hook on its session checks the whole response first, so that a warning or a partial
response is never taken for data. Methods never raise: a result that cannot be used is Unreadable, with a reason. The
reason stays the same from check to check while the cause does, because it is part of a condition.

Each endpoint has one session for vectors and one for matrices, shared by all threads and never changed. Connections are
kept alive, and behind a load balancer mostly the same replica responds.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import isnan
from typing import Any, Final

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from serin_core.contract.addresses import display_address
from serin_core.counting.custom_counters import MAX_SERIES, Samples, of_one_replica, without
from serin_core.counting.number import SEVERAL, number_of
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series
from serin_operator.credentials import CredentialError
from serin_operator.error_causes import causes, root_cause
from serin_operator.prometheus_session import session_for
from serin_operator.settings import PrometheusEndpoint

log = logging.getLogger(__name__)
VECTOR: Final = "vector"
MATRIX: Final = "matrix"
NUMBER: Final = "number"
"""Any type of result that has one number: `serin_core.counting.number` says which."""
_EXACT: Final = {"nocache": "1", "max_source_resolution": "0s"}
"""Parameters that Prometheus ignores. Without the first, VictoriaMetrics returns results of 30 s ago; without the
second, Thanos may return downsampled ones."""
_VICTORIA_METRICS: Final = "X-Server-Hostname"
"""A header that VictoriaMetrics sends, and Prometheus does not."""
_CONNECTION_CLOSED: Final = (ConnectionResetError, BrokenPipeError)
_TRUNCATED: Final = "truncated due to limit"
"""The warning of Prometheus where more series match than the limit of the query."""


class _UnusableResponseError(Exception):
    """A response without complete and plain data."""


class _TooManySeriesError(Exception):
    """More series match than are counted; Prometheus has sent only some of them."""


class PrometheusClient:
    """Implements `interfaces.Prometheus`."""

    def __init__(
        self,
        endpoints: Mapping[str, PrometheusEndpoint],
        *,
        threads: int,
        record: Callable[[str, float], None] = lambda _endpoint, _seconds: None,
    ) -> None:
        self._record = record
        turns = {name: settings.max_concurrency or threads for name, settings in endpoints.items()}
        self._clients = {
            (name, kind): _Client(settings, kind, threads=turns[name])
            for name, settings in endpoints.items()
            for kind in (VECTOR, MATRIX, NUMBER)
        }
        self._replica_labels = {name: frozenset(settings.replica_labels) for name, settings in endpoints.items()}
        self._turns = {name: asyncio.Semaphore(most) for name, most in turns.items()}
        # An endpoint that hangs must not use up the threads of the others.
        self._pool = ThreadPoolExecutor(max_workers=sum(turns.values()) or 1, thread_name_prefix="prometheus")

    async def read(self, endpoint: str, query: str, *, limit: int | None = None) -> list[Series] | Unreadable:
        """See interfaces.Prometheus."""
        found = await self._query(endpoint, query, kind=VECTOR, at=None, limit=limit)
        if isinstance(found, Unreadable):
            return found
        replica_labels = self._replica_labels[endpoint]
        return [Series(labels=without(one["metric"], replica_labels), value=float(one["value"][1])) for one in found]

    async def read_number(self, endpoint: str, query: str) -> float | Unreadable:
        """See interfaces.Prometheus."""
        found = await self._query(endpoint, query, kind=NUMBER, at=None)
        return found if isinstance(found, Unreadable) else number_of(*found)

    async def read_samples(self, endpoint: str, query: str, at: float) -> list[Samples] | Unreadable:
        """See interfaces.Prometheus."""
        found = await self._query(endpoint, query, kind=MATRIX, at=at)
        if isinstance(found, Unreadable):
            return found
        samples = (
            Samples(one["metric"], tuple((float(when), float(value)) for when, value in one["values"])) for one in found
        )
        return of_one_replica(samples, self._replica_labels[endpoint])

    async def _query(
        self, endpoint: str, query: str, *, kind: str, at: float | None, limit: int | None = None
    ) -> list[Any] | Unreadable:
        client = self._clients.get((endpoint, kind))
        if client is None:
            known = ", ".join(sorted({name for name, _ in self._clients})) or "none"
            return Unreadable(
                "UnknownEndpoint", f"the operator is not configured for a Prometheus {endpoint!r} (configured: {known})"
            )
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with self._turns[endpoint], asyncio.timeout(client.timeout + 1):
                return await loop.run_in_executor(self._pool, partial(client.query, query, at=at, limit=limit))
        except TimeoutError:
            return Unreadable("Unreachable", f"Prometheus did not respond within {client.timeout:g} s")
        finally:
            self._record(endpoint, loop.time() - started)

    def close(self) -> None:
        """End the threads; running queries are abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()


class _Client:
    """One endpoint and one type of result. Its session is never changed, so that threads may share it."""

    def __init__(self, settings: PrometheusEndpoint, kind: str, *, threads: int) -> None:
        self._url, self.timeout = settings.url, settings.timeout_seconds
        self._takes_partial = settings.partial_response == "Warn"
        self._warned, self._kind, self._response = "", kind, threading.local()
        self._parameters = _EXACT | {
            "timeout": f"{self.timeout:g}s",
            "partial_response": str(self._takes_partial).lower(),  # of Thanos
            **({MATRIX: {"limit": str(MAX_SERIES)}, NUMBER: {"limit": "2"}}.get(kind, {})),
        }
        self._session = session_for(settings, threads=threads)
        self._session.hooks["response"] = [partial(self._check, kind)]
        self._prometheus = PrometheusConnect(url=settings.url.rstrip("/"), session=self._session, method="POST")

    def query(self, query: str, *, at: float | None, limit: int | None) -> list[Any] | Unreadable:
        """Return the result of a query, at a Unix time or now."""
        parameters = self._parameters | ({} if at is None else {"time": f"{at:.3f}"})
        parameters |= {} if limit is None else {"limit": str(limit)}
        try:
            try:
                return self._send(query, parameters)
            except requests.ConnectionError as error:
                # Prometheus or a proxy may close an idle connection just when it is used again.
                if not any(isinstance(cause, _CONNECTION_CLOSED) for cause in causes(error)):
                    raise
                return self._send(query, parameters)
        except _TooManySeriesError:
            many = Unreadable("TooManySeries", f"a selector matches more than {MAX_SERIES} series")
            return SEVERAL if self._kind == NUMBER else many
        except _UnusableResponseError as error:
            return Unreadable("QueryError", str(error))
        except CredentialError as error:
            return Unreadable("Unreachable", f"Prometheus cannot be queried: {error}")
        except (requests.RequestException, PrometheusApiClientException, OSError, UnicodeError) as error:
            return Unreadable("Unreachable", f"Prometheus cannot be queried: {root_cause(error, self._url)}")

    def _send(self, query: str, parameters: Mapping[str, str]) -> list[Any]:
        found: list[Any] = self._prometheus.custom_query(query, params=parameters, timeout=self.timeout)
        if self._kind == NUMBER:
            return [self._response.type, found]
        return _without_marks(found) if self._kind == MATRIX and self._response.has_marks else found

    def _check(self, kind: str, response: requests.Response, *_args: Any, **_kwargs: Any) -> None:
        warnings, self._response.type = _refuse_unusable(kind, response)
        self._response.has_marks = _VICTORIA_METRICS in response.headers
        if warnings and not self._takes_partial:
            raise _UnusableResponseError(f"Prometheus warns: {warnings}")
        if warnings not in ("", self._warned):
            log.warning("%s warns, and its results are used: %s", display_address(self._url), warnings)
        self._warned = warnings

    def close(self) -> None:
        """Close its connections."""
        self._session.close()


def _refuse_unusable(kind: str, response: requests.Response) -> tuple[str, str]:
    """Return the warnings of a response, and the type of its result.

    Raises _UnusableResponseError and HTTPError where it has no data.
    """
    if response.is_redirect:
        return "", ""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if response.status_code != requests.codes.ok:
        refused = body.get("error") if isinstance(body, dict) else None
        if refused:
            raise _UnusableResponseError(f"Prometheus refused the query ({response.status_code}): {str(refused)[:200]}")
        raise requests.HTTPError(f"HTTP {response.status_code} {response.reason or ''}".strip())
    # The client would parse it again.
    vars(response)["json"] = lambda: body
    if body is None:
        raise _UnusableResponseError("Prometheus returned something that is not JSON")
    if not isinstance(body, dict) or body.get("status") != "success":
        raise _UnusableResponseError(f"Prometheus refused the query: {str(body)[:200]}")
    if _TRUNCATED in str(body.get("warnings")):
        raise _TooManySeriesError
    data = body.get("data")
    found = str(data.get("resultType")) if isinstance(data, dict) else ""
    if not isinstance(data, dict) or (kind != NUMBER and (found != kind or not _is_complete(data.get("result"), kind))):
        raise _UnusableResponseError(f"Prometheus did not return a {kind}")
    warnings = list(map(str, body.get("warnings") or ()))
    if body.get("isPartial"):
        warnings.append("partial response of VictoriaMetrics, a vmstorage is not available")
    return "; ".join(warnings)[:200], found


def _without_marks(found: list[Any]) -> list[Any]:
    """Return series without NaN, by which VictoriaMetrics marks that one was missing from a scrape."""
    numbers = (one | {"values": [pair for pair in one["values"] if not isnan(float(pair[1]))]} for one in found)
    return [one for one in numbers if one["values"]]


def _is_complete(result: Any, kind: str) -> bool:
    """Return whether every series has labels and numeric values, unlike partial results and native histograms."""
    value = "value" if kind == VECTOR else "values"
    try:
        for one in result:
            if not all(isinstance(text, str) for text in one["metric"].values()):
                return False
            for when, number in [one[value]] if kind == VECTOR else one[value]:
                float(when), float(number)
    except (TypeError, KeyError, ValueError, AttributeError):
        return False
    return isinstance(result, list)
