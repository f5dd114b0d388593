"""Log lines on stderr: one for each change, none in a steady state, JSON if configured.

No line contains the text of a transaction: an exception is logged by its type and its place in the code, because its
message may repeat the data.
"""

import logging
import traceback
from collections.abc import Iterable
from typing import Final

from serin_core.contract.addresses import WithoutSecrets
from serin_core.logs import JsonFormatter, TextFormatter

_QUIETER: Final = ("uvicorn", "watchfiles", "asyncio")


def location_of(error: BaseException) -> str:
    """Return the type of an exception and where it was raised, without its message."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" at {frames[0].filename.rpartition('/')[2]}:{frames[0].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def configure_logs(*, as_json: bool, addresses: Iterable[str] = ()) -> None:
    """Set up the logging of the process, once, in `main`; secrets of these addresses are removed from every line."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    handler.addFilter(WithoutSecrets(*addresses))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIETER:
        logging.getLogger(name).setLevel(logging.WARNING)
