"""Many transactions in one body, a JSON object on each line, which are checked while they arrive."""

from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from serin_core.model.features import Transaction
from serin_server.http.field_errors import MAX_ERRORS
from serin_server.http.schemas import TransactionBody

MAX_LINES: Final = 10_000
MAX_LINE_BYTES: Final = 32 << 10
"""More than the longest transaction, also if each of its characters is escaped."""


class TransactionLines:
    """Reads a body piece by piece; empty lines are ignored. After MAX_ERRORS it reads no further."""

    def __init__(self) -> None:
        self._found: list[Transaction] = []
        self._errors: list[Any] = []
        self._rest, self._number, self._is_over = b"", 0, False

    def feed(self, piece: bytes) -> bool:
        """Read the lines that end in a piece; return whether the next one is needed."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._read(line)
        if len(self._rest) > MAX_LINE_BYTES:
            self._read(self._rest)
        return not self._is_over

    def end(self) -> list[Transaction]:
        """Return the transactions. Raises RequestValidationError with the errors of all lines that were read."""
        self._read(self._rest)
        if not self._found and not self._errors:
            self._errors.append(_error(1, "at least 1 transaction is required"))
        if self._errors:
            raise RequestValidationError(self._errors)
        return self._found

    def _read(self, line: bytes) -> None:
        if self._is_over:
            return
        self._number += 1
        if len(line) > MAX_LINE_BYTES:
            self._refuse(f"a line has at most {MAX_LINE_BYTES} bytes")
        elif not line.strip():
            return
        elif len(self._found) == MAX_LINES:
            self._refuse(f"at most {MAX_LINES} transactions are allowed; send several requests")
        else:
            try:
                self._found.append(TransactionBody.model_validate_json(line).transaction())
            except ValidationError as error:
                self._errors += (_of_line(self._number, one) for one in error.errors(include_url=False))
            self._is_over = len(self._errors) >= MAX_ERRORS

    def _refuse(self, message: str) -> None:
        self._errors.append(_error(self._number, message))
        self._is_over = True


def _error(number: int, message: str) -> dict[str, Any]:
    return {"type": "value_error", "loc": ("body", f"line {number}"), "msg": message}


def _of_line(number: int, error: Any) -> dict[str, Any]:
    if error["type"] == "json_invalid":
        return _error(number, f"not valid JSON: {error['ctx']['error']}")
    return {**error, "loc": ("body", f"line {number}", *error["loc"])}
