"""What a store, or the token service in front of it, returns: one sentence that says what to do, and no secret."""

import json
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from registry.s3 import always, serving

from serin_core.model.manifest import MANIFEST
from serin_registry.errors import RegistryUnavailableError
from serin_registry.object_store import ObjectStoreReader

RUN = "run_0123abcd_1767225600"
S3, GS, AZ = "s3://bucket", "gs://bucket", "az://container"
KEYS = {
    S3: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    GS: "GOOGLE_SERVICE_ACCOUNT_KEY or GOOGLE_APPLICATION_CREDENTIALS",
    AZ: "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
ENDPOINT = "AWS_ENDPOINT and AWS_REGION"
RATE = "the store limits the rate of requests; wait, or raise its limits"
CLOCK = "the clock of this node and the store's differ by minutes; set the node's clock"
REGION = f"the bucket is in another region, or the endpoint of another store; check {ENDPOINT}"
NO_BUCKET = "there is no such bucket"
FAILED = "the store returned 500 Internal Server Error to every attempt; try later"
REFUSED = "the token service refused the pod's identity; check "


def invalid(store: str) -> str:
    return f"the credentials are not valid; check {KEYS[store]}"


def expired(store: str) -> str:
    return f"the credentials have expired; renew {KEYS[store]}, or use workload identity"


def denied(store: str) -> str:
    return f"access was denied; check {KEYS[store]}, and their permissions"


def none_found(store: str) -> str:
    return f"no credentials were found; set {KEYS[store]}, or use workload identity"


def failure(address: str) -> str:
    with pytest.raises(RegistryUnavailableError) as caught:
        ObjectStoreReader(address, retry_seconds=0.5).read(RUN, MANIFEST, max_bytes=1000)
    message = str(caught.value)
    assert "secret" not in message
    assert "\n" not in message
    return message.removeprefix(f"the registry {address}: ")


def environment(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def private_key() -> str:
    made = rsa.generate_private_key(65537, 2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def settings(address: str, private_key: str) -> dict[str, str]:
    """Return what every kind of store needs to be asked at an address."""
    google = {"private_key": private_key, "private_key_id": "1", "client_email": "serin@example.com"}
    return {
        "AWS_ENDPOINT": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(google | {"gcs_base_url": address, "disable_oauth": True}),
        "GOOGLE_ALLOW_HTTP": "true",
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
        "AZURE_STORAGE_ENDPOINT": address,
        "AZURE_ALLOW_HTTP": "true",
    }


@pytest.mark.parametrize(
    ("store", "returned", "sentence"),
    [
        (S3, (503, "SlowDown"), RATE),
        (S3, (429, "TooManyRequests"), RATE),
        (S3, (500, "InternalError"), FAILED),
        (S3, (400, "ExpiredToken"), expired(S3)),
        (S3, (403, "ExpiredToken"), expired(S3)),
        (S3, (403, "InvalidAccessKeyId"), invalid(S3)),
        (S3, (403, "SignatureDoesNotMatch"), invalid(S3)),
        (S3, (403, "AccessDenied"), denied(S3)),
        (S3, (403, "RequestTimeTooSkewed"), CLOCK),
        (S3, (400, "AuthorizationHeaderMalformed"), REGION),
        (S3, (301, "PermanentRedirect"), REGION),
        (S3, (400, "InvalidRequest"), f"the store rejected the request; check {ENDPOINT}, and {KEYS[S3]}"),
        (S3, (404, "NoSuchBucket"), NO_BUCKET),
        (AZ, (503, "ServerBusy"), RATE),
        (AZ, (429, "TooManyRequests"), RATE),
        (AZ, (403, "AuthenticationFailed"), invalid(AZ)),
        (AZ, (403, "AuthenticationFailed: Request date header too old"), CLOCK),
        (AZ, (403, "AuthenticationFailed: Signature not valid in the specified time frame"), expired(AZ)),
        (AZ, (403, "AuthorizationPermissionMismatch"), denied(AZ)),
        (AZ, (404, "ContainerNotFound"), NO_BUCKET),
        (GS, (429, "RateLimitExceeded"), RATE),
        (GS, (503, "SlowDown"), RATE),
        (GS, (401, "AuthenticationRequired"), denied(GS)),
        (GS, (403, "AccessDenied"), denied(GS)),
        (GS, (404, "NoSuchBucket"), NO_BUCKET),
    ],
)
def test_what_a_store_returns_is_one_sentence_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, private_key: str, store: str, returned: tuple[int, str], sentence: str
) -> None:
    status, code = returned
    content = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>secret</Message></Error>".encode()
    with serving(always(status, content)) as address:
        environment(monkeypatch, settings(address, private_key))
        assert failure(store) == sentence
