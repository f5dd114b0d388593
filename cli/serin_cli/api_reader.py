"""Requests through the Kubernetes client: responses as plain JSON, errors in one line."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from serin_cli.request_errors import no_api_server, request_errors

TIMEOUT: Final = 20
"""Seconds for one request."""


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
