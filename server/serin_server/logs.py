"""Log lines on stderr: one per transition, nothing in a steady state, JSON on request.

Never the text of a transaction: what went wrong with one is told by its type and its place in the code, because the
message of an exception may repeat what it was about.
"""

import json
import logging
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Final

from serin_core.contract.addresses import WithoutSecrets

_QUIETER: Final = ("uvicorn", "watchfiles", "asyncio")
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def place_of(error: BaseException) -> str:
    """Answer the type of an exception and where it was raised, without its message."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" at {frames[0].filename.rpartition('/')[2]}:{frames[0].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


class _WithoutMessages(logging.Formatter):
    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - the name that logging calls
        kind, _, trace = ei
        frames = "".join(traceback.format_tb(trace)).rstrip()
        return f"{frames}\n{'' if kind is None else kind.__name__} (its message is left out)".lstrip()


class _JsonLines(_WithoutMessages):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def formatter(*, as_json: bool) -> logging.Formatter:
    """Answer what writes a line."""
    return _JsonLines() if as_json else _WithoutMessages("%(asctime)s %(levelname)s %(name)s: %(message)s")


def configure_logs(*, as_json: bool, addresses: Iterable[str] = ()) -> None:
    """Set up the process's logging, once, in `main`; secrets of these addresses are removed from every line."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(as_json=as_json))
    handler.addFilter(WithoutSecrets(*addresses))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIETER:
        logging.getLogger(name).setLevel(logging.WARNING)
