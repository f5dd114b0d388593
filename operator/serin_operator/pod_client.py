"""Reads what server pods serve: `GET /ml/status`, without a token and with a short deadline."""

import aiohttp
from pydantic import ValidationError

from serin_core.contract import names
from serin_core.contract.documents import one_line
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.observation import NoAnswer

_TIMEOUT = aiohttp.ClientTimeout(total=2, sock_connect=1)
MAX_BYTES = 1 << 20
_CHUNK = 1 << 16


class PodClient:
    """Implements `interfaces.Pods`."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch_report(
        self, address: str, port: int, *, scheme: str = "http", uid: str = ""
    ) -> PodReport | NoAnswer:
        """See interfaces.Pods."""
        host = f"[{address}]" if ":" in address else address
        try:
            url = f"{scheme}://{host}:{port}/ml/status"
            # A certificate is for the names of the Service, not for a pod's address, and nothing secret is sent.
            async with self._session.get(url, ssl=False, headers={names.SUPERVISION_HEADER: uid}) as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP
                    return NoAnswer(f"it responded with {response.status}")
                return PodReport.model_validate_json(await _read_all(response.content))
        except ValidationError as error:
            return NoAnswer(f"its response is no status: {one_line(error)}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(str(error) or type(error).__name__)


async def _read_all(content: aiohttp.StreamReader) -> bytes:
    """Read a body that may arrive in any number of chunks. Raises ClientPayloadError above MAX_BYTES."""
    body = bytearray()
    async for chunk in content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise aiohttp.ClientPayloadError(f"its response has more than {MAX_BYTES} bytes")
    return bytes(body)
