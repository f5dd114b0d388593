"""Prometheus through `prometheus-api-client`, in a bounded thread pool with a deadline.

That client returns results only; a hook on its session checks the whole response first, so that a warning or a partial
response is never taken for data. Methods never raise: a result that cannot be used is Unreadable, with a reason. The
reason stays the same from check to check while the cause does, because it is part of a condition.

Each endpoint has one session for vectors and one for matrices, shared by all threads and never changed. Connections are
kept alive, and behind a load balancer mostly the same replica responds.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from serin_core.contract.addresses import display_address
from serin_core.counting.custom_counters import MAX_SERIES, Samples, of_one_replica, without
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series
from serin_operator.settings import PrometheusEndpoint

VECTOR: Final = "vector"
MATRIX: Final = "matrix"
_CONNECTION_CLOSED: Final = (ConnectionResetError, BrokenPipeError)
_TRUNCATED: Final = "truncated due to limit"
"""The warning of Prometheus where more series match than the limit of the query."""


class _UnusableResponseError(Exception):
    """A response without complete and plain data."""


class _TooManySeriesError(Exception):
    """More series match than are counted; Prometheus has sent only some of them."""


class PrometheusClient:
    """Implements `interfaces.Prometheus`."""

    def __init__(self, endpoints: Mapping[str, PrometheusEndpoint], *, threads: int) -> None:
        self._clients = {
            (name, kind): _Client(settings, kind, threads=threads)
            for name, settings in endpoints.items()
            for kind in (VECTOR, MATRIX)
        }
        self._replica_labels = {name: frozenset(settings.replica_labels) for name, settings in endpoints.items()}
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="prometheus")

    async def read(self, endpoint: str, query: str) -> list[Series] | Unreadable:
        """See interfaces.Prometheus."""
        found = await self._query(endpoint, query, kind=VECTOR, at=None)
        if isinstance(found, Unreadable):
            return found
        replica_labels = self._replica_labels[endpoint]
        return [Series(labels=without(one["metric"], replica_labels), value=float(one["value"][1])) for one in found]

    async def read_samples(self, endpoint: str, query: str, at: float) -> list[Samples] | Unreadable:
        """See interfaces.Prometheus."""
        found = await self._query(endpoint, query, kind=MATRIX, at=at)
        if isinstance(found, Unreadable):
            return found
        samples = (
            Samples(one["metric"], tuple((float(when), float(value)) for when, value in one["values"])) for one in found
        )
        return of_one_replica(samples, self._replica_labels[endpoint])

    async def _query(self, endpoint: str, query: str, *, kind: str, at: float | None) -> list[Any] | Unreadable:
        client = self._clients.get((endpoint, kind))
        if client is None:
            known = ", ".join(sorted({name for name, _ in self._clients})) or "none"
            return Unreadable(
                "UnknownEndpoint", f"the operator is not configured for a Prometheus {endpoint!r} (configured: {known})"
            )
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(client.timeout + 1):
                return await loop.run_in_executor(self._pool, partial(client.query, query, at=at))
        except TimeoutError:
            return Unreadable("Unreachable", f"Prometheus did not respond within {client.timeout:g} s")

    def close(self) -> None:
        """End the threads; running queries are abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()


class _Client:
    """One endpoint and one type of result. Its session is never changed, so that threads may share it."""

    def __init__(self, settings: PrometheusEndpoint, kind: str, *, threads: int) -> None:
        self._url, self.timeout = settings.url, settings.timeout_seconds
        self._parameters = {"timeout": f"{self.timeout:g}s"} | ({"limit": str(MAX_SERIES)} if kind == MATRIX else {})
        self._session = _FormSession()
        self._session.hooks["response"] = [partial(_refuse_unusable, kind)]
        # Proxies and certificates from the environment are read once, not at every query.
        environment = self._session.merge_environment_settings(
            settings.url, {}, None, None if settings.ca_file is None else str(settings.ca_file), None
        )
        self._session.proxies, self._session.verify = environment["proxies"], environment["verify"]
        self._session.trust_env = False
        self._prometheus = PrometheusConnect(
            url=settings.url.rstrip("/"),
            auth=None if settings.bearer_token_file is None else _Bearer(settings.bearer_token_file),
            session=self._session,
            method="POST",
        )
        # Replaces the client's own adapter, which keeps ten connections and retries where it must not.
        self._session.mount(settings.url.rstrip("/"), _Adapter(pool_maxsize=threads, max_retries=Retry(total=0)))

    def query(self, query: str, *, at: float | None) -> list[Any] | Unreadable:
        """Return the result of a query, at a Unix time or now."""
        parameters = self._parameters | ({} if at is None else {"time": f"{at:.3f}"})
        try:
            try:
                return self._send(query, parameters)
            except requests.ConnectionError as error:
                # Prometheus or a proxy may close an idle connection just when it is used again.
                if not any(isinstance(cause, _CONNECTION_CLOSED) for cause in _causes(error)):
                    raise
                return self._send(query, parameters)
        except _TooManySeriesError:
            return Unreadable("TooManySeries", f"a selector matches more than {MAX_SERIES} series")
        except _UnusableResponseError as error:
            return Unreadable("QueryError", str(error))
        except (requests.RequestException, PrometheusApiClientException, OSError, UnicodeError) as error:
            return Unreadable("Unreachable", f"Prometheus cannot be queried: {_root_cause(error, self._url)}")

    def _send(self, query: str, parameters: Mapping[str, str]) -> list[Any]:
        found: list[Any] = self._prometheus.custom_query(query, params=parameters, timeout=self.timeout)
        return found

    def close(self) -> None:
        """Close its connections."""
        self._session.close()


