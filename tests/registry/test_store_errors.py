"""What a store, or the token service in front of it, returns: one sentence that says what to do, and no secret."""

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from registry.s3 import Handler, always, between, serving
from registry.tls import authority

from serin_core.model.manifest import MANIFEST
from serin_registry.errors import NotInRegistryError, RegistryUnavailableError
from serin_registry.object_store import ObjectStoreReader

KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
ENDPOINT = "AWS_ENDPOINT and AWS_REGION"
RUN = "run_0123abcd_1767225600"
ACCOUNT = "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
RATE = "the store limits the rate of requests; it is read again by itself, or raise the store's limits"
INVALID = f"the credentials are not valid; check {KEYS}"
REGION = f"the bucket is in another region, or the endpoint of another store; check {ENDPOINT}"
EXPIRED = f"the credentials have expired; renew {KEYS}, or use workload identity"


def xml(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>secret</Message></Error>".encode()


def failure(address: str) -> str:
    with pytest.raises(RegistryUnavailableError) as caught:
        ObjectStoreReader(address, retry_seconds=0.5).read(RUN, MANIFEST, max_bytes=1000)
    message = str(caught.value)
    assert "secret" not in message
    assert "\n" not in message
    return message.removeprefix(f"the registry {address}: ")


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (503, "SlowDown", RATE),
        (429, "TooManyRequests", RATE),
        (500, "InternalError", "the store returned 500 Internal Server Error to every attempt; try later"),
        (400, "ExpiredToken", EXPIRED),
        (403, "ExpiredToken", EXPIRED),
        (403, "InvalidAccessKeyId", INVALID),
        (403, "SignatureDoesNotMatch", INVALID),
        (403, "AccessDenied", f"access was denied; check {KEYS}, and their permissions to read and to list"),
        (403, "RequestTimeTooSkewed", "the clock of this node and the store's differ by minutes; set the node's clock"),
        (400, "AuthorizationHeaderMalformed", REGION),
        (301, "PermanentRedirect", REGION),
        (400, "InvalidRequest", f"the store rejected the request; check {ENDPOINT}, and {KEYS}"),
        (404, "NoSuchBucket", "there is no such bucket"),
    ],
)
def test_what_s3_returns_is_one_sentence_that_says_what_to_do(endpoint, status: int, code: str, sentence: str) -> None:  # type: ignore[no-untyped-def]
    with serving(always(status, xml(code))) as address:
        endpoint(address)
        assert failure("s3://bucket") == sentence


def environment(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def web_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, s3: str) -> Path:
    """A pod with a token of its ServiceAccount and a role, and without keys."""
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiJub25lIn0.e30.secret", encoding="ascii")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/serin", "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    store = {"AWS_ENDPOINT": s3, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    environment(monkeypatch, role | store | {"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    return token


def test_the_identity_of_a_pod_is_exchanged_for_credentials_at_a_token_service_with_a_ca_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, s3: str, web_identity: Path
) -> None:
    seen: list[str] = []

    class Store(between(s3, lambda _: True, lambda _: True)):  # type: ignore[misc] - a class made by a function
        def do_GET(self) -> None:  # noqa: N802 - http.server's name
            seen.append(self.headers.get("x-amz-security-token") or "")
            super().do_GET()

    class Exchange(Handler):
        def answer(self, _: bytes) -> None:
            # moto finds its STS by the body of a request, obstore sends a query.
            connection = http.client.HTTPConnection(s3.removeprefix("http://"), timeout=20)
            query = urllib.parse.urlsplit(self.path).query
            connection.request("POST", "/", query, {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            self.respond(response.status, response.getheaders(), response.read())
            connection.close()

    with serving(Exchange, tls=authority(tmp_path)) as service, serving(Store) as store:
        environment(monkeypatch, {"AWS_ENDPOINT_URL_STS": service, "AWS_ENDPOINT": store})
        with pytest.raises(NotInRegistryError):
            ObjectStoreReader("s3://bucket").read(RUN, MANIFEST)
    assert web_identity.exists()
    assert len(seen) == 1
    assert seen[0]


@pytest.mark.usefixtures("web_identity")
def test_an_identity_that_the_token_service_refuses_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving(always(403, xml("AccessDenied")), tls=authority(tmp_path)) as service:
        environment(monkeypatch, {"AWS_ENDPOINT_URL_STS": service})
        assert failure("s3://bucket") == (
            "the token service refused the pod's identity; check AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, "
            "and the role's trust"
        )


def test_a_token_that_is_not_mounted_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, web_identity: Path
) -> None:
    authority(tmp_path)
    web_identity.unlink()
    assert failure("s3://bucket").startswith(
        "the token file of the workload identity cannot be read; check AWS_ROLE_ARN"
    )


def test_a_certificate_of_an_unknown_authority_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(always(404), tls=authority(tmp_path)) as address:
        assert failure(address) == "the store's certificate is not trusted; name your CA's file in SSL_CERT_FILE"


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (503, "ServerBusy", RATE),
        (404, "ContainerNotFound", "there is no such bucket"),
        (
            403,
            "AuthenticationFailed",
            f"the credentials are not valid; check {ACCOUNT}",
        ),
    ],
)
def test_what_azure_returns_is_one_sentence_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, sentence: str
) -> None:
    with serving(always(status, xml(code))) as address:
        account = {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"}
        environment(monkeypatch, account | {"AZURE_STORAGE_ENDPOINT": address, "AZURE_ALLOW_HTTP": "true"})
        assert failure("az://container") == sentence


@pytest.mark.parametrize(
    ("status", "content", "sentence"),
    [
        (429, b"{}", RATE),
        (404, b"<Error><Message>The specified bucket does not exist.</Message></Error>", "there is no such bucket"),
    ],
)
def test_what_google_returns_is_one_sentence_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, status: int, content: bytes, sentence: str
) -> None:
    private = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with serving(always(status, content)) as address:
        key = {"private_key": private.decode(), "private_key_id": "1", "client_email": "serin@example.com"}
        text = json.dumps(key | {"gcs_base_url": address, "disable_oauth": True})
        environment(monkeypatch, {"GOOGLE_SERVICE_ACCOUNT_KEY": text, "GOOGLE_ALLOW_HTTP": "true"})
        assert failure("gs://bucket") == sentence
