"""Which requests the dashboard in a cluster serves: those for a host name that it is known by, and probes.

It has no login: a proxy in front of it decides who may read the pages. The names keep a foreign page, whose own name
points to an address of the dashboard (DNS rebinding), from reading them in the browser of a user who can reach it.
"""

import re
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from serin_dashboard.health import PROBES
from serin_dashboard.pages import problem_page

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
"""For `kubectl port-forward`."""
_HOST: Final = re.compile(r"(\[[^]]*\]|[^:]*)(:\d*)?")


class KnownHosts:
    """The host names of the dashboard, in lower case; any port."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset((*_LOOPBACK, *(name.lower() for name in names)))

    def check(self, scope: Scope) -> Response | None:
        """Return the response to a request for another host, else None. Probes name the address of the pod."""
        host = Headers(scope=scope).get("host", "")
        found = _HOST.fullmatch(host)
        if scope["path"] in PROBES or (found and found[1].lower() in self._names):
            return None
        return problem_page(
            400,
            "Unknown host",
            f"This dashboard is not known as {host!r}. The option --allowed-host adds a name (in the Helm chart "
            "dashboard.allowedHosts).",
        )
