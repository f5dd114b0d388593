"""Check endpoints over real sockets: what is sent, and which answers hold with which sentence."""

import asyncio
import http.server
import json
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from serin_core.api.check_status import CheckVerdict
from serin_core.contract.documents import one_line
from serin_localcluster.pki import Authority
from serin_operator.check_client import MAX_BYTES, CheckClient
from serin_operator.settings import CheckEndpoint

TOKEN = "s3cr3t-t0ken-of-ci"
DOCUMENT = {"id": "1", "check": "smoke"}


class Endpoint(http.server.ThreadingHTTPServer):
    """Returns for every request a status and a body; keeps what it got."""

    daemon_threads = True

    def __init__(self, status=200, body=b"{}", headers=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.headers, self.seen = status, body, dict(headers), []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        found = self.server.body
        self.wfile.write(found(self) if callable(found) else found)

    def log_message(self, *_args):
        pass


@contextmanager
def endpoint(status=200, body=b"{}", *, headers=(), context=None):
    server = Endpoint(status, body if callable(body) or isinstance(body, bytes) else json.dumps(body).encode(), headers)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}/checks"
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def ask(url, *, seconds=None, **settings):
    async def asks():
        return await CheckClient({"ci": CheckEndpoint(url=url, **settings)}).ask("ci", DOCUMENT, seconds=seconds)

    return asyncio.run(asks())


@pytest.mark.parametrize("verdict", CheckVerdict)
def test_a_verdict_with_a_message(verdict):
    with endpoint(body={"verdict": verdict, "message": "312 tests", "more": [1]}) as server:
        assert ask(server.url) == (verdict, "312 tests")
        path, headers, body = server.seen[0]
    assert (path, json.loads(body), headers["Content-Type"]) == ("/checks", DOCUMENT, "application/json")


def test_a_verdict_needs_no_message_and_any_success_will_do():
    with endpoint(201, {"verdict": "Wait"}) as server:
        assert ask(server.url) == (CheckVerdict.WAIT, "")


EXPECTED = 'expected {"verdict": "Pass"}, "Fail" or "Wait"'


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html><body>Sign in</body></html>", f"returned something that is not JSON; {EXPECTED}"),
        (200, b"", f"returned something that is not JSON; {EXPECTED}"),
        (200, b"\xff\xfe", f"returned something that is not JSON; {EXPECTED}"),
        (200, b"[" * 50_000, f"returned something that is not JSON; {EXPECTED}"),
        (200, b"null", f"returned no verdict; {EXPECTED}"),
        (200, b'"Pass"', f"returned no verdict; {EXPECTED}"),
        (200, {}, f"returned no verdict; {EXPECTED}"),
        (200, {"verdict": "pass"}, f"returned no verdict; {EXPECTED}"),
        (200, {"verdict": True}, f"returned no verdict; {EXPECTED}"),
        (200, {"verdict": "Pass", "message": {}}, f"returned a message that is not text; {EXPECTED}"),
        (200, b'{"verdict":"Fail","verdict":"Pass"}', f"returned JSON in which a key is given twice; {EXPECTED}"),
        (200, b" " * (MAX_BYTES + 1), "returned more than 64 KiB"),
        (503, {"verdict": "Pass"}, "answered with HTTP 503 Service Unavailable"),
        (401, b"", "answered with HTTP 401 Unauthorized"),
    ],
)
def test_anything_else_is_no_verdict_and_one_sentence(status, body, sentence):
    with endpoint(status, body) as server:
        assert ask(server.url) == (None, sentence)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with endpoint(200, {"verdict": "Pass"}) as other, endpoint(status, headers={"Location": other.url}) as server:
        verdict, message = ask(server.url, bearer_token_file=token)
        assert other.seen == []
    assert verdict is None
    assert message == (
        f"answered with a redirect (HTTP {status}), which is not followed; put the address that it leads to into the "
        "operator's configuration"
    )


def test_a_server_that_hangs_or_drips_is_given_up_after_the_timeout():
    def drip(handler):
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
        return b""

    for body in (lambda _handler: time.sleep(3) or b"", drip):
        with endpoint(body=body) as server:
            began = time.monotonic()
            assert ask(server.url, timeout_seconds=0.3) == (None, "did not answer within 0.3 s")
            assert ask(server.url, seconds=0.2) == (None, "did not answer within 0.2 s")
            assert time.monotonic() - began < 2.5


