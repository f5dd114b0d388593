"""Asks server pods what they serve: `GET /ml/status`, no token, a short deadline. Never raises."""

import aiohttp
from pydantic import ValidationError

from serin_core.contract.documents import one_line
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.observation import NoAnswer

_TIMEOUT = aiohttp.ClientTimeout(total=2, sock_connect=1)
MOST_BYTES = 1 << 20
_CHUNK = 1 << 16


class PodHttp:
    """Implements `ports.Pods`."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def ask(self, address: str, port: int) -> PodReport | NoAnswer:
        """See ports.Pods."""
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._session.get(f"http://{host}:{port}/ml/status") as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP
                    return NoAnswer(f"it answered {response.status}")
                return PodReport.model_validate_json(await _whole(response.content))
        except ValidationError as error:
            return NoAnswer(f"it answered with no status: {one_line(error)}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(str(error) or type(error).__name__)


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """Read to the end, however many pieces it arrives in. Raises ClientPayloadError past MOST_BYTES."""
    body = bytearray()
    async for piece in content.iter_chunked(_CHUNK):
        body += piece
        if len(body) > MOST_BYTES:
            raise aiohttp.ClientPayloadError(f"it answered with more than {MOST_BYTES} bytes")
    return bytes(body)
