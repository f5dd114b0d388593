"""Asks server pods what they serve: `GET /ml/status`, no token, a short deadline. Never raises."""

import aiohttp
from pydantic import ValidationError

from serin_core.documents import one_line
from serin_core.observed import NoAnswer
from serin_core.pods import PodReport

_TIMEOUT = aiohttp.ClientTimeout(total=2, sock_connect=1)
_MOST_BYTES = 1 << 20


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
                return PodReport.model_validate_json(await response.content.read(_MOST_BYTES))
        except ValidationError as error:
            return NoAnswer(f"it answered with no status: {one_line(error)}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(str(error) or type(error).__name__)
