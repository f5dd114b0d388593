"""Bearer tokens: one parser of the header, and the two dependencies that routes require."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import HTTPException, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from serin_server.tokens import Tokens

_SCHEME: Final = "bearer"
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
_HOW: Final = "Authorization: Bearer <token>"


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an Authorization header; None without the header or with another scheme."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == _SCHEME else None


class _Bearer(SecurityBase):
    """A bearer token as OpenAPI declares it."""

    def __init__(self, name: str, description: str) -> None:
        self.model = HTTPBearer(description=description)
        self.scheme_name = name

    async def __call__(self, request: Request) -> str | None:
        """Return the token of a request, None if there is none."""
        return bearer_token(request.headers.get("authorization"))


_TOKEN: Final = _Bearer("token", "The file `token` of the server's Secret.")
_ADMIN_TOKEN: Final = _Bearer("adminToken", "The file `admin-token` of the server's Secret.")


def user_only(tokens: Tokens) -> Callable[..., Awaitable[None]]:
    """Return the dependency that requires `token`."""

    async def check(token: Annotated[str | None, Security(_TOKEN)]) -> None:
        """Raise 401 for a request without a valid token."""
        if tokens.admits(token):
            return
        if token is None:
            raise HTTPException(401, f"a bearer token is required: {_HOW}", headers=_CHALLENGE)
        raise HTTPException(401, "the bearer token is not valid", headers=_CHALLENGE)

    return check


def admin_only(tokens: Tokens) -> Callable[..., Awaitable[None]]:
    """Return the dependency that requires `admin-token`."""

    async def check(token: Annotated[str | None, Security(_ADMIN_TOKEN)]) -> None:
        """Raise 401 for a request without a token, 403 for one with another token."""
        if tokens.admits_admin(token):
            return
        if token is None:
            raise HTTPException(401, f"the admin token is required: {_HOW}", headers=_CHALLENGE)
        raise HTTPException(403, "this route requires the admin token (admin-token in the server's Secret)")

    return check
