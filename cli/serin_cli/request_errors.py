"""Errors of requests to the API server, each in one line.

ClusterError             the request failed
├── AbsentError          the object does not exist
├── UnreadableError      a newer version of Serin wrote the object
└── NotInstalledError    the cluster does not know SuggestionModels
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_NOT_FOUND: Final = 404
_LONGEST: Final = 160
"""Characters of the operating system's words that are shown."""


class ClusterError(Exception):
    """A request to the cluster that failed. The message is one line."""


class AbsentError(ClusterError):
    """The object does not exist."""


class UnreadableError(ClusterError):
    """A newer version of Serin wrote the object."""


class NotInstalledError(ClusterError):
    """The cluster has no CustomResourceDefinition of Serin."""


@contextmanager
def request_errors(
    host: str, *, timeout: float, absent: Callable[[], str] | None = None, passes: int = 0
) -> Iterator[None]:
    """Turn the errors of requests to `host` into a ClusterError; with a text for an absent object, also AbsentError.

    `timeout` is that of a request, in seconds. An ApiException with the status `passes` is raised as it is.
    """
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except ApiException as error:
        if error.status == passes:
            raise
        if error.status == _NOT_FOUND and absent is not None:
            raise AbsentError(absent()) from None
        raise ClusterError(_answer(error)) from None
    except HTTPError as error:
        raise ClusterError(f"cannot reach the API server at {host}: {_cause(error, timeout)}") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise no_api_server(host) from None


def no_api_server(host: str) -> ClusterError:
    """Return the error for a response that is not a JSON object."""
    return ClusterError(f"{host} did not respond as an API server: the response is not a JSON object")


def _answer(error: Any) -> str:
    """Return status and reason of an ApiException, and the API server's own words, as in `users "x" is forbidden`.

    A pod that is asked through the API server may respond with plain text.
    """
    answer = f"the API server answered {error.status} {error.reason}"
    try:
        message = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        message = str(error.body) if _is_plain(error) else ""
    words = " ".join(message.split())
    return f"{answer}: {words}" if words else answer


def _is_plain(error: Any) -> bool:
    return bool(error.body) and (error.headers or {}).get("Content-Type", "").startswith("text/plain")


def _cause(error: Exception, timeout: float) -> str:
    """Return the operating system's words for a failed connection, as in `connection refused`."""
    reason = getattr(error, "reason", None) or error
    if "timed out" in str(reason):
        return f"timed out after {timeout:g} s"
    text = re.sub(r"\[[^]]*\] |\s*\(_ssl[^)]*\)", "", str(reason)).strip("()'\" ")
    cause = text.rpartition(": ")[2] if "Errno" in str(reason) else text
    return cause[:1].lower() + cause[1:_LONGEST]
