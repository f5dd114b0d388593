"""Entry point of the dashboard in a cluster: pages that can only be read, behind a proxy that authenticates."""

import argparse
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from serin_cli.kubernetes_client import Cluster
from serin_cli.request_errors import ClusterError
from serin_core.contract import environment
from serin_dashboard import health
from serin_dashboard.following import Followers
from serin_dashboard.hosts import KnownHosts
from serin_dashboard.reading import Reader
from serin_dashboard.serving import Server, serve
from serin_dashboard.store import Store
from serin_dashboard.web import build

_log = logging.getLogger("serin_dashboard")


def main(given: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM; exit 0 then, 1 without a way to the API server, 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(given)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        cluster = Cluster.inside()
    except ClusterError as error:
        sys.exit(f"serin-dashboard: {error}")
    try:
        listening = _listen(os.environ.get(environment.HOST.name) or environment.HOST.default, options.port)
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on port {options.port}: {getattr(error, 'strerror', None) or error}")
    store = Store(options.namespace or [None])
    followers = Followers(cluster, store, clock=_now)
    scope = f"namespaces {', '.join(options.namespace)}" if options.namespace else "all namespaces"
    app = build(
        store,
        Reader(cluster),
        KnownHosts(options.allowed_host),
        scope=scope,
        clock=_now,
        others=[health.routes(hang=followers.problem, unread=store.unread)],
    )
    host, port = listening.getsockname()[:2]
    _log.info("%s, on http://%s:%d", scope, f"[{host}]" if ":" in host else host, port)
    followers.start()
    # The server handles the signal while it runs, and raises it again when it has ended: that is no failure.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(Server(app, before_end=store.close), listening)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serin-dashboard",
        description="Pages of rollouts that can only be read, for a cluster. They have no login: a proxy in front of "
        "them decides who may read them.",
    )
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="namespace to show, with a Role in it; may be repeated; all namespaces, with a ClusterRole, if not given",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name, without port, by which browsers or the proxy reach the pages; may be repeated; localhost and "
        "127.0.0.1 are known",
    )
    return parser


def _listen(host: str, port: int) -> socket.socket:
    """Listen on an address; `::` is every address, of IPv4 too. Raises OSError and OverflowError."""
    is_any = host == "::"
    if is_any and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in host and not is_any else socket.AF_INET
    return socket.create_server(("" if is_any else host, port), family=family)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
