"""Requests to check endpoints: one POST, one bounded answer. Nothing that the endpoint does raises, or takes longer.

A redirect is never followed: it would carry credentials to another place. No message has a URL, a header or more than
one line of what the endpoint returned, and credentials in it are replaced.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from serin_core.api.base import Json
from serin_core.api.check_status import CheckVerdict
from serin_core.contract.check_document import CheckResponseError, one_line, parse_response
from serin_operator.credentials import CredentialError, credential_headers
from serin_operator.error_causes import root_cause
from serin_operator.proxies import proxy_for
from serin_operator.settings import CheckEndpoint
from serin_operator.tls import context_for

MAX_BYTES: Final = 1 << 16
_CHUNK: Final = 1 << 14
_REDIRECTS: Final = range(300, 400)
_OK: Final = range(200, 300)
_HIDDEN: Final = "***"
_LEAST_SECRET: Final = 4
"""Characters of a credential that is worth hiding: a shorter one would hide parts of words."""
Result = tuple[CheckVerdict | None, str]
"""A verdict, or none, and a message."""


class CheckClient:
    """Asks the check endpoints of the operator's configuration."""

    def __init__(self, endpoints: Mapping[str, CheckEndpoint]) -> None:
        self._endpoints = dict(endpoints)
        self._turns = {name: asyncio.Semaphore(one.max_concurrency) for name, one in endpoints.items()}

    @property
    def names(self) -> frozenset[str]:
        """Names of the endpoints."""
        return frozenset(self._endpoints)

    async def ask(self, endpoint: str, document: Json, *, seconds: float | None) -> Result:
        """Send a document, and return the verdict or why there is none. Takes at most `seconds` of its own time."""
        settings = self._endpoints.get(endpoint)
        if settings is None:
            return None, f"is not known to the operator (known: {', '.join(sorted(self._endpoints)) or 'none'})"
        limit = settings.timeout_seconds if seconds is None else seconds
        async with self._turns[endpoint]:
            try:
                async with asyncio.timeout(limit):
                    return await self._post(settings, document)
            except TimeoutError:
                return None, f"did not answer within {limit:g} s"
            except CheckResponseError as error:
                return None, str(error)
            except CredentialError as error:
                return None, f"cannot be asked: {error}"
            except (aiohttp.ClientError, OSError, UnicodeError, ValueError) as error:
                return None, one_line(f"cannot be asked: {root_cause(error, settings.url)}")

    async def _post(self, settings: CheckEndpoint, document: Json) -> Result:
        headers = await asyncio.to_thread(_headers, settings)
        context = await asyncio.to_thread(_context, settings) if settings.url.startswith("https:") else False
        # A session for each request: checks are rare, and certificates that were rotated are then read again.
        async with (
            aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(
                settings.url,
                json=document,
                headers=headers,
                ssl=context,
                proxy=proxy_for(settings.url),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as response,
        ):
            if response.status in _REDIRECTS:
                where = "which is not followed; put the address that it leads to into the operator's configuration"
                return None, f"answered with a redirect (HTTP {response.status}), {where}"
            if response.status not in _OK:
                return None, one_line(f"answered with HTTP {response.status} {response.reason or ''}")
            found = parse_response(await _read(response.content))
        return found.verdict, one_line(_without_secrets(found.message, headers, settings))


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Read a body of at most MAX_BYTES. Raises CheckResponseError above that."""
    body = bytearray()
    async for chunk in content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise CheckResponseError(f"returned more than {MAX_BYTES >> 10} KiB")
    return bytes(body)


def _headers(settings: CheckEndpoint) -> dict[str, str]:
    return credential_headers(settings.headers, settings.bearer_token_file, settings.basic_auth)


def _context(settings: CheckEndpoint) -> ssl.SSLContext:
    context = context_for(settings.url, settings.ca_file)
    if settings.client_certificate_file is not None:
        context.load_cert_chain(settings.client_certificate_file, settings.client_key_file)
    return context


def _without_secrets(text: str, headers: Mapping[str, str], settings: CheckEndpoint) -> str:
    """Return a message of the endpoint without the credentials that it was sent, whole or without their scheme."""
    values = {part for value in headers.values() for part in (value, value.split()[-1])}
    values |= {urlsplit(settings.url).password or "", urlsplit(settings.url).query}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _LEAST_SECRET:
            text = text.replace(value, _HIDDEN)
    return text
