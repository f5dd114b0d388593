"""Prometheus over real sockets: what cannot be counted on, and in which words."""

import asyncio
import http.server
import json
import socket
import threading
from contextlib import contextmanager

import pytest

from serin_core.counting import Samples, Series, Unreadable
from serin_operator.prometheus_api import PrometheusApi
from serin_operator.settings import PrometheusEndpoint


def ask(url, question, **settings):
    api = PrometheusApi({"default": PrometheusEndpoint(url=url, **settings)}, threads=1)
    try:
        return asyncio.run(question(api))
    finally:
        api.close()


def read(url, **settings):
    return ask(url, lambda api: api.read("default", "up"), **settings)


def read_samples(url, at=1000.0):
    return ask(url, lambda api: api.read_samples("default", "up[60s]", at))


@contextmanager
def prometheus(status, body):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def unreachable(words):
    return Unreadable("Unreachable", f"Prometheus cannot be asked: {words}")


def test_a_vector_is_series():
    answer = {"resultType": "vector", "result": [{"metric": {"__name__": "up"}, "value": [0, "1"]}]}
    with prometheus(200, json.dumps({"status": "success", "data": answer})) as url:
        assert read(url) == [Series(labels={"__name__": "up"}, value=1.0)]


def test_a_matrix_is_samples():
    answer = {"resultType": "matrix", "result": [{"metric": {"__name__": "up"}, "values": [[1, "1"], [2.5, "3"]]}]}
    with prometheus(200, json.dumps({"status": "success", "data": answer})) as url:
        assert read_samples(url) == [Samples(labels={"__name__": "up"}, values=((1.0, 1.0), (2.5, 3.0)))]


@pytest.mark.parametrize(
    "result",
    [
        "[1]",
        '[{"metric": {}}]',
        '[{"metric": [], "value": [0, "1"]}]',
        '[{"metric": {}, "value": [0, "many"]}]',
        '[{"metric": {}, "histogram": [0, {}]}]',
        "null",
        "{}",
    ],
)
def test_half_an_answer_is_no_answer(result):
    answer = {"resultType": "vector", "result": json.loads(result)}
    with prometheus(200, json.dumps({"status": "success", "data": answer})) as url:
        assert read(url) == Unreadable("QueryError", "Prometheus did not answer with a vector")


def test_a_host_without_an_address_is_named():
    assert read("http://prometheus.invalid:9090") == unreachable("cannot resolve prometheus.invalid")


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_the_same_cause_has_the_same_words_at_every_look(closed_port):
    url = f"http://127.0.0.1:{closed_port}"
    assert read(url) == read_samples(url, at=1.0) == read_samples(url) == unreachable("connection refused by 127.0.0.1")


def test_silence_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = read(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.1)
    assert found == unreachable("127.0.0.1 timed out")


def test_a_token_that_is_not_there_is_named(tmp_path):
    found = read("http://127.0.0.1:1", bearer_token_file=tmp_path / "token")
    assert found == unreachable(f"No such file or directory: {tmp_path / 'token'}")


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        pytest.param(503, "busy", unreachable("HTTP 503 Service Unavailable"), id="an error page"),
        pytest.param(
            422,
            '{"status": "error", "error": "too many samples"}',
            Unreadable("QueryError", "Prometheus refused the query (422): too many samples"),
            id="a refusal",
        ),
        pytest.param(
            200, "<html>", Unreadable("QueryError", "Prometheus answered with something that is not JSON"), id="no JSON"
        ),
        pytest.param(
            200,
            '{"status": "success", "warnings": ["partial"], "data": {"resultType": "vector", "result": []}}',
            Unreadable("QueryError", "Prometheus warns: partial"),
            id="a warning",
        ),
        pytest.param(
            200,
            '{"status": "error", "error": "half of it"}',
            Unreadable("QueryError", "Prometheus refused the query: {'status': 'error', 'error': 'half of it'}"),
            id="an error with 200",
        ),
        pytest.param(
            200,
            '{"status": "success", "data": {"resultType": "vec',
            Unreadable("QueryError", "Prometheus answered with something that is not JSON"),
            id="half a JSON",
        ),
        pytest.param(
            200,
            '{"status": "success", "data": {"resultType": "scalar", "result": [0, "1"]}}',
            Unreadable("QueryError", "Prometheus did not answer with a vector"),
            id="a scalar",
        ),
    ],
)
def test_an_answer_that_is_no_plain_data_is_told_in_its_own_words(status, body, found):
    with prometheus(status, body) as url:
        assert read(url) == found
