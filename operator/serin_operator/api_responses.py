"""Responses of the API server: JSON objects, or errors by their status and their words. Pure."""

import json
from collections.abc import Mapping
from typing import Final

from serin_core.api.base import Json
from serin_operator.interfaces import (
    BusyError,
    ClusterError,
    ConflictError,
    GoneError,
    NotFoundError,
    RefusedError,
    TooLargeError,
)

_MAX_EXCERPT: Final = 200
"""Characters of a response that is not from the API server."""
_WEBHOOK_FAILED: Final = "failed calling webhook"
"""In a response 500: the API server works, but refuses the request because an admission webhook does not respond."""
_TOO_LARGE: Final = ("request is too large", "trying to send message larger than max")
"""In a response 500: the words of etcd, and of the API server's client for it."""
_KINDS: Final[Mapping[int, type[ClusterError]]] = {
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: TooLargeError,
    **dict.fromkeys((400, 403, 422), RefusedError),
}


def json_object(what: str, text: str) -> Json:
    """Return a response as a JSON object, {} if it is empty. Raises ClusterError for any other."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ClusterError(f"{what}: the response is not a JSON object: {_excerpt(text)}")
    return found


def error_of(status: int, what: str, text: str, headers: Mapping[str, str]) -> ClusterError:
    """Return the error of a response with a status of 400 or above."""
    try:
        message = str(json_object(what, text).get("message", text))
    except ClusterError:
        message = _excerpt(text)
    message = f"{what}: {' '.join(message.split())}"
    if status == 429:  # noqa: PLR2004 - HTTP
        return BusyError(message, _seconds(headers.get("Retry-After", "")))
    if status in _KINDS:
        return _KINDS[status](message)
    if status == 500 and any(words in message for words in _TOO_LARGE):  # noqa: PLR2004 - HTTP
        return TooLargeError(message)
    if status == 500 and _WEBHOOK_FAILED in message:  # noqa: PLR2004 - HTTP
        return RefusedError(message)
    return ClusterError(f"{message} ({status})")


def _seconds(retry_after: str) -> float:
    """Return the seconds of a header Retry-After, 0 without one. API servers do not send the form with a date."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else 0.0


def _excerpt(text: str) -> str:
    return " ".join(text[:_MAX_EXCERPT].split())
