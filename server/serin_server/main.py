"""The server pod's entry point: `serin-server`. Reads the environment once, and exits 2 where that cannot work."""

import os
import sys

from serin_core.contract.addresses import addresses_in
from serin_server.clock import SystemClock
from serin_server.http_server import listen
from serin_server.logs import configure_logs
from serin_server.service import build_service
from serin_server.settings import SettingsError, settings_of_pod


def main() -> None:
    """Serve until SIGTERM; exit 0 then, 2 on a setting that cannot be used."""
    try:
        settings = settings_of_pod(os.environ)
        configure_logs(as_json=settings.json_logs, addresses=addresses_in(os.environ.values()))
        listen(build_service(settings, clock=SystemClock()))
    except SettingsError as error:
        sys.stderr.write(f"serin-server: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
