"""CloudEvents 1.0 over HTTP, in the structured mode with JSON."""

import asyncio
import json
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from serin_core.contract import names
from serin_core.contract.addresses import display_address
from serin_operator.credentials import CredentialError, credential_headers, one_line
from serin_operator.notifications.message import DeliveryError, Message
from serin_operator.notifications.settings import CloudEventsSettings
from serin_operator.proxies import proxy_for
from serin_operator.tls import context_for

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
TYPE_PREFIX: Final = "dev.serin.suggestionmodel."
_WORTH_A_RETRY: Final = (408, 425, 429)
"""Statuses below 500 after which the same request may succeed later."""


def rejection_of(status: int) -> bool:
    """Return whether a status of HTTP other than 2xx says that the same request will not succeed later."""
    return 300 <= status < 500 and status not in _WORTH_A_RETRY  # noqa: PLR2004 - HTTP


def cloud_event(message: Message) -> dict[str, Any]:
    """Return the event of a message."""
    one = message.notification
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": f"/apis/{names.API_VERSION}/namespaces/{message.namespace}/{names.PLURAL}/{message.name}",
        "type": f"{TYPE_PREFIX}{one.kind}",
        "time": one.at.isoformat(),
        **({"subject": one.run_id} if one.run_id else {}),
        "datacontenttype": "application/json",
        "data": {
            "namespace": message.namespace,
            "name": message.name,
            "uid": message.uid,
            "sequence": one.sequence,
            "kind": one.kind,
            "message": one.message,
            "warning": one.is_warning,
            "runID": one.run_id,
            "phase": one.phase,
            "percent": one.percent,
            "by": one.by,
            "dropped": message.dropped,
        },
    }


class CloudEventsSender:
    """Implements `message.Sender`. Secrets are read at every delivery; redirects are not followed."""

    def __init__(self, settings: CloudEventsSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """See message.Sender."""
        if self._session is not None:
            await self._session.close()

    async def send(self, message: Message) -> None:
        """See message.Sender."""
        try:
            url, headers, context = await asyncio.to_thread(self._request)
        except (CredentialError, OSError) as error:
            raise DeliveryError(_of_file(error)) from None
        if self._session is None:
            # A connection that is kept open may be closed by the receiver just when it is used again.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        body = json.dumps(cloud_event(message)).encode()
        try:
            async with self._session.post(
                url, data=body, headers=headers, ssl=context, allow_redirects=False, proxy=proxy_for(url)
            ) as response:
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(_describe(error, url)) from None
        if not 200 <= status < 300:  # noqa: PLR2004 - HTTP
            is_redirect = status < 400  # noqa: PLR2004 - HTTP
            why = " (a redirect, which is not followed)" if is_redirect else ""
            raise DeliveryError(f"{_host(url)} responded with HTTP {status}{why}", is_rejection=rejection_of(status))

    def _request(self) -> tuple[str, dict[str, str], ssl.SSLContext | bool]:
        """Return address, headers and TLS settings of a delivery. Raises CredentialError and OSError."""
        settings = self._settings
        url = settings.url if settings.url_file is None else one_line(settings.url_file)
        if not _is_address(url):
            raise CredentialError(f"{settings.url_file} has no http:// or https:// address")
        headers = credential_headers(settings.headers, settings.bearer_token_file)
        context = context_for(url, settings.ca_file) if urlsplit(url).scheme == "https" else True
        return url, {"Content-Type": CONTENT_TYPE} | headers, context


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _host(url: str) -> str:
    return urlsplit(display_address(url)).hostname or "the receiver"


def _of_file(error: Exception) -> str:
    """Return an error of a file; the message of an OSError is that of the system, with the name of the file."""
    if isinstance(error, ssl.SSLError):
        return "the file of caFile, or of REQUESTS_CA_BUNDLE, has no certificate authorities"
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)


def _describe(error: Exception, url: str) -> str:
    """Return a cause that a user can act on. The texts of libraries may repeat the whole address, so none is used."""
    host = _host(url)
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {host} is not trusted"
        case aiohttp.ClientConnectorDNSError():
            return f"cannot resolve {host}"
        case aiohttp.ClientConnectorError(os_error=OSError(strerror=str(text))):
            return f"cannot connect to {host}: {text}"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return f"{host} closed the connection without a response"
        case _:
            return f"the request to {host} failed ({type(error).__name__})"
