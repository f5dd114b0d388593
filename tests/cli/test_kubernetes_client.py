"""Errors of the API server, each in one line."""

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
from kubernetes.client import ApiClient, Configuration, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError

from serin_cli import api_reader
from serin_cli.kubernetes_client import Cluster
from serin_cli.request_errors import AbsentError, ClusterError

MANY = ", ".join(f"m{i:02}" for i in range(10))


class FakeApi:
    """Has the SuggestionModels of one namespace; `error` is raised by every request for one."""

    def __init__(self, *names, elsewhere=(), error=None, list_error=None):
        self.names, self.error, self.list_error = names, error or ApiException(404, "Not Found"), list_error
        self.elsewhere = elsewhere
        self.api_client = SimpleNamespace(configuration=SimpleNamespace(host="https://10.0.0.1:6443"))

    def get_namespaced_custom_object(self, *_arguments, **_settings):
        raise self.error

    def list_namespaced_custom_object(self, *_arguments, **_settings):
        if self.list_error:
            raise self.list_error
        return {"items": [{"metadata": {"name": name}} for name in self.names]}

    def list_cluster_custom_object(self, *_arguments, field_selector, **_settings):
        assert field_selector == "metadata.name=categorie"
        return {"items": [{"metadata": {"namespace": namespace}} for namespace in self.elsewhere]}


def error_of(api):
    with pytest.raises(ClusterError) as caught:
        Cluster(api, "shop").get("categorie")
    return caught.value


@pytest.mark.parametrize(
    ("api", "end"),
    [
        (FakeApi("rent", "fuel"), "; existing there: fuel, rent"),
        (FakeApi("rent", "categories"), "; existing there: categories, rent; did you mean 'categories'?"),
        (
            FakeApi("rent", elsewhere=["b", "a"]),
            "; it exists in a, b: use -n a; existing there: rent",
        ),
        (FakeApi(*(f"m{i:02}" for i in range(12))), f"; existing there: {MANY} and 2 more"),
        (FakeApi(), "; existing there: none"),
        (FakeApi("rent", list_error=ApiException(403, "Forbidden")), ""),
    ],
    ids=["some", "a near one", "in other namespaces", "many", "none", "may not be listed"],
)
def test_a_missing_model_is_reported_with_those_that_exist(api, end):
    error = error_of(api)
    assert isinstance(error, AbsentError)
    assert str(error) == f"suggestionmodel 'categorie' not found in namespace 'shop'{end}"


def test_a_refusal_is_the_servers_own():
    assert str(error_of(FakeApi(error=ApiException(403, "Forbidden")))) == "the API server answered 403 Forbidden"


def test_a_refusal_has_the_words_of_the_server_in_one_line():
    error = ApiException(403, "Forbidden")
    error.body = '{"message": "suggestionmodels \\"c\\" is forbidden:\\n User \\"jane\\" cannot get resource"}'
    expected = (
        'the API server answered 403 Forbidden: suggestionmodels "c" is forbidden: User "jane" cannot get resource'
    )
    assert str(error_of(FakeApi(error=error))) == expected


@pytest.mark.parametrize(
    ("kind", "end"),
    [("text/plain; charset=utf-8", ": Kubernetes 1.29 is too old"), ("text/html", "")],
    ids=["of a pod", "of a proxy"],
)
def test_a_refusal_in_plain_text_is_shown(kind, end):
    error = ApiException(503, "Service Unavailable")
    error.body, error.headers = "Kubernetes 1.29 is too old\n", HTTPHeaderDict({"content-type": kind})
    assert str(error_of(FakeApi(error=error))) == f"the API server answered 503 Service Unavailable{end}"


def test_a_cluster_without_serin_is_no_missing_model():
    error = error_of(FakeApi(list_error=ApiException(404, "Not Found")))
    assert not isinstance(error, AbsentError)
    assert str(error) == "the cluster has no suggestionmodels.serin.dev: is Serin installed?"


@pytest.mark.parametrize(
    "text", [None, "a: [", "- 1", "42", "kind: Config"], ids=["none", "no YAML", "a list", "a number", "empty"]
)
def test_a_kubeconfig_that_cannot_be_used_is_one_error_that_names_it(tmp_path, text):
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ClusterError) as caught:
        Cluster.connect(namespace=None, context=None, kubeconfig=file)
    assert str(caught.value).startswith(f"no usable kubeconfig: {file}: ")
    assert "\n" not in str(caught.value)


def test_a_timeout_is_short():
    timeout = MaxRetryError(None, "/apis", ConnectTimeoutError(None, "Connection to 10.0.0.1 timed out."))
    expected = "cannot reach the API server at https://10.0.0.1:6443: timed out after 20 s"
    assert str(error_of(FakeApi(error=timeout))) == expected


