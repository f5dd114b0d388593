"""The content type that routes with a body require."""

from email.message import Message
from typing import Final

from fastapi import Request

from serin_server.http.problems import Code, ProblemError

_DETAIL: Final = "a JSON body is required, with the header Content-Type: application/json"


async def json_only(request: Request) -> None:
    """Raise 415 for a request whose body FastAPI would not parse as JSON."""
    given = request.headers.get("content-type")
    if given is None:
        raise ProblemError(415, Code.UNSUPPORTED_MEDIA_TYPE, f"{_DETAIL}; the request has no Content-Type")
    message = Message()
    message["content-type"] = given
    is_json = message.get_content_subtype() == "json" or message.get_content_subtype().endswith("+json")
    if message.get_content_maintype() != "application" or not is_json:
        raise ProblemError(415, Code.UNSUPPORTED_MEDIA_TYPE, _DETAIL)
