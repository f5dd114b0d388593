"""A real headless Chromium, and a server with the pages of a cluster that is a dictionary. A missing browser fails."""

import socket
import threading
import time
from contextlib import contextmanager

from dashboard import examples
from dashboard.conftest import FakeNamespace
from playwright.sync_api import sync_playwright

from serin_dashboard.access import Access
from serin_dashboard.acting import Acting
from serin_dashboard.action_routes import Actions
from serin_dashboard.reading import Reader
from serin_dashboard.serving import Server
from serin_dashboard.store import Store
from serin_dashboard.web import build
from serin_localcluster.chromium import find_chromium


@contextmanager
def chromium():
    """Start a browser for which evil.example is this machine."""
    # The tests may run as root, for whom Chromium has no sandbox; every page is of this machine.
    options = ["--no-sandbox", "--host-resolver-rules=MAP evil.example 127.0.0.1"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=options)
        yield started
        started.close()


class Served:
    """The dashboard of a fake cluster on a port of this machine."""

    def __init__(self, *models, clock=lambda: examples.NOW, scope="namespace shop"):
        self.store, self.cluster = Store(), FakeNamespace(examples.RECORDS, [examples.pod("c-1")], {"c-1": 5})
        self.show(*models)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.access = Access(self.port)
        settings = {"scope": scope, "clock": clock, "poll": 0.05, "actions": Actions(Acting(self.cluster), self.access)}
        app = build(self.store, Reader(self.cluster), self.access, **settings)
        self._server = Server(app, before_end=self.store.close)
        self._thread = threading.Thread(target=self._server.run, args=([listening],))

    def show(self, *models):
        """Make these the SuggestionModels of the cluster."""
        self.cluster.models = {one["metadata"]["name"]: one for one in models}
        self.store.replace(models, at=examples.NOW)

    def stop(self):
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive(), "an open page delays the end"

    def __enter__(self):
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started:
            assert time.monotonic() < deadline, "the server has not started"
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self._thread.is_alive():
            self.stop()
