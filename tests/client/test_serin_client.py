"""The client against a real server, and against one that fails in the ways that networks and proxies do."""

import ast
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from client.serin_client import Client, ConnectionFailed, Feedback, ServerError, Transaction
from server.test_process import started

RULES = "classes:\n  Utilities: [mercongo]\n"
TOKEN = "a-token-of-users"
BOUGHT = Transaction("t1", "MERCONGO #0329", user_id="u1", amount=95.72, timestamp=datetime(2025, 7, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("serve")
    (root / "tokens").mkdir()
    (root / "tokens" / "token").write_text(TOKEN)
    (root / "rules.yaml").write_text(RULES)
    arguments = ("--port", "0", "--tokens", "tokens", "--store", "sqlite:///data.db")
    code = "from serin_server.commands.serve import app; app()"
    with started("-c", code, *arguments, environment={}, cwd=root) as process:
        yield process.url


def test_suggestions_and_feedback(url: str) -> None:
    with Client(url, token=TOKEN) as client:
        known, unknown = client.suggest([BOUGHT, Transaction("t2", "")])
        assert (known.txn_id, known.label, known.source, known.model_id) == ("t1", "Utilities", "rule", None)
        assert known.reasons == ('keyword "mercongo"',)
        assert (unknown.label, unknown.source, unknown.candidates) == (None, "none", ())
        assert unknown.reasons == ("no rule matched", "no run serves this user")
        assert client.accept(known) == Feedback("accepted", "Utilities", repeated=False)
        assert client.reject(known) == Feedback("accepted", "Utilities", repeated=True)
        assert client.correct(unknown, "Dining") == Feedback("rejected", "Dining", repeated=False)


def test_more_transactions_than_fit_into_one_request_keep_their_order(url: str) -> None:
    with Client(url, token=TOKEN) as client:
        many = [Transaction(f"many-{number}", "MERCONGO") for number in range(600)]
        assert client.store(many) == 600
        names = [one.txn_id for one in many]
        assert [one.txn_id for one in client.suggest(many)] == names
        assert [one.txn_id for one in client.suggest_stored(names)] == names
        assert client.suggest([]) == []


def test_an_error_has_its_code_fields_and_request_id(url: str) -> None:
    with Client(url, token=TOKEN) as client, pytest.raises(ServerError) as caught:
        client.suggest([Transaction("", "x" * 300)])
    error = caught.value
    assert (error.status, error.code) == (422, "invalid_request")
    assert [(one.pointer, one.detail) for one in error.errors] == [
        ("#/transactions/0/txn_id", "at least 1 character is required"),
        ("#/transactions/0/merchant", "at most 256 characters are allowed, 300 were sent"),
    ]
    assert error.request_id in str(error)
    with Client(url) as anonymous, pytest.raises(ServerError, match="401 missing_token"):
        anonymous.suggest([BOUGHT])


def test_threads_share_a_client(url: str) -> None:
    client, found = Client(url, token=TOKEN), []

    def work(number: int) -> None:
        found.extend(one.txn_id for one in client.suggest([Transaction(f"thread-{number}", "MERCONGO")] * 3))
        client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"thread-{number}" for number in range(8) for _ in range(3))


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes] | None) -> Iterator[tuple[str, list[Any]]]:
    """Listen, and give these answers, one to each request; None closes the connection without one."""
    waiting, requests = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = waiting.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


KEPT = (200, {}, b'{"kept": 1}')
BUSY = (503, {}, b'{"code": "store_unavailable", "detail": "the store is not available"}')


@pytest.mark.parametrize(
    ("answers", "pauses"),
    [
        pytest.param([BUSY, BUSY, KEPT], [0.1, 0.2], id="unavailable twice"),
        pytest.param([(429, {"Retry-After": "2"}, b""), KEPT], [2.0], id="with the time to wait"),
        pytest.param([(503, {"Retry-After": "86400"}, b""), KEPT], [10.0], id="with a very long time"),
        pytest.param([(503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, b""), KEPT], [0.1], id="with a date"),
        pytest.param([None, KEPT], [0.1], id="the connection is closed"),
    ],
)
def test_what_may_pass_is_tried_again(answers: list[Any], pauses: list[float]) -> None:
    slept: list[float] = []
    with answering(*answers) as (url, requests), Client(url, sleep=slept.append) as client:
        assert client.store([BOUGHT]) == 1
        assert slept == pauses
        assert len(requests) == len(answers)
        assert requests[0] == requests[-1]


def test_after_the_last_attempt_the_error_is_raised() -> None:
    slept: list[float] = []
    with answering(BUSY, BUSY) as (url, _), Client(url, attempts=2, sleep=slept.append) as client:
        with pytest.raises(ServerError, match="503 store_unavailable: the store is not available"):
            client.store([BOUGHT])
        assert slept == [0.1]


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"[]", b"\xff"])
def test_what_a_proxy_answers_is_an_error_as_well(body: bytes) -> None:
    with answering((404, {}, body)) as (url, _), Client(url) as client, pytest.raises(ServerError, match=r"^404 "):
        client.store([BOUGHT])


def test_nobody_listens() -> None:
    with answering() as (url, _):
        pass
    with Client(url, sleep=lambda _: None) as client, pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:\d+: "):
        client.store([BOUGHT])


@pytest.mark.parametrize("address", ["", "categories:8080", "ftp://categories", "http://"])
def test_an_address_that_cannot_be_one_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address like http://"):
        Client(address)


def test_it_needs_nothing_but_the_standard_library() -> None:
    source = (Path(__file__).parents[2] / "client" / "serin_client.py").read_text(encoding="utf-8")
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [one.name for node in found if isinstance(node, ast.Import) for one in node.names]
    names += [str(node.module) for node in found if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