class _Adapter(HTTPAdapter):
    """Verifies certificates as Python did before 3.13, like the connection to the API server (see watch.py)."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """See HTTPAdapter."""
        context = create_urllib3_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        super().init_poolmanager(*args, **kwargs, ssl_context=context)


class _FormSession(requests.Session):
    """Sends parameters as a form instead of in the URL: queries are long, and proxies limit the length of URLs."""

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """See requests.Session."""
        if method == "POST":
            kwargs["data"] = kwargs.pop("params", None)
        return super().request(method, url, *args, **kwargs)


class _Bearer(AuthBase):
    """Sends a token that is read from its file at every query, so that it may be rotated. Raises OSError."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._file.read_text(encoding='utf-8').strip()}"
        return request


def _refuse_unusable(kind: str, response: requests.Response, *_args: Any, **_kwargs: Any) -> None:
    if response.is_redirect:
        return
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if response.status_code != requests.codes.ok:
        refused = body.get("error") if isinstance(body, dict) else None
        if refused:
            raise _UnusableResponseError(f"Prometheus refused the query ({response.status_code}): {str(refused)[:200]}")
        raise requests.HTTPError(f"HTTP {response.status_code} {response.reason or ''}".strip())
    if body is None:
        raise _UnusableResponseError("Prometheus returned something that is not JSON")
    if not isinstance(body, dict) or body.get("status") != "success":
        raise _UnusableResponseError(f"Prometheus refused the query: {str(body)[:200]}")
    if _TRUNCATED in str(body.get("warnings")):
        raise _TooManySeriesError
    if body.get("warnings"):
        raise _UnusableResponseError(f"Prometheus warns: {'; '.join(map(str, body['warnings']))[:200]}")
    data = body.get("data")
    if not isinstance(data, dict) or data.get("resultType") != kind or not _is_complete(data.get("result"), kind):
        raise _UnusableResponseError(f"Prometheus did not return a {kind}")


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


def _root_cause(error: Exception, url: str) -> str:
    """Return the innermost cause. The exceptions around it repeat the whole URL, and with it the time of the query."""
    host = urlsplit(display_address(url)).hostname or display_address(url)
    causes = list(_causes(error))
    descriptions = (text for cause in reversed(causes) if (text := _describe(cause, host)))
    return next(descriptions, type(causes[-1]).__name__)


def _describe(cause: BaseException, host: str) -> str:
    """Return a cause that a user can act on, "" for an exception that only wraps one."""
    text = ""
    match cause:
        case socket.gaierror():
            text = f"cannot resolve {host}"
        case ConnectionRefusedError():
            text = f"connection refused by {host}"
        case TimeoutError() | requests.Timeout():
            text = f"{host} timed out"
        case ssl.SSLCertVerificationError(verify_message=message):
            text = f"the certificate of {host} is not trusted: {message}"
        case requests.HTTPError():
            text = str(cause)
        case OSError(strerror=str(message), filename=place):
            text = message if place is None else f"{message}: {place}"
    return text


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it wraps, outermost first; requests and urllib3 wrap them in different ways."""
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        wrapped = [one for one in (getattr(inner, "reason", None), *inner.args) if isinstance(one, BaseException)]
        inner = next(iter(wrapped), None) or inner.__cause__ or inner.__context__
