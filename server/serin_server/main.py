"""Entry point of a server pod: `serin-server`. Reads the environment once, and exits 2 if a setting is not valid."""

import os
import sys

from serin_core.contract.addresses import addresses_in
from serin_server.clock import SystemClock
from serin_server.environment import pod_settings
from serin_server.http_server import listen
from serin_server.logs import configure_logs
from serin_server.service import build_service
from serin_server.settings import SettingsError


def main() -> None:
    """Serve until SIGTERM; exit 0 then, 2 if a setting is not valid."""
    try:
        settings = pod_settings(os.environ)
        configure_logs(as_json=settings.json_logs, addresses=addresses_in(os.environ.values()))
        listen(build_service(settings, clock=SystemClock()))
    except SettingsError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"serin-server: {line}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