def test_a_body_without_an_end_is_cut_off():
    def endless(handler):
        while True:
            handler.wfile.write(b" " * 65_536)

    with endpoint(body=endless) as server:
        assert ask(server.url) == (None, "returned more than 64 KiB")


def test_credentials_are_sent_and_never_shown(tmp_path):
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")

    def echo(handler):
        headers = dict(handler.headers)
        return json.dumps({"verdict": "Fail", "message": f"bad: {headers}"}).encode()

    with endpoint(body=echo) as server:
        verdict, message = ask(server.url, bearer_token_file=token, headers={"X-Key": {"value": "another-key"}})
        headers = server.seen[0][1]
    assert (headers["Authorization"], headers["X-Key"]) == (f"Bearer {TOKEN}", "another-key")
    assert verdict is CheckVerdict.FAIL
    assert "***" in message
    assert TOKEN not in message
    assert "another-key" not in message


def test_basic_auth_and_credentials_in_the_url(tmp_path):
    password = tmp_path / "password"
    password.write_text("pass word")
    with endpoint(body={"verdict": "Pass"}) as server:
        ask(server.url, basic_auth={"username": "me", "password_file": password})
        ask(server.url.replace("://", "://me:secret@"))
        sent = [headers["Authorization"] for _, headers, _ in server.seen]
    assert sent == ["Basic bWU6cGFzcyB3b3Jk", "Basic bWU6c2VjcmV0"]


def test_a_message_is_one_line_of_bounded_length():
    text = "first\nsecond\t\x1b[31mred " + "x" * 1000
    with endpoint(body={"verdict": "Wait", "message": text}) as server:
        _, message = ask(server.url)
    assert message.startswith("first second [31mred xxx")
    assert (len(message), message[-1]) == (300, "…")


def test_a_file_that_is_missing_is_named():
    assert ask("http://127.0.0.1:1/", bearer_token_file="/nowhere/token") == (
        None,
        "cannot be asked: No such file or directory: /nowhere/token",
    )


def test_a_server_that_is_away_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}/?token={TOKEN}") == (
        None,
        "cannot be asked: connection refused by 127.0.0.1",
    )
    assert ask("http://nowhere.invalid/") == (None, "cannot be asked: cannot resolve nowhere.invalid")


def test_a_connection_that_is_closed_is_no_answer():
    def close(handler):
        handler.connection.shutdown(socket.SHUT_RDWR)
        return b""

    with endpoint(body=close, headers={"Content-Length": "9"}) as server:
        verdict, message = ask(server.url)
    assert verdict is None
    assert message.startswith("cannot be asked: ")


def test_certificates_are_verified_by_ca_file(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.sign("ci", addresses=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with endpoint(body={"verdict": "Pass"}, context=context) as server:
        assert ask(server.url, ca_file=authority.file) == (CheckVerdict.PASS, "")
        verdict, message = ask(server.url)
    assert verdict is None
    assert "cannot be asked: the certificate of 127.0.0.1 is not trusted" in message


def test_an_endpoint_that_is_not_configured_is_named_with_the_known_ones():
    async def asks():
        return await CheckClient({"ci": CheckEndpoint(url="http://ci/")}).ask("cii", DOCUMENT, seconds=1)

    assert asyncio.run(asks()) == (None, "is not known to the operator (known: ci)")


def test_no_more_requests_at_a_time_than_configured():
    most, running, lock = [0], [0], threading.Lock()

    def count(_handler):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        return b'{"verdict": "Pass"}'

    async def asks(url):
        client = CheckClient({"ci": CheckEndpoint(url=url, max_concurrency=2)})
        return await asyncio.gather(*(client.ask("ci", DOCUMENT, seconds=5) for _ in range(8)))

    with endpoint(body=count) as server:
        assert asyncio.run(asks(server.url)) == [(CheckVerdict.PASS, "")] * 8
    assert most[0] == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "ftp://ci/"}, "url"),
        ({"url": "http://ci/", "timeoutSeconds": 301}, "timeoutSeconds"),
        ({"url": "http://ci/", "replicaLabels": []}, "replicaLabels"),
        ({"url": "http://ci/", "caFile": "/ca"}, "need an https address in url"),
        ({"url": "http://me:pw@ci/", "bearerTokenFile": "/t"}, "exclude each other"),
    ],
)
def test_a_wrong_setting_is_refused(settings, message):
    with pytest.raises(ValidationError) as error:
        CheckEndpoint.model_validate(settings)
    assert message in one_line(error.value)
