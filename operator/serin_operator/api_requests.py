"""Requests to the API server over one connection: plain JSON, and errors as `interfaces` has them.

Only the generic request of `kubernetes.aio` is used: it has no typed classes for custom resources and plain rendered
objects, but authentication, TLS and a connection pool.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Final

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException

from serin_core.api.base import Json
from serin_operator import connection
from serin_operator.api_paths import COORDINATION
from serin_operator.api_responses import error_of, json_object
from serin_operator.busy import Sleep, patiently
from serin_operator.interfaces import ClusterError, ConflictError, NotLeaderError

PLAIN_JSON: Final = "application/json"
JSON_PATCH: Final = "application/json-patch+json"
_SECONDS: Final = 20.0
"""The longest time that a request may take."""
_STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120)
"""A stream without a line for longer is taken as dead: the API server sends a bookmark about once a minute."""


class ApiRequests:
    """A connection that can be replaced."""

    def __init__(
        self,
        client: ApiClient,
        seconds_to_write: Callable[[], float],
        *,
        follow_date: Callable[[str], None],
        sleep: Sleep,
    ) -> None:
        self._client, self._authorities = client, connection.authorities(client)
        self._seconds_to_write, self._follow_date, self._sleep = seconds_to_write, follow_date, sleep

    async def reconnect(self) -> None:
        """Replace the connection, with credentials and certificate authorities as they are now. Raises ClusterError."""
        fresh, old = await connect(), self._client
        self._client, self._authorities = fresh, connection.authorities(fresh)
        await old.close()

    def has_new_authorities(self) -> bool:
        """Return whether a new connection would trust other certificate authorities than this one."""
        try:
            return connection.authorities(self._client) != self._authorities
        except OSError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = PLAIN_JSON,
        accept: str = PLAIN_JSON,
    ) -> Json:
        """Send a request and return the object of its response. Raises ClusterError."""
        headers = {"Accept": accept, "Content-Type": content_type}
        once = partial(self._send, method, path, query, body, headers)
        # An eviction that a budget does not allow now is made again by a later pass, and an election has its own times.
        is_at_once = path.endswith("/eviction") or path.startswith(COORDINATION)
        return await (once() if is_at_once else patiently(once, sleep=self._sleep))

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, headers: dict[str, str]
    ) -> Json:
        try:
            prepared = await self._prepare(method, path, query, body, headers)
            # Asked last, right before the request is sent: a process may have been stopped for any time until here.
            is_fenced = method != "GET" and not path.startswith(COORDINATION)
            timeout = self._write_timeout(f"{method} {path}") if is_fenced else _SECONDS
            response = await self._client.call_api(*prepared, _request_timeout=aiohttp.ClientTimeout(total=timeout))
            raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ApiException) as error:
            raise ClusterError(f"{method} {path}: {error or type(error).__name__}") from error
        text = (raw or b"").decode("utf-8", "replace")
        if 200 <= response.status < 300:  # noqa: PLR2004 - HTTP
            # Not that of an error: a proxy or load balancer in between may have written it.
            self._follow_date(response.headers.get("Date", ""))
            return json_object(f"{method} {path}", text)
        if response.status == 422 and headers["Content-Type"] == JSON_PATCH:  # noqa: PLR2004 - HTTP: a test failed
            raise ConflictError(f"{method} {path}: it has changed since it was read")
        raise error_of(response.status, f"{method} {path}", text, response.headers)

    def _write_timeout(self, what: str) -> float:
        """Return the timeout of a write: it has ended before another operator may lead. Raises NotLeaderError."""
        left = self._seconds_to_write()
        if left <= 0:
            raise NotLeaderError(f"{what}: not sent, because this operator does not lead")
        return min(left, _SECONDS)

    async def stream(self, path: str, *, query: Mapping[str, str], accept: str) -> AsyncGenerator[Json, None]:
        """Yield the objects of a watch, until the API server ends it or is silent for long. Raises ClusterError."""
        response = None
        try:
            prepared = await self._prepare("GET", path, query, None, {"Accept": accept})
            response = await self._client.call_api(*prepared, _request_timeout=_STREAM_TIMEOUT)
            if response.status != 200:  # noqa: PLR2004 - HTTP
                text = (await response.read() or b"").decode("utf-8", "replace")
                raise error_of(response.status, f"watch {path}", text, response.headers)
            async for line in _lines(response.response.content):
                yield json_object(f"watch {path}", line.decode("utf-8", "replace"))
        except aiohttp.SocketTimeoutError:
            return
        except (aiohttp.ClientError, TimeoutError, OSError, ApiException) as error:
            raise ClusterError(f"watch {path}: {error or type(error).__name__}") from error
        finally:
            if response is not None:
                response.response.close()

    async def _prepare(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, headers: dict[str, str]
    ) -> tuple[str, str, dict[str, str], Any, Any]:
        found: tuple[str, str, dict[str, str], Any, Any] = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        return found


async def connect() -> ApiClient:
    """Return a client for the cluster of KUBECONFIG, or else for the one that this pod runs in. Raises ClusterError."""
    try:
        return await connection.connect()
    except (ConfigException, OSError) as error:
        raise ClusterError(f"no connection to the API server can be made: {error}") from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length; `StreamReader.readline` has a limit."""
    rest: list[bytes] = []
    async for chunk in content.iter_any():
        *ended, last = chunk.split(b"\n")
        for line in ended:
            whole = b"".join((*rest, line))
            rest.clear()
            if whole:
                yield whole
        if last:
            rest.append(last)
