"""Sends pods their routing and reads what they serve: `POST /ml/routing`, or `GET /ml/status`. Neither needs a token.

`pod_reports` bounds the time that it may take.
"""

from dataclasses import dataclass
from typing import Final

import aiohttp
from pydantic import ValidationError

from serin_core.contract import names, pushed_routing
from serin_core.contract.documents import one_line
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.observation import NoAnswer
from serin_operator.interfaces import PodQuestion

_CONNECT_TIMEOUT: Final = 1.0
MAX_REQUESTS: Final = 512
"""Requests at the same time, of all resources. It is above what pods that do not respond can hold for their 2 s."""
_KEEP_UNUSED: Final = 5.0
"""Seconds that a connection is kept for the next pass. Checks are further apart, passes of a transition are not."""
MAX_BYTES: Final = 1 << 20
_CHUNK: Final = 1 << 16


class PodClient:
    """Implements `interfaces.Pods`."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
            connector=aiohttp.TCPConnector(limit=MAX_REQUESTS, keepalive_timeout=_KEEP_UNUSED),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch_report(self, question: PodQuestion) -> PodReport | NoAnswer:
        """See interfaces.Pods."""
        try:
            found = None if question.push is None else await self._request("POST", pushed_routing.PATH, question)
            if found is None or isinstance(found, _NotAccepted):
                found = await self._request("GET", "/ml/status", question)
        except ValidationError as error:
            return NoAnswer(f"its response is no status: {one_line(error)}")
        except aiohttp.ConnectionTimeoutError:
            return NoAnswer(f"no connection within {_CONNECT_TIMEOUT:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return NoAnswer(str(error) or type(error).__name__)
        return found.answer if isinstance(found, _NotAccepted) else found

    async def _request(self, method: str, path: str, question: PodQuestion) -> "PodReport | _NotAccepted":
        host = f"[{question.address}]" if ":" in question.address else question.address
        headers = {names.SUPERVISION_HEADER: question.uid}
        body = None if method == "GET" or question.push is None else question.push.model_dump()
        # Without it, and from an older server, the response has the quality of every run: most of its bytes.
        known = {names.KNOWN_DIGESTS: ",".join(question.known_digests)} if question.known_digests else None
        # A certificate is for the names of the Service, not for a pod's address, and nothing secret is sent.
        # A redirect is followed nowhere: a pod must not choose what the operator connects to.
        async with self._session.request(
            method,
            f"{question.scheme}://{host}:{question.port}{path}",
            params=known,
            json=body,
            ssl=False,
            headers=headers,
            allow_redirects=False,
        ) as response:
            if response.status != 200:  # noqa: PLR2004 - HTTP
                return _NotAccepted(NoAnswer(f"it responded with {response.status}"))
            return PodReport.model_validate_json(await _read_all(response.content))


@dataclass(frozen=True, slots=True)
class _NotAccepted:
    """A response without a report. To a push, it is that of a server that knows none, or has another key."""

    answer: NoAnswer


async def _read_all(content: aiohttp.StreamReader) -> bytes:
    """Read a body that may arrive in any number of chunks. Raises ClientPayloadError above MAX_BYTES."""
    body = bytearray()
    async for chunk in content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise aiohttp.ClientPayloadError(f"its response has more than {MAX_BYTES} bytes")
    return bytes(body)
