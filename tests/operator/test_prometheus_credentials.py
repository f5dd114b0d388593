"""Credentials of Prometheus over real sockets: what is sent, from which files, and what is refused."""

import asyncio
import base64
import http.server
import json
import ssl
import threading
from contextlib import contextmanager

import pytest

from serin_core.counting.reading import Unreadable
from serin_localcluster.pki import Authority
from serin_operator.prometheus_client import PrometheusClient
from serin_operator.settings import PrometheusEndpoint, Settings, SettingsError

EMPTY = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}).encode()


class Recorder(http.server.ThreadingHTTPServer):
    """A server that keeps the headers of every query, and how many it handled at the same time."""

    daemon_threads = True

    def __init__(self, *, redirect="", together=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.redirect, self.together = redirect, together
        self.seen, self.most, self.running, self.lock = [], 0, 0, threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.seen.append(self.headers)
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
        if self.server.together is not None:
            self.server.together.wait(timeout=0.3)
        with self.server.lock:
            self.server.running -= 1
        self.send_response(307 if self.server.redirect else 200)
        if self.server.redirect:
            self.send_header("Location", self.server.redirect + self.path)
        self.send_header("Content-Length", str(len(EMPTY)))
        self.end_headers()
        self.wfile.write(EMPTY)

    def log_message(self, *_args):
        pass


@contextmanager
def listening(context=None, **options):
    server = Recorder(**options)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        server.server_close()


def ask(url, *changes, threads=1, **settings):
    """Query once, and once more after each change."""

    async def query():
        found = [await api.read("default", "up")]
        for change in changes:
            change()
            found.append(await api.read("default", "up"))
        return found

    api = PrometheusClient({"default": PrometheusEndpoint(url=url, **settings)}, threads=threads)
    try:
        return asyncio.run(query())
    finally:
        api.close()


def unreachable(words):
    return Unreadable("Unreachable", f"Prometheus cannot be queried: {words}")


def test_headers_are_sent_from_values_and_files_that_are_read_at_every_query(tmp_path):
    tenant = tmp_path / "tenant"
    tenant.write_text("a\n")
    headers = {"X-Scope-OrgID": {"file": tenant}, "X-Team": {"value": "risk"}}
    with listening() as (url, server):
        assert ask(url, lambda: tenant.write_text("b"), headers=headers) == [[], []]
    assert [(one["X-Scope-OrgID"], one["X-Team"]) for one in server.seen] == [("a", "risk"), ("b", "risk")]


def test_a_password_is_read_at_every_query(tmp_path):
    password = tmp_path / "password"
    password.write_text("old\n")
    basic = {"username": "serin", "passwordFile": password}
    with listening() as (url, server):
        ask(url, lambda: password.write_text("né:w"), basic_auth=basic)
    sent = [base64.b64decode(one["Authorization"].removeprefix("Basic ")).decode() for one in server.seen]
    assert sent == ["serin:old", "serin:né:w"]


def test_a_user_in_the_address_goes_with_headers():
    with listening() as (url, server):
        address = url.replace("//", "//svc:word@")
        assert ask(address, headers={"X-Scope-OrgID": {"value": "a"}}) == [[]]
    [seen] = server.seen
    assert seen["Authorization"] == f"Basic {base64.b64encode(b'svc:word').decode()}"
    assert seen["X-Scope-OrgID"] == "a"


def test_a_redirect_to_another_place_carries_no_credentials(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    with listening() as (other, elsewhere), listening(redirect=other) as (url, server):
        assert ask(url, bearer_token_file=token, headers={"X-Scope-OrgID": {"value": "a"}}) == [[]]
    assert server.seen[0]["Authorization"] == "Bearer secret"
    assert [(one["Authorization"], one["X-Scope-OrgID"]) for one in elsewhere.seen] == [(None, None)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"one\ntopsecret", "is not one line of printable characters"),
        ("tópsecret".encode(), "has characters that a header cannot have"),
        (b"\xfftopsecret", "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_sent_is_named_and_its_content_is_not(tmp_path, content, words):
    file = tmp_path / "token"
    file.write_bytes(content)
    assert ask("http://127.0.0.1:1", bearer_token_file=file) == [unreachable(f"{file} {words}")]


def test_a_missing_certificate_is_named(tmp_path):
    files = {"client_certificate_file": tmp_path / "tls.crt", "client_key_file": tmp_path / "tls.key"}
    found = ask("https://127.0.0.1:1", **files)
    assert found == [unreachable(f"No such file or directory: {tmp_path / 'tls.crt'}")]


def test_certificates_are_read_again_when_their_files_change(tmp_path):
    """The server changes its authority for clients and its own certificate; the files follow, without a restart."""
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    mine = {name: tmp_path / name for name in ("ca.crt", "tls.crt", "tls.key")}

    def take(authority):
        pair = authority.sign("operator", groups=("serin",))
        for name, source in zip(mine, (authority.file, pair.certificate, pair.key), strict=True):
            mine[name].write_bytes(source.read_bytes())

    def serving(authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = authority.sign("prometheus", addresses=("127.0.0.1",))
        context.load_cert_chain(pair.certificate, pair.key)
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    settings = {
        "ca_file": mine["ca.crt"],
        "client_certificate_file": mine["tls.crt"],
        "client_key_file": mine["tls.key"],
    }
    take(old)
    with listening(serving(old)) as (url, _):
        first, after = ask(url, lambda: take(new), **settings)
        assert first == []
        assert isinstance(after, Unreadable), "an authority that is not in the file any more is still trusted"
        assert "is not trusted" in after.message
    with listening(serving(new)) as (url, server):
        take(old)
        before, after = ask(url, lambda: take(new), **settings)
    assert isinstance(before, Unreadable)
    assert after == []
    assert len(server.seen) == 1


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (None, 2)])
def test_no_more_queries_than_allowed_are_sent_at_the_same_time(limit, most):
    async def query(api):
        return await asyncio.gather(*(api.read("default", "up") for _ in range(2)))

    with listening(together=threading.Event()) as (url, server):
        api = PrometheusClient({"default": PrometheusEndpoint(url=url, max_concurrency=limit)}, threads=2)
        assert asyncio.run(query(api)) == [[], []]
        api.close()
    assert server.most == most


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (
            "url: https://p, bearerTokenFile: /t, basicAuth: {username: u, passwordFile: /p}",
            "bearerTokenFile and basicAuth exclude each other",
        ),
        ("url: 'https://u:topsecret@p', bearerTokenFile: /t", "bearerTokenFile and a user in url exclude each other"),
        ("url: https://p, clientCertificateFile: /c", "clientCertificateFile and clientKeyFile belong together"),
        ("url: https://p, clientKeyFile: /c", "clientCertificateFile and clientKeyFile belong together"),
        ("url: http://p, caFile: /c", "need an https address in url"),
        ("url: https://p, headers: {Authorization: {value: topsecret}}", "Authorization cannot be set here"),
        ("url: https://p, headers: {X-A: {}}", "a header has either a value or a file"),
        ("url: https://p, headers: {X-A: {value: topsecret, file: /f}}", "a header has either a value or a file"),
        ('url: https://p, headers: {X-A: {value: "topsecret\\nX-B: c"}}', "headers.X-A.value"),
        ("url: https://p, headers: {'X A': {value: a}}", "headers.X A"),
        ("url: https://p, basicAuth: {username: 'a:b', passwordFile: /p}", "basicAuth.username"),
        ("url: https://p, maxConcurrency: 0", "maxConcurrency"),
    ],
)
def test_what_does_not_go_together_is_refused_without_its_secrets(tmp_path, endpoint, message):
    path = tmp_path / "config.yaml"
    path.write_text(f"prometheus: {{default: {{{endpoint}}}}}\nserver: {{image: i}}\n")
    with pytest.raises(SettingsError) as raised:
        Settings.load(path)
    assert message in str(raised.value)
    assert "topsecret" not in str(raised.value)
