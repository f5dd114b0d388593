"""Bearer tokens: one parser of the header, and the two dependencies that routes require."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from serin_server.http.problems import Code, ProblemError
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
            raise ProblemError(401, Code.MISSING_TOKEN, f"a bearer token is required: {_HOW}", _CHALLENGE)
        raise ProblemError(401, Code.INVALID_TOKEN, "the bearer token is not valid", _CHALLENGE)

    return check


def admin_only(tokens: Tokens) -> Callable[..., Awaitable[None]]:
    """Return the dependency that requires `admin-token`."""

    async def check(token: Annotated[str | None, Security(_ADMIN_TOKEN)]) -> None:
        """Raise 401 for a request without a token, 403 for one with another token."""
        if tokens.admits_admin(token):
            return
        if token is None:
            raise ProblemError(401, Code.MISSING_TOKEN, f"the admin token is required: {_HOW}", _CHALLENGE)
        raise ProblemError(
            403,
            Code.ADMIN_TOKEN_REQUIRED,
            "this route requires the admin token (admin-token in the server's Secret)",
        )

    return check
