"""Who may open the pages: the browser that has used the one-time link, and no other page that is open in it.

Every request must name this machine as its host, so that a foreign name that points to 127.0.0.1 (DNS rebinding) gets
nothing. The link works once and becomes a cookie. A form needs a token that only the pages have, and the right Origin.
"""

import hmac
import secrets
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Final, Protocol

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serin_dashboard.pages import problem_page

TOKEN: Final = "token"  # noqa: S105 - the name of a parameter
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer, with which browsers send the forms of these pages with the Origin null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Access:
    """The one-time link, the session that it opens, and the token of its forms."""

    def __init__(self, port: int) -> None:
        self.hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
        # Cookies are shared by all ports of a machine, so that their name has the port.
        self._cookie = f"serin-dashboard-{port}"
        self._token = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._key = secrets.token_bytes(32)
        self._is_used = False
        self.link = f"http://127.0.0.1:{port}/?{TOKEN}={self._token}"

    @property
    def form_token(self) -> str:
        """The token that every form sends."""
        return hmac.new(self._key, self._session.encode(), sha256).hexdigest()

    def is_form_token(self, given: str) -> bool:
        """Return whether a form has sent the right token."""
        return hmac.compare_digest(self.form_token.encode(), given.encode())

    def check(self, scope: Scope) -> Response | None:
        """Return the response to a request that goes no further, None for one that may."""
        headers = Headers(scope=scope)
        if (refusal := self._from_elsewhere(scope, headers)) is not None or scope["path"].startswith("/static/"):
            return refusal
        given = QueryParams(scope["query_string"]).get(TOKEN)
        if self._has_session(headers):
            return None if given is None else RedirectResponse("/", 303)
        return _not_signed_in() if given is None else self._open(given)

    def _from_elsewhere(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the refusal of a request for another host, or of a form of another page; else None."""
        host = headers.get("host", "")
        if host not in self.hosts:
            message = "This server answers at 127.0.0.1 only. Open the link that the command has printed."
            return problem_page(400, "Unknown host", message)
        if scope["method"] not in ("GET", "HEAD") and headers.get("origin") != f"http://{host}":
            return problem_page(403, "Wrong origin", "The form was not sent by a page of this server.")
        return None

    def _open(self, given: str) -> Response:
        if self._is_used or not hmac.compare_digest(self._token.encode(), given.encode()):
            return problem_page(
                403,
                "This link does not work any more",
                "A link works once, in one browser. Stop kubectl serin dashboard and start it again for a new one.",
            )
        self._is_used = True
        response = RedirectResponse("/", 303)
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
        return response

    def _has_session(self, headers: Headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        given = cookies.get(self._cookie)
        return given is not None and hmac.compare_digest(given.value.encode(), self._session.encode())


def _not_signed_in() -> Response:
    message = "Open the link that kubectl serin dashboard has printed. It works once, in one browser."
    return problem_page(403, "Not signed in", message)


class Check(Protocol):
    """Who may have the pages."""

    def check(self, scope: Scope) -> Response | None:
        """Return the response to a request that goes no further, None for one that may."""


class Guard:
    """Lets requests through that `access` allows, and adds the security headers to every response."""

    def __init__(self, app: ASGIApp, access: Check) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._access.check(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)
