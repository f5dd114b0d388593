"""How commands that need a cluster end when a request fails."""

from collections.abc import Iterator
from contextlib import contextmanager

from serin_cli.kubernetes_client import ClusterError
from serin_cli.options import fail


@contextmanager
def cluster_errors() -> Iterator[None]:
    """Exit with status 1 and one line if a request to the cluster fails."""
    try:
        yield
    except ClusterError as error:
        raise fail(error) from None
