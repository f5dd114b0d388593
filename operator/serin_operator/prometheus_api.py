"""Prometheus through `prometheus-api-client`, in a bounded thread pool with a deadline.

That client hands out bare results; a hook on its session looks at the whole answer first, so that a warning or a
partial answer is never taken for data. It never raises: what cannot be counted on is Unreadable, with the reason.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from serin_core.counting import Series, Unreadable
from serin_operator.settings import PrometheusEndpoint


class _UnusableAnswerError(Exception):
    """Prometheus answered, but not with whole and plain data."""


class PrometheusApi:
    """Implements `ports.Metrics`."""

    def __init__(self, endpoints: Mapping[str, PrometheusEndpoint], *, threads: int) -> None:
        self._endpoints = endpoints
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="prometheus")

    async def read(self, endpoint: str, query: str, at: datetime) -> list[Series] | Unreadable:
        """See ports.Metrics."""
        settings = self._endpoints.get(endpoint)
        if settings is None:
            known = ", ".join(sorted(self._endpoints)) or "none"
            return Unreadable("UnknownEndpoint", f"the operator knows no Prometheus {endpoint!r} (it knows: {known})")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(settings.timeout_seconds + 1):
                return await loop.run_in_executor(self._pool, _ask, settings, query, at)
        except TimeoutError:
            return Unreadable("Unreachable", f"Prometheus did not answer within {settings.timeout_seconds:g} s")

    def close(self) -> None:
        """End the threads; a query under way is abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _ask(settings: PrometheusEndpoint, query: str, at: datetime) -> list[Series] | Unreadable:
    session = requests.Session()
    session.hooks["response"] = [_refuse_unusable]
    if settings.ca_file is not None:
        session.verify = str(settings.ca_file)
    parameters = {"time": f"{at.timestamp():.3f}", "timeout": f"{settings.timeout_seconds:g}s"}
    try:
        headers = _authorization(settings)
        with PrometheusConnect(
            url=settings.url.rstrip("/"), headers=headers, session=session, retry=Retry(total=0), method="POST"
        ) as client:
            found = client.custom_query(query, params=parameters, timeout=settings.timeout_seconds)
    except _UnusableAnswerError as error:
        return Unreadable("QueryError", str(error))
    except (requests.RequestException, PrometheusApiClientException, OSError) as error:
        return Unreadable("Unreachable", f"Prometheus cannot be asked: {_short(error)}")
    return [Series(labels=one["metric"], value=float(one["value"][1])) for one in found]


def _authorization(settings: PrometheusEndpoint) -> dict[str, str] | None:
    if settings.bearer_token_file is None:
        return None
    return {"Authorization": f"Bearer {settings.bearer_token_file.read_text(encoding='utf-8').strip()}"}


def _refuse_unusable(response: requests.Response, *_args: Any, **_kwargs: Any) -> None:
    if response.status_code != requests.codes.ok:
        return
    try:
        answer = response.json()
    except ValueError:
        raise _UnusableAnswerError("Prometheus answered with something that is not JSON") from None
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise _UnusableAnswerError(f"Prometheus refused the query: {str(answer)[:200]}")
    if answer.get("warnings"):
        raise _UnusableAnswerError(f"Prometheus warns: {'; '.join(map(str, answer['warnings']))[:200]}")
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "vector":
        raise _UnusableAnswerError("Prometheus did not answer with an instant vector")


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return "connection refused" if "Connection refused" in text else text[:160] or type(error).__name__
