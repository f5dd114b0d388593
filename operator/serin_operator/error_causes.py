"""The cause of an HTTP request that failed, in words that a user can act on and that never repeat a URL."""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests

from serin_core.contract.addresses import display_address


def root_cause(error: Exception, url: str) -> str:
    """Return the innermost cause. The exceptions around it repeat the whole URL, and with it the time of the query."""
    host = urlsplit(display_address(url)).hostname or display_address(url)
    found = list(causes(error))
    descriptions = (text for cause in reversed(found) if (text := _describe(cause, host)))
    return next(descriptions, type(found[-1]).__name__)


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
        case ssl.SSLError(reason=str(reason)) if "ALERT" not in reason:
            text = f"TLS with {host} failed: {reason.lower().replace('_', ' ')}"
        case ssl.SSLError():
            # Whether the alert is still read before the connection ends is a matter of chance.
            text = f"{host} ended the TLS handshake; it may demand another client certificate"
        case requests.HTTPError():
            text = str(cause)
        case OSError(strerror=str(message), filename=place):
            text = message if place is None else f"{message}: {place}"
    return text


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it wraps, outermost first; requests and urllib3 wrap them in different ways."""
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        wrapped = [one for one in (getattr(inner, "reason", None), *inner.args) if isinstance(one, BaseException)]
        inner = next(iter(wrapped), None) or inner.__cause__ or inner.__context__
