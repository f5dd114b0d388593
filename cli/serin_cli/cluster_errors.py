"""How commands that need a cluster end when a request fails."""

from collections.abc import Iterator
from contextlib import contextmanager

from serin_cli.exit_codes import ExitCode
from serin_cli.options import fail
from serin_cli.request_errors import AbsentError, ClusterError


@contextmanager
def cluster_errors() -> Iterator[None]:
    """Exit with one line if a request to the cluster fails: status 6 if the object does not exist, otherwise 1."""
    try:
        yield
    except AbsentError as error:
        raise fail(error, ExitCode.NOT_FOUND) from None
    except ClusterError as error:
        raise fail(error) from None
