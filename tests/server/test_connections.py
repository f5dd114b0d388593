"""Variables of the pod template for proxies and certificate authorities take effect in clients of object stores."""

import http.server
import os
import ssl
import subprocess
import sys
import threading

import pytest
from models.parts import spec

from serin_core.api.resource import Resource
from serin_core.api.status import Status
from serin_core.contract import environment, names
from serin_core.kubernetes import pod_template
from serin_core.kubernetes.inputs import ServerImage
from serin_localcluster.pki import Authority

RUN = "run_aaaaaaaa_1"
READ = """
import sys
from serin_registry.errors import RegistryError
from serin_registry.object_store import ObjectStoreReader
try:
    print(ObjectStoreReader(sys.argv[1], retry_seconds=1).latest())
except RegistryError as error:
    print(error)
"""


class Store(http.server.BaseHTTPRequestHandler):
    """An object store with one object, and a proxy that connects to nothing."""

    def do_GET(self):
        body = RUN.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Mon, 05 Jan 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self):
        self.server.tunnels.append(self.path)
        self.send_error(502)

    def log_message(self, *_arguments):
        """Print nothing."""


@pytest.fixture
def serve():
    """Return a function that starts a server on loopback."""
    started = []

    def start(context=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
        server.tunnels = []
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def store(serve, authority):
    """An object store whose certificate is signed by an authority that no system knows."""
    pair = authority.sign("store", addresses=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return serve(context)


def variables(authority, **server):
    """Return the variables that a pod gets, with the authority's file where it is here."""
    settings = {"token": {"secretName": "tokens"}} | server
    resource = Resource("shop", "categories", "u", 1, "1", spec(RUN, server=settings), None)
    template = pod_template.render(resource, Status(), model_name="m", image=ServerImage("i"))
    found = {one["name"]: one.get("value", "") for one in template["spec"]["containers"][0]["env"]}
    wanted = {variable.name for variable in environment.LIBRARIES}
    mounted = f"{names.CA_MOUNT}/ca.crt"
    return {key: value.replace(mounted, str(authority.file)) for key, value in found.items() if key in wanted}


def latest(store, environ):
    kept = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    kept.pop("SSL_CERT_FILE", None)
    command = [sys.executable, "-c", READ, f"https://127.0.0.1:{store.server_port}/runs"]
    done = subprocess.run(command, env=kept | environ, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


BUNDLE = {"caBundle": {"configMapName": "ca"}}


def test_an_authority_of_the_bundle_is_trusted_and_otherwise_it_is_not(store, authority):
    assert latest(store, variables(authority, **BUNDLE)) == RUN
    assert RUN not in latest(store, variables(authority))


def test_a_store_is_reached_through_the_proxy_unless_it_is_excluded(store, serve, authority):
    proxy = serve()
    settings = {"https": f"http://127.0.0.1:{proxy.server_port}"}
    assert RUN not in latest(store, variables(authority, proxy=settings, **BUNDLE))
    assert set(proxy.tunnels) == {f"127.0.0.1:{store.server_port}"}
    proxy.tunnels.clear()
    settings["noProxy"] = [".svc", "127.0.0.0/8"]
    assert latest(store, variables(authority, proxy=settings, **BUNDLE)) == RUN
    assert proxy.tunnels == []
