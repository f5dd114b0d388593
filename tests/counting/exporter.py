"""A scripted exporter: what each target says at each scrape, and how often it was asked."""

import itertools
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PLACES = tuple(f"pod{number}" for number in range(6))
TWIN = "twin"
"""Scraped twice, each time with another external label, as two Prometheus replicas would."""
TICKING = "ticking"
"""Sells one more at every scrape, all of them good, from the beginning of the session."""
SALES = "ticking_sales_total"
PATIENCE = 15.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: a Prometheus that ends in mid-scrape lets go of its connection."""


class Exporter:
    """Targets by name. A target is a function that answers its text; one that raises is a target that fails."""

    def __init__(self) -> None:
        self.targets = {}
        self.asked: Counter[str] = Counter()
        self.settle = lambda: None
        """Makes visible to queries what was scraped; at once, unless the scraper is not Prometheus."""
        self.answered = threading.Condition()
        self._sold = itertools.count(1)
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                place = self.path.removeprefix("/").partition("?")[0]
                with exporter.answered:
                    try:
                        status, body = 200, exporter.tick() if place == TICKING else exporter.targets[place]()
                    except LookupError:
                        status, body = 404, b""
                    except OSError:
                        status, body = 500, b""
                    exporter.asked[place] += 1
                    exporter.answered.notify_all()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def tick(self) -> bytes:
        """Return the ticking target."""
        sold = next(self._sold)
        return f'{SALES}{{code="200"}} {sold}\n{SALES}{{code="500"}} 0\n'.encode()

    def scraped(self, *places: str, times: int = 2) -> None:
        """Wait until each target was asked `times` more: Prometheus has then stored all but the last of its answers."""
        with self.answered:
            wanted = {place: self.asked[place] + times for place in places}
            if not self.answered.wait_for(
                lambda: all(self.asked[place] >= number for place, number in wanted.items()), PATIENCE
            ):
                raise TimeoutError(f"Prometheus did not scrape {wanted} in {PATIENCE:g} s")
        self.settle()

    def close(self) -> None:
        """Stop responding."""
        self._server.shutdown()
        self._server.server_close()
