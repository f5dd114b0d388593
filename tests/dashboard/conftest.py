from itertools import chain

import pytest
from dashboard import examples
from starlette.testclient import TestClient

from serin_cli.kubernetes_client import whole
from serin_dashboard.access import Access
from serin_dashboard.acting import Acting
from serin_dashboard.action_routes import Actions
from serin_dashboard.reading import Reader
from serin_dashboard.store import Store
from serin_dashboard.web import build

PORT = 8123


class FakeNamespace:
    """Has the records and the pods of every SuggestionModel; errors are raised instead of returned."""

    def __init__(self, records=(), pods=(), revisions=None):
        self.found, self.revisions, self.requests = {"records": records, "pods": pods}, revisions or {}, []
        self.models, self.is_allowed, self.refusal, self.written = {}, True, None, []

    def at(self, namespace):
        self.requests.append(namespace)
        return self

    def records(self, _name):
        return self._answer("records")

    def pods(self, _name):
        return self._answer("pods")

    def pod_revision(self, pod):
        found = self.revisions[pod["metadata"]["name"]]
        if isinstance(found, Exception):
            raise found
        return found

    def get(self, name):
        found = self.models[name]
        return found | {"status": whole(found["status"])}

    def user(self):
        return "jane@example.com"

    def may_act(self):
        return self.is_allowed

    def annotate(self, name, annotations, *, spec=None):
        if self.refusal:
            raise self.refusal
        self.written.append((name, annotations, spec))

    def _answer(self, what):
        if isinstance(self.found[what], Exception):
            raise self.found[what]
        return self.found[what]


class Site:
    """The pages of a cluster, and a browser that may open them."""

    def __init__(self, *models, cluster=None, acts=True):
        self.store = Store()
        if models:
            self.store.replace(models, at=examples.NOW)
        self.cluster = cluster or FakeNamespace(examples.RECORDS, [examples.pod("c-1")], {"c-1": 5})
        self.cluster.models = {one["metadata"]["name"]: one for one in models}
        self.access = Access(PORT)
        actions = Actions(Acting(self.cluster), self.access) if acts else None
        settings = {"scope": "namespace shop", "clock": lambda: examples.NOW, "poll": 0}
        app = build(self.store, Reader(self.cluster), self.access, actions=actions, **settings)
        self.browser = TestClient(app, base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False)

    @property
    def token_path(self):
        return self.access.link.removeprefix(f"http://127.0.0.1:{PORT}")

    def opened(self):
        """Return the site after its link was opened."""
        assert self.browser.get(self.token_path).status_code == 303
        return self

    def text(self, path):
        """Return a page as the words that it shows, one space between them."""
        found = self.browser.get(path)
        assert found.status_code == 200, found.text
        return words(found.text)


def words(html):
    """Return the text of a page without tags."""
    parts = (one.partition(">")[2] for one in chain(f">{html}".split("<")))
    return " ".join(" ".join(parts).split())


@pytest.fixture
def site():
    """Make a site with the given SuggestionModels whose link was opened."""
    return lambda *models, **others: Site(*models, **others).opened()
