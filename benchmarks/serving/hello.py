"""The minimal work of uvicorn: an ASGI callable that returns hello."""

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
_BODY = {"type": "http.response.body", "body": b'{"hello":"there"}'}


async def app(scope, receive, send) -> None:
    """Respond to any request."""
    del scope
    await receive()
    await send(_START)
    await send(_BODY)
