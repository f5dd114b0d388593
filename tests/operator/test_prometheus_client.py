"""Prometheus over real sockets: which responses are unreadable, and with what message."""

import http.server
import json
import socket
import threading
import urllib.parse
from contextlib import contextmanager, suppress

import pytest
from prometheus_over_http import ask, prometheus
from pydantic import ValidationError

from serin_core.contract.documents import one_line
from serin_core.counting.custom_counters import Samples
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series
from serin_localcluster.pki import Authority
from serin_operator.settings import PrometheusEndpoint


def read(url, **settings):
    return ask(url, lambda api: api.read("default", "up"), **settings)


def read_samples(url, at=1000.0):
    return ask(url, lambda api: api.read_samples("default", "up[60s]", at))


def unreachable(words):
    return Unreadable("Unreachable", f"Prometheus cannot be queried: {words}")


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
        '[{"metric": {"le": 1}, "value": [0, "1"]}]',
        '[{"metric": {"le": ["1"]}, "value": [0, "1"]}]',
        '[{"metric": {}, "value": [0, "many"]}]',
        '[{"metric": {}, "histogram": [0, {}]}]',
        "null",
        "{}",
    ],
)
def test_an_incomplete_result_is_unreadable(result):
    answer = {"resultType": "vector", "result": json.loads(result)}
    with prometheus(200, json.dumps({"status": "success", "data": answer})) as url:
        assert read(url) == Unreadable("QueryError", "Prometheus did not return a vector")


def test_a_certificate_is_verified_by_the_file_of_authorities_or_those_of_the_system(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.sign("prometheus", addresses=("127.0.0.1",))
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})
    with prometheus(200, body, pair) as url:
        assert read(url, ca_file=authority.file) == []
        found = read(url)
    assert isinstance(found, Unreadable)
    assert found.message.startswith("Prometheus cannot be queried: the certificate of 127.0.0.1 is not trusted: ")


def test_a_host_without_an_address_is_named():
    assert read("http://prometheus.invalid:9090") == unreachable("cannot resolve prometheus.invalid")


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_the_same_cause_has_the_same_message_every_time(closed_port):
    url = f"http://127.0.0.1:{closed_port}"
    assert read(url) == read_samples(url, at=1.0) == read_samples(url) == unreachable("connection refused by 127.0.0.1")


def test_silence_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = read(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.1)
    assert found == unreachable("127.0.0.1 timed out")


def test_a_missing_token_file_is_named(tmp_path):
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
            200, "<html>", Unreadable("QueryError", "Prometheus returned something that is not JSON"), id="no JSON"
        ),
        pytest.param(
            200,
            '{"status": "success", "warnings": ["partial"], "data": {"resultType": "vector", "result": []}}',
            Unreadable("QueryError", "Prometheus warns: partial"),
            id="a warning",
        ),
        pytest.param(
            200,
            '{"status": "success", "isPartial": true, "data": {"resultType": "vector", "result": []}}',
            Unreadable(
                "QueryError", "Prometheus warns: partial response of VictoriaMetrics, a vmstorage is not available"
            ),
            id="a partial response of VictoriaMetrics",
        ),
        pytest.param(
            200,
            "[" * 100_000,
            Unreadable("QueryError", "Prometheus returned something that is not JSON"),
            id="deeper than anybody reads",
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
            Unreadable("QueryError", "Prometheus returned something that is not JSON"),
            id="half a JSON",
        ),
        pytest.param(
            200,
            '{"status": "success", "data": {"resultType": "scalar", "result": [0, "1"]}}',
            Unreadable("QueryError", "Prometheus did not return a vector"),
            id="a scalar",
        ),
    ],
)
def test_a_response_without_plain_data_is_unreadable_with_its_own_message(status, body, found):
    with prometheus(status, body) as url:
        assert read(url) == found


def test_truncated_results_are_too_many_series():
    answer = {
        "status": "success",
        "warnings": ["results truncated due to limit"],
        "data": {"resultType": "matrix", "result": []},
    }
    with prometheus(200, json.dumps(answer)) as url:
        assert read_samples(url) == Unreadable("TooManySeries", "a selector matches more than 500 series")


