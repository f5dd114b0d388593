"""Prometheus through `prometheus-api-client`, in a bounded thread pool with a deadline.

That client hands out bare results; a hook on its session looks at the whole answer first, so that a warning or a
partial answer is never taken for data. It never raises: what cannot be counted on is Unreadable, with the reason. The
reason is the same at every look while the cause is the same: it stands in a condition.

Each endpoint has one session for vectors and one for matrices, used by all threads; nothing of them changes once they
are made. So connections are kept, and behind one address the same replica tends to answer.
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

from serin_core.contract.addresses import display_address
from serin_core.counting import MOST_SERIES, Samples, Series, Unreadable, of_one_replica, without
from serin_operator.settings import PrometheusEndpoint

VECTOR: Final = "vector"
MATRIX: Final = "matrix"
_ENDED: Final = (ConnectionResetError, BrokenPipeError)
_CUT_SHORT: Final = "truncated due to limit"
"""Prometheus' own words where an answer has more series than were asked for."""


class _UnusableAnswerError(Exception):
    """Prometheus answered, but not with whole and plain data."""


class _TooManySeriesError(Exception):
    """Prometheus has more series than are followed; it was asked not to send them."""


class PrometheusApi:
    """Implements `ports.Metrics`."""

    def __init__(self, endpoints: Mapping[str, PrometheusEndpoint], *, threads: int) -> None:
        self._clients = {
            (name, kind): _Client(settings, kind, threads=threads)
            for name, settings in endpoints.items()
            for kind in (VECTOR, MATRIX)
        }
        self._replica_labels = {name: frozenset(settings.replica_labels) for name, settings in endpoints.items()}
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="prometheus")

    async def read(self, endpoint: str, query: str) -> list[Series] | Unreadable:
        """See ports.Metrics."""
        found = await self._answer(endpoint, query, kind=VECTOR, at=None)
        if isinstance(found, Unreadable):
            return found
        apart = self._replica_labels[endpoint]
        return [Series(labels=without(one["metric"], apart), value=float(one["value"][1])) for one in found]

    async def read_samples(self, endpoint: str, query: str, at: float) -> list[Samples] | Unreadable:
        """See ports.Metrics."""
        found = await self._answer(endpoint, query, kind=MATRIX, at=at)
        if isinstance(found, Unreadable):
            return found
        samples = (
            Samples(one["metric"], tuple((float(when), float(value)) for when, value in one["values"])) for one in found
        )
        return of_one_replica(samples, self._replica_labels[endpoint])

    async def _answer(self, endpoint: str, query: str, *, kind: str, at: float | None) -> list[Any] | Unreadable:
        client = self._clients.get((endpoint, kind))
        if client is None:
            known = ", ".join(sorted({name for name, _ in self._clients})) or "none"
            return Unreadable("UnknownEndpoint", f"the operator knows no Prometheus {endpoint!r} (it knows: {known})")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(client.timeout + 1):
                return await loop.run_in_executor(self._pool, partial(client.ask, query, at=at))
        except TimeoutError:
            return Unreadable("Unreachable", f"Prometheus did not answer within {client.timeout:g} s")

    def close(self) -> None:
        """End the threads; a query under way is abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()


class _Client:
    """One endpoint and one kind of answer. Its session is never changed, so that threads may share it."""

    def __init__(self, settings: PrometheusEndpoint, kind: str, *, threads: int) -> None:
        self._url, self.timeout = settings.url, settings.timeout_seconds
        self._parameters = {"timeout": f"{self.timeout:g}s"} | ({"limit": str(MOST_SERIES)} if kind == MATRIX else {})
        self._session = _FormSession()
        self._session.hooks["response"] = [partial(_refuse_unusable, kind)]
        # What the environment says of proxies and certificates is asked once, and not again at every query.
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
        # In place of the client's own, which keeps ten connections and tries again where it should not.
        self._session.mount(settings.url.rstrip("/"), HTTPAdapter(pool_maxsize=threads, max_retries=Retry(total=0)))

    def ask(self, query: str, *, at: float | None) -> list[Any] | Unreadable:
        """Answer the result of one query."""
        parameters = self._parameters | ({} if at is None else {"time": f"{at:.3f}"})
        try:
            try:
                return self._query(query, parameters)
            except requests.ConnectionError as error:
                # Prometheus, or a proxy, may end a connection in the very moment in which it is used again.
                if not any(isinstance(cause, _ENDED) for cause in _causes(error)):
                    raise
                return self._query(query, parameters)
        except _TooManySeriesError:
            return Unreadable("TooManySeries", f"a selector matches more than {MOST_SERIES} series")
        except _UnusableAnswerError as error:
            return Unreadable("QueryError", str(error))
        except (requests.RequestException, PrometheusApiClientException, OSError, UnicodeError) as error:
            return Unreadable("Unreachable", f"Prometheus cannot be asked: {_cause(error, self._url)}")

    def _query(self, query: str, parameters: Mapping[str, str]) -> list[Any]:
        found: list[Any] = self._prometheus.custom_query(query, params=parameters, timeout=self.timeout)
        return found

    def close(self) -> None:
        """End its connections."""
        self._session.close()


class _FormSession(requests.Session):
    """Sends what the client would put into the address as a form: proxies bound addresses, and queries are long."""

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """See requests.Session."""
        if method == "POST":
            kwargs["data"] = kwargs.pop("params", None)
        return super().request(method, url, *args, **kwargs)


class _Bearer(AuthBase):
    """Sends a token that is read at every query, so that it may be rotated. Raises OSError."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._file.read_text(encoding='utf-8').strip()}"
        return request


