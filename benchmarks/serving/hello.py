"""The least that uvicorn can do: an ASGI callable that says hello."""

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
_BODY = {"type": "http.response.body", "body": b'{"hello":"there"}'}


async def app(scope, receive, send) -> None:
    """Answer any request."""
    del scope
    await receive()
    await send(_START)
    await send(_BODY)
