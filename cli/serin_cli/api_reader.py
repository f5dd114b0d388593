"""Requests through the Kubernetes client: responses as plain JSON, errors in one line."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from serin_cli.request_errors import no_api_server, request_errors

TIMEOUT: Final = 20
"""Seconds for one request."""
_WATCH: Final = 300
"""Seconds after which a watch is begun again."""
_SHORTEST: Final = 1.0
"""Seconds from the beginning of a watch to that of the next one: a proxy may end each of them at once."""


class ApiReader:
    """Sends requests of an API of the Kubernetes client."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def _read(self, request: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return the response to a request of a typed API as plain JSON. To be called within `_errors`."""
        response = request(*arguments, _request_timeout=TIMEOUT, _preload_content=False, **options)
        return self._object(json.loads(response.data))

    def _object(self, found: Any) -> dict[str, Any]:
        """Return a response that is a JSON object. Raises ClusterError for any other."""
        if not isinstance(found, dict):
            raise no_api_server(self._host)
        return found

    @property
    def _host(self) -> str:
        return str(self._api.api_client.configuration.host)

    def _errors(self, absent: Callable[[], str] | None = None, *, passes: int = 0) -> AbstractContextManager[None]:
        return request_errors(self._host, timeout=TIMEOUT, absent=absent, passes=passes)

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415

        client = self._api.api_client
        with self._errors(lambda: f"{path} does not exist"):
            request = client.param_serialize(
                method=method,
                resource_path=path,
                query_params=list(query.items()),
                header_params=dict(headers),
                body=body,
                auth_settings=["BearerToken"],
            )
            response = client.call_api(*request, _request_timeout=TIMEOUT)
            response.read()
            text: str = response.data.decode("utf-8")
            if not 200 <= response.status <= 299:  # noqa: PLR2004 - the statuses of a success
                raise ApiException.from_response(http_resp=response, body=text, data=None)
        return text

    def _watch(
        self, request: Callable[..., Any], version: str, seconds: int = _WATCH
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the changes of one watch. Raises ApiException."""
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
        from kubernetes.watch.watch import iter_resp_lines  # noqa: PLC0415

        started = time.monotonic()
        response = request(
            watch=True,
            resource_version=version,
            timeout_seconds=seconds,
            _request_timeout=(TIMEOUT, seconds + TIMEOUT),
            _preload_content=False,
        )
        for text in iter_resp_lines(response):
            change = json.loads(text)
            if change["type"] == "ERROR":
                raise ApiException(change["object"].get("code"), change["object"].get("message"))
            yield change["type"], change["object"]
        time.sleep(max(started + _SHORTEST - time.monotonic(), 0.0))
