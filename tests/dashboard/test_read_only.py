"""The dashboard in a cluster: no login, no action, and only for host names that it is known by."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from dashboard import examples
from dashboard.conftest import FakeNamespace
from dashboard.examples import NOW, model
from starlette.testclient import TestClient

from serin_cli.request_errors import ClusterError
from serin_dashboard import health
from serin_dashboard.following import Followers
from serin_dashboard.hosts import KnownHosts
from serin_dashboard.reading import Reader
from serin_dashboard.store import Store
from serin_dashboard.web import build

HERE = "serin.example.com"
WAITING = model(conditions=(examples.condition("AwaitingApproval", "Unknown"),))
PAGES = ["/", "/?q=shop", "/models/shop/categories"]


class ReadOnly:
    """The pages of a cluster, and a browser that reaches them through a proxy."""

    def __init__(self, *models, namespaces=(None,), cluster=None):
        self.store, self.hang = Store(namespaces), ""
        for namespace in namespaces:
            mine = [one for one in models if namespace in (None, one["metadata"]["namespace"])]
            if mine:
                self.store.replace(mine, at=NOW, namespace=namespace)
        self.cluster = cluster or FakeNamespace(examples.RECORDS, [examples.pod("c-1")], {"c-1": 5})
        app = build(
            self.store,
            Reader(self.cluster),
            KnownHosts([HERE.upper()]),
            scope="all namespaces",
            clock=lambda: NOW,
            others=[health.routes(hang=lambda: self.hang, unread=self.store.unread)],
            poll=0,
        )
        self.browser = TestClient(app, base_url=f"https://{HERE}", follow_redirects=False)

    def get(self, path, **headers):
        return self.browser.get(path, headers=headers)


class Elements(HTMLParser):
    """The start tags of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def elements(page, *tags):
    return [attributes for tag, attributes in Elements(page).found if tag in tags]


@pytest.mark.parametrize("path", [*PAGES, "/static/style.css", "/static/live.js"])
def test_every_page_is_served_without_a_login_or_a_cookie(path):
    found = ReadOnly(WAITING).get(path)
    assert found.status_code == 200
    assert "set-cookie" not in found.headers
    assert "frame-ancestors 'none'" in found.headers["content-security-policy"]


@pytest.mark.parametrize("path", [*PAGES, "/models/shop/other"])
def test_no_page_has_a_button_but_the_filter_or_leads_to_an_action(path):
    page = ReadOnly(WAITING).get(path).text
    forms = [(one["method"], one["action"], one["role"]) for one in elements(page, "form")]
    buttons = elements(page, "button", "input")
    links = [one["href"] for one in elements(page, "a")]
    is_overview = path.partition("?")[0] == "/"
    assert forms == ([("get", "/", "search")] if is_overview else [])
    assert [one.get("name") for one in buttons] == (["q", None] if is_overview else [])
    assert links
    assert not [link for link in links if "action" in link]


@pytest.mark.parametrize("action", ["promote", "abort", "pause", "undo", "retry", "resume"])
def test_there_is_no_action_whatever_is_sent(action):
    site = ReadOnly(WAITING)
    path = f"/models/shop/categories/actions/{action}"
    assert site.get(path).status_code == 404
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        sent = site.browser.request(method, path, headers={"origin": f"https://{HERE}"}, data={"effect": "x"})
        assert sent.status_code == 404
    assert site.cluster.written == []


