"""`kubectl serin dashboard`: a web server for this machine alone, until it is interrupted."""

import socket
import webbrowser
from datetime import UTC, datetime
from typing import Annotated

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.options import examples, fail

app = typer.Typer()


@app.command(
    epilog=examples(
        "kubectl serin dashboard",
        "kubectl serin dashboard -A --open",
        "kubectl serin dashboard -n transactions --port 8090",
    )
)
@on_cluster
def dashboard(
    connection: Connection,
    *,
    all_namespaces: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="Show the SuggestionModels of all namespaces.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Show rollouts as pages in a browser, on this machine.

    Serves 127.0.0.1 only, with the rights of the kubeconfig, and stores nothing. The link works once, in one browser.
    Ends with Ctrl-C.
    """
    # Imported here: an error of the command line is shown without them.
    from serin_dashboard.access import Access  # noqa: PLC0415
    from serin_dashboard.acting import Acting  # noqa: PLC0415
    from serin_dashboard.action_routes import Actions  # noqa: PLC0415
    from serin_dashboard.following import Followers  # noqa: PLC0415
    from serin_dashboard.reading import Reader  # noqa: PLC0415
    from serin_dashboard.serving import Server, serve  # noqa: PLC0415
    from serin_dashboard.store import Store  # noqa: PLC0415
    from serin_dashboard.web import build  # noqa: PLC0415

    with cluster_errors():
        cluster = connection.open()
        # A cluster that cannot be read at all is an error of the command; later ones are shown in the page.
        cluster.models(all_namespaces=all_namespaces)
    listening = _listen(port)
    access, store = Access(listening.getsockname()[1]), Store([None if all_namespaces else cluster.namespace])
    followers = Followers(cluster, store, clock=_now)
    scope = "all namespaces" if all_namespaces else f"namespace {cluster.namespace}"
    typer.echo(f"{access.link}\nThe link works once, in one browser. Ctrl-C ends the dashboard.")
    if open_browser:
        webbrowser.open(access.link)
    followers.start()
    app = build(store, Reader(cluster), access, actions=Actions(Acting(cluster), access), scope=scope, clock=_now)
    serve(Server(app, before_end=store.close), listening)


def _listen(port: int) -> socket.socket:
    """Return a socket on 127.0.0.1. Exits with status 1 if the port is taken."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
    except OSError as error:
        found.close()
        raise fail(f"cannot listen on 127.0.0.1:{port}: {(error.strerror or str(error)).lower()}") from None
    return found


def _now() -> datetime:
    return datetime.now(UTC)
