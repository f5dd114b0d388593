"""Who may do what: a bearer token for users, another one for administrators."""

from typing import Annotated, Final

from fastapi import HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from serin_server.tokens import Tokens

_BEARER: Final = HTTPBearer(auto_error=False, description="The token of the server's Secret.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class UserOnly:
    """Lets in whoever presents `token`."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def __call__(self, credentials: _Credentials) -> None:
        """Raise 401 for everybody else."""
        if not self._tokens.admits(_presented(credentials)):
            raise HTTPException(401, "a bearer token is needed: Authorization: Bearer <token>", headers=_CHALLENGE)


class AdminOnly:
    """Lets in whoever presents `admin-token`."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def __call__(self, credentials: _Credentials) -> None:
        """Raise 401 without a token, 403 with one that does not do."""
        presented = _presented(credentials)
        if self._tokens.admits_admin(presented):
            return
        if presented is None:
            raise HTTPException(401, "the admin token is needed: Authorization: Bearer <token>", headers=_CHALLENGE)
        raise HTTPException(403, "this token does not open this; the admin-token of the server's Secret does")


def _presented(credentials: HTTPAuthorizationCredentials | None) -> str | None:
    return None if credentials is None else credentials.credentials
