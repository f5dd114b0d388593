"""Object stores of each kind, on loopback, and the settings of a pod that uses them."""

import json
import re
from pathlib import Path

import pytest
from registry.s3 import KEYS, MAKE_BUCKET, between, boto, connect, serving, started
from registry.tls import authority
from registry.tokens import Entra, Metadata, azure_pod, azure_token, google_pod

from serin_localcluster.build import binaries
from serin_localcluster.controlplane import free_port

AZURITE = Path(__file__).parents[2] / ".azurite"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key of every Azurite, from its documentation."""


@pytest.fixture(scope="session")
def minio(tmp_path_factory):
    """Start MinIO, with TLS by a CA of its own, make a bucket, and return the settings of a pod with keys."""
    folder = tmp_path_factory.mktemp("minio")
    authority(folder)
    (program,) = binaries(["minio"])
    address, console = (f"127.0.0.1:{free_port()}" for _ in range(2))
    command = (program.path, "server", "--certs-dir", folder, "--address", address, "--console-address", console)
    root = {"MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"], "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"]}
    quiet = {"MINIO_SITE_REGION": "us-east-1", "MINIO_UPDATE": "off"}
    trusted = {"AWS_CA_BUNDLE": str(folder / "ca.pem")}
    ready = rf"API: .*https://{re.escape(address)}"
    with started(*command, folder / "data", announces=ready, **quiet, **root):
        boto(f"https://{address}", MAKE_BUCKET, **trusted)
        yield KEYS | {"AWS_ENDPOINT": f"https://{address}", "SSL_CERT_FILE": str(folder / "ca.pem")}


@pytest.fixture(scope="session")
def google():
    """Start fake-gcs-server and a metadata server, make a bucket, and return the settings of a pod in GKE."""
    (program,) = binaries(["fake-gcs-server"])
    port = free_port()
    command = (program.path, "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", port)
    server = f"http://127.0.0.1:{port}"
    with started(*command, "-public-host", "127.0.0.1", announces="server started"):
        _ask(server, "POST", "/storage/v1/b", b'{"name": "bucket"}', {"Content-Type": "application/json"})
        with serving(Metadata) as service, serving(_uploading(server)) as address:
            yield google_pod(service) | {"GOOGLE_BASE_URL": address}


def _uploading(server):
    """Return a handler that uploads through Google's JSON API: the server has no conditional PUT of the XML API."""

    class Uploading(between(server, lambda _: True, lambda _: True)):
        def answer(self, content):
            if self.command != "PUT":
                return super().answer(content)
            _, bucket, name = self.path.split("/", 2)
            generation = self.headers.get("x-goog-if-generation-match")
            condition = "" if generation is None else f"&ifGenerationMatch={generation}"
            connection = connect(server)
            path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}{condition}"
            connection.request("POST", path, content, {"Content-Type": "application/octet-stream"})
            response = connection.getresponse()
            written = json.loads(response.read())
            connection.close()
            return self.respond(response.status, [("ETag", written.get("etag", ""))], b"")

    return Uploading


@pytest.fixture(scope="session")
def azure(tmp_path_factory):
    """Start Azurite, with TLS by a CA of its own, and a token service, and return the settings of a pod in AKS."""
    folder = tmp_path_factory.mktemp("azure")
    authority(folder)
    script = AZURITE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    tls = ("--oauth", "basic", "--cert", folder / "public.crt", "--key", folder / "private.key")
    options = ("--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry")
    with started(AZURITE / "bin" / "node", script, *tls, *options, announces=r"https://127\.0\.0\.1:\d+") as found:
        headers = {"Authorization": f"Bearer {azure_token()}", "x-ms-version": "2021-12-02"}
        made = f"/{ACCOUNT}/container?restype=container"
        _ask(found[0], "PUT", made, b"", headers, trusted=folder / "ca.pem")
        with serving(Entra) as service:
            place = {"AZURE_STORAGE_ENDPOINT": f"{found[0]}/{ACCOUNT}", "SSL_CERT_FILE": str(folder / "ca.pem")}
            yield azure_pod(folder, service) | place


def _ask(address, method, path, content, headers, *, trusted=None):
    connection = connect(address, trusted)
    connection.request(method, path, content, headers)
    status = connection.getresponse().status
    connection.close()
    assert status in (200, 201), f"{method} {path}: {status}"
