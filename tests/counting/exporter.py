"""A scripted exporter: what each target says at each scrape, and how often it was asked."""

import itertools
import json
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

PLACES = tuple(f"pod{number}" for number in range(6))
TWIN = "twin"
"""Scraped twice, each time with another external label, as two Prometheus replicas would."""
TICKING = "ticking"
"""Sells one more at every scrape, all of them good, from the beginning of the session."""
SALES = "ticking_sales_total"
ANSWERS = "exporter_answers"
"""The number of each answer, as a sample in it: tells what a Prometheus has stored."""
PATIENCE = 15.0
BETWEEN_LOOKS = 0.05


class Scraper(Protocol):
    """A Prometheus, or what scrapes in its place."""

    url: str

    def settle(self) -> None:
        """Make visible to queries what was scraped."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: a Prometheus that ends in mid-scrape lets go of its connection."""


class Exporter:
    """Targets by name. A target is a function that answers its text; one that raises is a target that fails."""

    def __init__(self) -> None:
        self.targets = {}
        self.asked: Counter[str] = Counter()
        self.scraper: Scraper | None = None
        self.broken: set[str] = set()
        """Places whose last answer holds no sample."""
        self._lock = threading.Lock()
        self._sold = itertools.count(1)
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                place = self.path.removeprefix("/").partition("?")[0]
                with exporter._lock:
                    exporter.asked[place] += 1
                    try:
                        status, body = 200, exporter.tick() if place == TICKING else exporter.targets[place]()
                    except LookupError:
                        status, body = 404, b""
                    except OSError:
                        status, body = 500, b""
                    if status == 200 and not body.startswith(b"<"):
                        exporter.broken.discard(place)
                        body += f'{ANSWERS}{{place="{place}"}} {exporter.asked[place]}\n'.encode()
                    else:
                        exporter.broken.add(place)
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
        """Wait until the scraper has stored an answer that each target gave since this call.

        A target is asked `times` times first. One that answers without samples is only waited for so long.
        """
        with self._lock:
            known = {place: self.asked[place] for place in places}
        deadline = time.monotonic() + PATIENCE
        while not all(self._has_stored(place, since + times - 1) for place, since in known.items()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Prometheus did not scrape {places} in {PATIENCE:g} s")
            time.sleep(BETWEEN_LOOKS)

    def _has_stored(self, place: str, number: int) -> bool:
        """Return whether this answer is stored, or was followed by another where it is broken."""
        with self._lock:
            asked, is_broken = self.asked[place], place in self.broken
        if asked <= number or is_broken or self.scraper is None:
            return asked > number
        self.scraper.settle()
        query = urllib.parse.urlencode({"query": f'min({ANSWERS}{{place="{place}"}}) >= {number}'})
        with urllib.request.urlopen(f"{self.scraper.url}/api/v1/query?{query}", timeout=10) as answer:  # noqa: S310
            return bool(json.load(answer)["data"]["result"])

    def close(self) -> None:
        """Stop responding."""
        self._server.shutdown()
        self._server.server_close()
