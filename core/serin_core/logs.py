"""Log lines of operator and server, as text or JSON.

An exception is written with its type and frames but without its message, which may repeat what a user sent or a
password. Formats records only; where they go is set up by each process.
"""

import json
import logging
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TextFormatter(logging.Formatter):
    """Plain lines. `pattern` is a %-style format of logging."""

    def __init__(self, pattern: str = _TEXT) -> None:
        super().__init__(pattern)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - the name that logging calls
        """Return the frames and the type of an exception, without its message."""
        kind, _, trace = ei
        frames = "".join(traceback.format_tb(trace)).rstrip()
        return f"{frames}\n{'' if kind is None else kind.__name__} (its message is left out)".lstrip()


class JsonFormatter(TextFormatter):
    """One JSON object a line: time (UTC), level, logger, message, these extra fields of a record, the exception."""

    def __init__(self, *extra: str) -> None:
        super().__init__()
        self._extra = extra

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of one record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in self._extra if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