@pytest.mark.parametrize("path", ["/", "/models/shop/categories", "/events", "/healthz", "/readyz", "/static/live.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_pages_are_only_read(method, path):
    assert ReadOnly(WAITING).browser.request(method, path).status_code == 405


@pytest.mark.parametrize(
    "host",
    [HERE, f"{HERE}:8443", "Serin.Example.COM", "localhost", "localhost:8080", "127.0.0.1:9999", "[::1]:8080", "[::1]"],
)
def test_names_that_it_is_known_by_are_served_with_any_port(host):
    assert ReadOnly(WAITING).get("/", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8080",
        f"{HERE}.evil.example",
        f"evil.{HERE}",
        f"evil.example:{HERE}",
        f"{HERE}:80:80",
        f"{HERE}@evil.example",
        "10.0.0.7:8080",
        "[::2]:8080",
        "[::1",
    ],
)
def test_any_other_name_gets_nothing_so_that_no_foreign_page_can_read_it(host):
    site = ReadOnly(WAITING)
    for path in (*PAGES, "/events", "/events/shop/categories", "/static/style.css"):
        refused = site.get(path, host=host)
        assert refused.status_code == 400
        assert "categories" not in refused.text
    assert "--allowed-host" in refused.text


def test_what_a_proxy_forwards_is_no_name_of_the_dashboard():
    forged = {"host": "evil.example", "x-forwarded-host": HERE, "forwarded": f"host={HERE}"}
    assert ReadOnly(WAITING).get("/", **forged).status_code == 400


def test_probes_are_answered_under_the_address_of_the_pod_and_show_nothing_of_the_cluster():
    site = ReadOnly(WAITING)
    for path in ("/healthz", "/readyz"):
        assert site.get(path, host="10.0.0.7:8080").text == "ok\n"
    site.hang = "a watch has ended"
    assert (site.get("/healthz").status_code, site.get("/readyz").status_code) == (503, 200)


def test_it_is_ready_once_every_namespace_was_read_and_stays_so_when_the_cluster_is_lost():
    site = ReadOnly(WAITING, namespaces=["shop", "bank"])
    assert site.get("/readyz").text == "bank: not read yet\n"
    site.store.lose("403 Forbidden", at=NOW, namespace="bank")
    found = site.get("/readyz")
    assert (found.status_code, found.text) == (503, "bank: 403 Forbidden\n")
    site.store.replace([], at=NOW, namespace="bank")
    assert site.get("/readyz").status_code == 200
    site.store.lose("connection refused", at=NOW, namespace="shop")
    assert site.get("/readyz").status_code == 200
    assert "connection refused" in site.get("/").text


def test_a_namespace_that_cannot_be_read_leaves_the_others_as_they_are():
    site = ReadOnly(model(), model("b", namespace="bank"), namespaces=["shop", "bank", "lab"])
    site.store.lose("403 Forbidden", at=NOW, namespace="lab")
    page = site.get("/").text
    assert "403 Forbidden" in page
    assert len(re.findall(r'id="row-(?:shop-categories|bank-b)"', page)) == 2
    assert site.get("/models/lab/x").status_code == 503
    assert site.get("/models/bank/gone").status_code == 404
    site.store.replace([], at=NOW, namespace="bank")
    assert "row-shop-categories" in site.get("/").text, "a list of one namespace drops nothing of another"
    assert "row-bank-b" not in site.get("/").text


class Listing:
    """A cluster whose watches fail; it notes what was listed. A namespace may be refused."""

    def __init__(self, refused=()):
        self.refused, self.listed, self.namespace = refused, [], None

    def at(self, namespace):
        found = Listing(self.refused)
        found.listed, found.namespace = self.listed, namespace
        return found

    def models(self, *, all_namespaces):
        self.listed.append((self.namespace, all_namespaces))
        if self.namespace in self.refused:
            raise ClusterError("403 Forbidden")
        items = [] if self.namespace == "bank" else [model(namespace=self.namespace or "shop")]
        return {"metadata": {"resourceVersion": "1"}, "items": items}

    def watch(self, version, *, all_namespaces, seconds):
        raise RuntimeError("ends the thread, as a bug would")


@pytest.mark.parametrize(
    ("namespaces", "listed"),
    [([None], [(None, True)]), (["bank", "shop"], [("bank", False), ("shop", False)])],
    ids=["all", "two"],
)
def test_only_the_given_namespaces_are_listed_each_on_its_own(namespaces, listed, monkeypatch):
    ended = []
    monkeypatch.setattr("threading.excepthook", ended.append)
    cluster, store = Listing(), Store(namespaces)
    followers = Followers(cluster, store, clock=lambda: NOW)
    followers.start()
    for thread in followers._threads:
        thread.join()
    assert sorted(cluster.listed, key=str) == sorted(listed, key=str)
    assert store.unread() == ""
    assert [entry.live["metadata"]["namespace"] for entry in store.entries()] == ["shop"]
    assert len(ended) == len(namespaces)
    assert "has ended" in followers.problem(), "the liveness probe restarts the process"


def test_answers_are_forgotten_when_they_are_too_old_to_be_used():
    now = [0.0]
    reader = Reader(FakeNamespace([], []), clock=lambda: now[0])
    for number in range(5):
        reader.read(("shop", f"m{number}"))
        now[0] += 2.0
    assert [key[1] for key in reader._kept] == ["m2", "m3", "m4"]
    assert all(later > earlier for earlier, later in pairwise(at for at, _ in reader._kept.values()))