def whole_request(connection):
    """What was sent, header lines and form; nothing where the other side has gone."""
    asked = connection.recv(65_536)
    head, _, form = asked.partition(b"\r\n\r\n")
    length = next((int(line.split()[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")), 0)
    while len(form) < length and (more := connection.recv(65_536)):
        form += more
    return asked and head + b"\r\n" + form


@contextmanager
def connections(answers):
    """Connections one after the other, each of which responds to a number of queries and closes at the next one."""
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})
    whole = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    taken, tokens = [], []

    def serve(server):
        with suppress(OSError):
            for number in answers:
                with server.accept()[0] as connection:
                    taken.append(number)
                    for turn in range(number + 1):
                        asked = whole_request(connection)
                        if turn < number and asked:
                            tokens.append(next((one for one in asked.split(b"\r\n") if b"Bearer" in one), None))
                            connection.sendall(whole)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", taken, tokens


def times(number, url, **settings):
    async def again(api):
        return [await api.read("default", "up") for _ in range(number)]

    return ask(url, again, **settings)


def test_a_connection_is_kept_alive():
    with connections([3]) as (url, taken, _):
        assert times(3, url) == [[], [], []]
    assert taken == [3]


def test_a_query_is_sent_as_a_form_and_not_in_the_url():
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_error(500)

        def log_message(self, *_args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        ask(f"http://127.0.0.1:{server.server_port}", lambda api: api.read("default", "up" * 10_000))
    [(path, form)] = asked
    assert path == "/api/v1/query"
    assert urllib.parse.parse_qs(form)["query"] == ["up" * 10_000]


def test_a_query_on_a_closed_connection_is_retried():
    with connections([1, 1]) as (url, taken, _):
        assert times(2, url) == [[], []]
    assert taken == [1, 1]


def test_connections_that_close_without_a_response_are_unreadable():
    with connections([0, 0]) as (url, taken, _):
        assert read(url).reason == "Unreachable"
    assert taken == [0, 0]


def test_a_token_is_read_at_every_query(tmp_path):
    token = tmp_path / "token"

    async def rotating(api):
        for word in ("old", "new"):
            token.write_text(f"{word}\n")
            await api.read("default", "up")

    with connections([2]) as (url, _, tokens):
        ask(url, rotating, bearer_token_file=token)
    assert tokens == [b"Authorization: Bearer old", b"Authorization: Bearer new"]


@pytest.mark.parametrize("hard", ["topsecret", "top#secret", "top/secret", "top[secret", "top@secret", "tópsecret"])
def test_a_password_in_the_address_is_never_shown(hard):
    password = urllib.parse.quote(hard, safe="")
    assert read(f"http://svc:{password}@127.0.0.1:1/prometheus") == unreachable("connection refused by 127.0.0.1")


def test_a_password_that_http_cannot_send_makes_no_answer():
    assert read("http://svc:トップsecret@127.0.0.1:1") == unreachable("UnicodeEncodeError")


@pytest.mark.parametrize("hard", ["top#secret", "top/secret", "top?secret"])
def test_an_ambiguous_address_is_refused_without_its_password(hard):
    with pytest.raises(ValidationError) as caught:
        PrometheusEndpoint(url=f"http://svc:{hard}@127.0.0.1:1")
    assert "url: the address is ambiguous; percent-encode" in one_line(caught.value)
    assert "secret" not in one_line(caught.value)


def test_a_partial_response_is_counted_and_logged_once_where_the_operator_chooses_so(caplog):
    body = {
        "status": "success",
        "warnings": ["store-1 is down"],
        "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]},
    }

    async def twice(api):
        return [await api.read("default", "up") for _ in range(2)]

    with prometheus(200, json.dumps(body)) as url:
        assert ask(url, twice, partial_response="Warn") == [[Series(labels={}, value=1.0)]] * 2
    assert [one for one in caplog.messages if "store-1" in one] == [
        f"{url} warns, and its results are used: store-1 is down"
    ]


def test_a_response_that_is_cut_is_refused_whatever_the_operator_chooses():
    body = {
        "status": "success",
        "warnings": ["results truncated due to limit"],
        "data": {"resultType": "vector", "result": []},
    }
    with prometheus(200, json.dumps(body)) as url:
        assert read(url, partial_response="Warn").reason == "TooManySeries"


def test_samples_that_are_no_numbers_are_marks_in_victoria_metrics_and_nowhere_else():
    found = [
        {"metric": {"__name__": "up"}, "values": [[1, "1"], [2, "NaN"]]},
        {"metric": {"__name__": "down"}, "values": [[1, "NaN"]]},
    ]
    body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": found}})
    with prometheus(200, body, headers={"X-Server-Hostname": "vm"}) as url:
        assert read_samples(url) == [Samples(labels={"__name__": "up"}, values=((1.0, 1.0),))]
    with prometheus(200, body) as url:
        assert [len(one.values) for one in read_samples(url)] == [2, 1]