def test_an_api_server_that_is_away_is_short():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{taken.getsockname()[1]}"
    configuration = Configuration(host=address)
    configuration.retries = False
    api = CustomObjectsApi(ApiClient(configuration))
    assert str(error_of(api)) == f"cannot reach the API server at {address}: connection refused"


def test_an_unknown_certificate_is_short():
    reason = (
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1)'))"
    )
    error = str(error_of(FakeApi(error=MaxRetryError(None, "/apis", Exception(reason)))))
    assert error.endswith("certificate verify failed")
    assert len(error) < 160


@pytest.fixture
def api_server():
    """An API server that answers every request with `body` and `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.path)
            self.send_response(self.server.status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            text = self.server.body if isinstance(self.server.body, str) else json.dumps(self.server.body)
            self.wfile.write(text.encode())

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names of the standard library

        def log_message(self, *_arguments):
            pass

    asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = asked
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def cluster_of(server, status, body):
    server.status, server.body = status, body
    host = f"http://127.0.0.1:{server.server_port}"
    return Cluster(CustomObjectsApi(ApiClient(Configuration(host=host))), "shop")


@pytest.mark.parametrize("text", ["<html>Sign in</html>", "[]", '"ok"', "null"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda cluster: cluster.get("c"),
        lambda cluster: cluster.annotate("c", {"a": "b"}),
        lambda cluster: cluster.delete("c", keeps_children=False),
        lambda cluster: cluster.pod("p"),
        lambda cluster: cluster.records("c"),
    ],
    ids=["get", "annotate", "delete", "pod", "records"],
)
def test_a_response_that_is_not_a_json_object_is_one_clear_error(api_server, ask, text):
    with pytest.raises(ClusterError, match=r"http://127\.0\.0\.1:\d+ did not respond as an API server"):
        ask(cluster_of(api_server, 200, text))


def test_without_a_review_of_the_caller_a_request_names_nobody(api_server):
    assert cluster_of(api_server, 200, "<html>Sign in</html>").user() == ""


def test_a_pod_and_records_are_read_from_the_response(api_server):
    pod = {"metadata": {"uid": "u-1", "labels": {"a": "b"}}, "spec": {"nodeName": "node-1"}}
    assert cluster_of(api_server, 200, pod).pod("p") == {"uid": "u-1", "node": "node-1", "labels": {"a": "b"}}
    found = {"items": [{"data": {"trial.json": "{}"}}, {"metadata": {}}]}
    assert cluster_of(api_server, 200, found).records("c") == ["{}", ""]
    with pytest.raises(AbsentError, match="pod 'p' not found in namespace 'shop'"):
        cluster_of(api_server, 404, {}).pod("p")


def test_a_pod_is_asked_for_its_revision_through_the_api_server(api_server):
    pod = {"metadata": {"name": "p", "annotations": {"prometheus.io/scheme": "https"}}}
    assert cluster_of(api_server, 200, {"revision": 4}).pod_revision(pod) == 4
    assert api_server.asked == ["/api/v1/namespaces/shop/pods/https%3Ap%3A8080/proxy/ml%2Fstatus"]
    with pytest.raises(ClusterError, match="p did not report a revision"):
        cluster_of(api_server, 200, {}).pod_revision(pod)


def test_pods_are_those_of_the_name(api_server):
    assert cluster_of(api_server, 200, {"items": None}).pods("c") == []
    assert api_server.asked == ["/api/v1/namespaces/shop/pods?labelSelector=serin.dev/model%3Dc"]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (201, {"status": {"userInfo": {"username": "jane doe@example.com"}}}, "jane_doe@example.com"),
        (201, {"status": {}}, ""),
        (403, {"message": "forbidden"}, ""),
    ],
    ids=["named", "unnamed", "forbidden"],
)
def test_the_user_is_the_one_that_the_api_server_knows(api_server, status, body, expected):
    assert cluster_of(api_server, status, body).user() == expected
    assert api_server.asked == ["/apis/authentication.k8s.io/v1/selfsubjectreviews"]


def test_a_watch_that_ends_at_once_is_followed_by_a_pause(monkeypatch):
    pauses = []
    monkeypatch.setattr(api_reader, "time", SimpleNamespace(monotonic=lambda: 7.0, sleep=pauses.append))
    response = SimpleNamespace(stream=lambda **_: iter(()))
    client = SimpleNamespace(configuration=SimpleNamespace(host="h"))
    api = SimpleNamespace(api_client=client, list_namespaced_custom_object=lambda *_, **__: response)
    assert list(Cluster(api, "shop").watch("1", all_namespaces=False, seconds=60)) == []
    assert pauses == [1.0]
