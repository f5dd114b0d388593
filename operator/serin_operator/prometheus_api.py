"""Prometheus through `prometheus-api-client`, in a bounded thread pool with a deadline.

That client hands out bare results; a hook on its session looks at the whole answer first, so that a warning or a
partial answer is never taken for data. It never raises: what cannot be counted on is Unreadable, with the reason. The
reason is the same at every look while the cause is the same: it stands in a condition.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from serin_core.counting import Samples, Series, Unreadable
from serin_operator.settings import PrometheusEndpoint


class _UnusableAnswerError(Exception):
    """Prometheus answered, but not with whole and plain data."""


class PrometheusApi:
    """Implements `ports.Metrics`."""

    def __init__(self, endpoints: Mapping[str, PrometheusEndpoint], *, threads: int) -> None:
        self._endpoints = endpoints
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="prometheus")

    async def read(self, endpoint: str, query: str) -> list[Series] | Unreadable:
        """See ports.Metrics."""
        found = await self._answer(endpoint, query, kind="vector", at=None)
        if isinstance(found, Unreadable):
            return found
        return [Series(labels=one["metric"], value=float(one["value"][1])) for one in found]

    async def read_samples(self, endpoint: str, query: str, at: float) -> list[Samples] | Unreadable:
        """See ports.Metrics."""
        found = await self._answer(endpoint, query, kind="matrix", at=at)
        if isinstance(found, Unreadable):
            return found
        return [
            Samples(one["metric"], tuple((float(when), float(value)) for when, value in one["values"])) for one in found
        ]

    async def _answer(self, endpoint: str, query: str, *, kind: str, at: float | None) -> list[Any] | Unreadable:
        settings = self._endpoints.get(endpoint)
        if settings is None:
            known = ", ".join(sorted(self._endpoints)) or "none"
            return Unreadable("UnknownEndpoint", f"the operator knows no Prometheus {endpoint!r} (it knows: {known})")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(settings.timeout_seconds + 1):
                return await loop.run_in_executor(self._pool, partial(_ask, settings, query, kind=kind, at=at))
        except TimeoutError:
            return Unreadable("Unreachable", f"Prometheus did not answer within {settings.timeout_seconds:g} s")

    def close(self) -> None:
        """End the threads; a query under way is abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _ask(settings: PrometheusEndpoint, query: str, *, kind: str, at: float | None) -> list[Any] | Unreadable:
    session = requests.Session()
    session.hooks["response"] = [partial(_refuse_unusable, kind)]
    if settings.ca_file is not None:
        session.verify = str(settings.ca_file)
    parameters = {"timeout": f"{settings.timeout_seconds:g}s"} | ({} if at is None else {"time": f"{at:.3f}"})
    try:
        headers = _authorization(settings)
        with PrometheusConnect(
            url=settings.url.rstrip("/"), headers=headers, session=session, retry=Retry(total=0), method="POST"
        ) as client:
            found: list[Any] = client.custom_query(query, params=parameters, timeout=settings.timeout_seconds)
    except _UnusableAnswerError as error:
        return Unreadable("QueryError", str(error))
    except (requests.RequestException, PrometheusApiClientException, OSError) as error:
        return Unreadable("Unreachable", f"Prometheus cannot be asked: {_cause(error, settings.url)}")
    return found


def _authorization(settings: PrometheusEndpoint) -> dict[str, str] | None:
    if settings.bearer_token_file is None:
        return None
    return {"Authorization": f"Bearer {settings.bearer_token_file.read_text(encoding='utf-8').strip()}"}


def _refuse_unusable(kind: str, response: requests.Response, *_args: Any, **_kwargs: Any) -> None:
    if response.is_redirect:
        return
    try:
        answer = response.json()
    except ValueError:
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
    if answer.get("warnings"):
        raise _UnusableAnswerError(f"Prometheus warns: {'; '.join(map(str, answer['warnings']))[:200]}")
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") != kind or not _is_whole(data.get("result"), kind):
        raise _UnusableAnswerError(f"Prometheus did not answer with a {kind}")


def _is_whole(result: Any, kind: str) -> bool:
    """Answer whether every series has labels and values that are numbers: not half an answer, nor native histograms."""
    value = "value" if kind == "vector" else "values"
    try:
        for one in result:
            if not isinstance(one["metric"], dict):
                return False
            for when, number in [one[value]] if kind == "vector" else one[value]:
                float(when), float(number)
    except (TypeError, KeyError, ValueError):
        return False
    return isinstance(result, list)


def _cause(error: Exception, url: str) -> str:
    """Say the innermost reason. The layers around it name the whole URL, and with it the time of the query."""
    host = urlsplit(url).hostname or url
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