def _refuse_unusable(kind: str, response: requests.Response, *_args: Any, **_kwargs: Any) -> None:
    if response.is_redirect:
        return
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        answer = None
    if response.status_code != requests.codes.ok:
        refused = answer.get("error") if isinstance(answer, dict) else None
        if refused:
            raise _UnusableAnswerError(f"Prometheus refused the query ({response.status_code}): {str(refused)[:200]}")
        raise requests.HTTPError(f"HTTP {response.status_code} {response.reason or ''}".strip())
    if answer is None:
        raise _UnusableAnswerError("Prometheus answered with something that is not JSON")
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise _UnusableAnswerError(f"Prometheus refused the query: {str(answer)[:200]}")
    if _CUT_SHORT in str(answer.get("warnings")):
        raise _TooManySeriesError
    if answer.get("warnings"):
        raise _UnusableAnswerError(f"Prometheus warns: {'; '.join(map(str, answer['warnings']))[:200]}")
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") != kind or not _is_whole(data.get("result"), kind):
        raise _UnusableAnswerError(f"Prometheus did not answer with a {kind}")


def _is_whole(result: Any, kind: str) -> bool:
    """Answer whether every series has labels and values that are numbers: not half an answer, nor native histograms."""
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


def _cause(error: Exception, url: str) -> str:
    """Say the innermost reason. The layers around it name the whole URL, and with it the time of the query."""
    host = urlsplit(display_address(url)).hostname or display_address(url)
    causes = list(_causes(error))
    said = (words for cause in reversed(causes) if (words := _words(cause, host)))
    return next(said, type(causes[-1]).__name__)


def _words(cause: BaseException, host: str) -> str:
    """Say a cause that a person can act on, "" for a layer around one."""
    words = ""
    match cause:
        case socket.gaierror():
            words = f"cannot resolve {host}"
        case ConnectionRefusedError():
            words = f"connection refused by {host}"
        case TimeoutError() | requests.Timeout():
            words = f"{host} timed out"
        case ssl.SSLCertVerificationError(verify_message=message):
            words = f"the certificate of {host} is not trusted: {message}"
        case requests.HTTPError():
            words = str(cause)
        case OSError(strerror=str(message), filename=place):
            words = message if place is None else f"{message}: {place}"
    return words


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Go inwards from an error through all that it wraps; requests and urllib3 each wrap in a way of their own."""
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        wrapped = [one for one in (getattr(inner, "reason", None), *inner.args) if isinstance(one, BaseException)]
        inner = next(iter(wrapped), None) or inner.__cause__ or inner.__context__
