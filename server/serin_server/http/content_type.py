"""The content types that routes with a body require."""

from email.message import Message
from typing import Final

from fastapi import Request

from serin_server.http.problems import Code, ProblemError

LINES: Final = "application/x-ndjson"
_JSON_DETAIL: Final = "a JSON body is required, with the header Content-Type: application/json"
_LINES_DETAIL: Final = f"a JSON object on each line is required, with the header Content-Type: {LINES}"


async def json_only(request: Request) -> None:
    """Raise 415 for a request whose body FastAPI would not parse as JSON."""
    main, sub = _content_type(request, _JSON_DETAIL)
    if main != "application" or not (sub == "json" or sub.endswith("+json")):
        raise ProblemError(415, Code.UNSUPPORTED_MEDIA_TYPE, _JSON_DETAIL)


async def lines_only(request: Request) -> None:
    """Raise 415 for a request whose body does not have a JSON object on each line."""
    if "/".join(_content_type(request, _LINES_DETAIL)) != LINES:
        raise ProblemError(415, Code.UNSUPPORTED_MEDIA_TYPE, _LINES_DETAIL)


def _content_type(request: Request, detail: str) -> tuple[str, str]:
    given = request.headers.get("content-type")
    if given is None:
        raise ProblemError(415, Code.UNSUPPORTED_MEDIA_TYPE, f"{detail}; the request has no Content-Type")
    message = Message()
    message["content-type"] = given
    return message.get_content_maintype(), message.get_content_subtype()
