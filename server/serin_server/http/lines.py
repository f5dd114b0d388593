"""Many transactions in one body, a JSON object on each line, which are checked while they arrive."""

from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from serin_core.model.features import Transaction
from serin_server.http.field_errors import MAX_ERRORS
from serin_server.http.schemas import TransactionBody

MAX_LINES: Final = 10_000
MAX_LINE_BYTES: Final = 32 << 10
"""More than the longest transaction, also if each of its characters is escaped."""


async def read_transactions(chunks: AsyncIterator[bytes]) -> list[Transaction]:
    """Return the transactions of a body; empty lines are ignored.

    Raises RequestValidationError with the errors of all lines, but reads no further after MAX_ERRORS of them.
    """
    found: list[Transaction] = []
    errors: list[Any] = []
    number = 0
    async for line in _lines(chunks):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            errors.append(_error(number, f"a line has at most {MAX_LINE_BYTES} bytes"))
            break
        if not line.strip():
            continue
        if len(found) == MAX_LINES:
            errors.append(_error(number, f"at most {MAX_LINES} transactions are allowed; send several requests"))
            break
        try:
            found.append(TransactionBody.model_validate_json(line).transaction())
        except ValidationError as error:
            errors += (_of_line(number, one) for one in error.errors(include_url=False))
        if len(errors) >= MAX_ERRORS:
            break
    if not found and not errors:
        errors.append(_error(1, "at least 1 transaction is required"))
    if errors:
        raise RequestValidationError(errors)
    return found


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield each line; one that is too long as far as it has arrived."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            break
    yield rest


def _error(number: int, message: str) -> dict[str, Any]:
    return {"type": "value_error", "loc": ("body", f"line {number}"), "msg": message}


def _of_line(number: int, error: Any) -> dict[str, Any]:
    if error["type"] == "json_invalid":
        return _error(number, f"not valid JSON: {error['ctx']['error']}")
    return {**error, "loc": ("body", f"line {number}", *error["loc"])}
