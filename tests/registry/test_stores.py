"""The object stores of each cloud: the same things work, and the same things go wrong, in the same words.

S3 is moto, with all other tests, and MinIO; Google's is fake-gcs-server and Azure's is Azurite: `make test-stores`.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from registry.conftest import RUN, Files
from registry.emulators import ACCOUNT, ACCOUNT_KEY, azure, google, minio
from registry.s3 import KEYS, between, boto, connect, serving
from registry.test_store_errors import AZ, GS, NO_BUCKET, RATE, REGION, S3, denied, environment, expired, invalid
from registry.tokens import EntraInThePast

from serin_core.contract.documents import LoadedRun
from serin_core.model.manifest import MANIFEST, Manifest, digest
from serin_registry.cache import DirectoryCache
from serin_registry.errors import NotInRegistryError, RegistryError, RegistryUnavailableError
from serin_registry.object_store import ObjectStoreReader
from serin_server.runs.loader import RegistryReader
from serin_training.registry.object_store import ObjectRegistry

__all__ = ["azure", "google", "minio"]

STORES = ["s3", *(pytest.param(name, marks=pytest.mark.stores, id=name) for name in ("minio", "google", "azure"))]
ENDPOINTS = {
    "s3": "AWS_ENDPOINT",
    "minio": "AWS_ENDPOINT",
    "google": "GOOGLE_BASE_URL",
    "azure": "AZURE_STORAGE_ENDPOINT",
}
SHORT = 2.0


@dataclass(frozen=True)
class Store:
    """One store, and this test's part of it."""

    kind: str
    address: str
    settings: Mapping[str, str]
    patch: pytest.MonkeyPatch = field(repr=False)

    @property
    def server(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.settings[ENDPOINTS[self.kind]].split("/")[:3])

    def between(self, before: Callable[[int], bool], after: Callable[[int], bool]) -> Any:
        return between(self.server, before, after, trusted=self.settings.get("SSL_CERT_FILE"))

    def use(self, server: str) -> None:
        """Lead this process to a server in front of the store."""
        endpoint = self.settings[ENDPOINTS[self.kind]]
        self.patch.setenv(ENDPOINTS[self.kind], endpoint.replace(self.server, server))


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    kind = request.param
    found = request.getfixturevalue(kind)
    settings: dict[str, str] = {"AWS_ENDPOINT": found, **KEYS} if kind == "s3" else found
    for name in ("AZURE_STORAGE_ACCOUNT_KEY", "AWS_SESSION_TOKEN", "GOOGLE_SERVICE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    # Those in front of a store, and moto, have no TLS.
    environment(monkeypatch, {"AWS_ALLOW_HTTP": "true"} | settings)
    part = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    bucket = {"google": GS, "azure": AZ}.get(kind, S3)
    return Store(kind, f"{bucket}/{part}", settings, monkeypatch)


def wanted(files: Files) -> LoadedRun:
    return LoadedRun(run=RUN, digest=digest(Manifest.of(RUN, files).text()))


def load(store: Store, files: Files, cache: Path) -> str:
    return RegistryReader(store.address, cache=DirectoryCache(cache))(wanted(files)).run


def failure(store: Store, address: str = "") -> str:
    address = address or store.address
    with pytest.raises(RegistryUnavailableError) as caught:
        ObjectStoreReader(address, retry_seconds=SHORT, file_seconds=SHORT).read(RUN, MANIFEST)
    return str(caught.value).removeprefix(f"the registry {address}: ")


def test_a_run_is_published_once_listed_pointed_to_loaded_and_deleted(
    store: Store, files: Files, tmp_path: Path
) -> None:
    registry = ObjectRegistry(store.address)
    assert (registry.runs(), registry.latest()) == ([], None)
    with pytest.raises(NotInRegistryError):
        load(store, files, tmp_path)
    registry.publish(RUN, files)
    registry.point_latest(RUN)
    assert (registry.runs(), registry.latest()) == ([RUN], RUN)
    assert load(store, files, tmp_path) == RUN
    with pytest.raises(RegistryError, match="never overwritten"):
        registry.publish(RUN, files)
    registry.delete(RUN)
    assert registry.runs() == []
    with pytest.raises(NotInRegistryError):
        registry.read(RUN, MANIFEST)


def test_a_second_publisher_at_the_same_time_does_not_overwrite(store: Store, files: Files) -> None:
    registry = ObjectRegistry(store.address)
    (name, content), *_ = files.items()
    registry._create(RUN, name, b"of the other")
    with pytest.raises(RegistryError, match="never overwritten"):
        registry.publish(RUN, files)
    assert registry.read(RUN, name) == b"of the other" != content


def test_a_store_that_limits_requests_is_read_again(store: Store, files: Files, tmp_path: Path) -> None:
    ObjectRegistry(store.address).publish(RUN, files)

    class Limited(store.between(lambda _: True, lambda _: True)):  # type: ignore[misc] - a class made by a function
        turn = 0

        def respond(self, status: int, headers: Any, content: bytes) -> None:
            Limited.turn += 1
            if Limited.turn % 2:
                return super().respond(503, [], b"<Error><Code>SlowDown</Code></Error>")
            return super().respond(status, headers, content)

    with serving(Limited) as address:
        store.use(address)
        assert load(store, files, tmp_path) == RUN
    assert Limited.turn >= 2 * len(files) // 2


def test_a_store_that_limits_every_request_is_named(store: Store) -> None:
    class Limited(store.between(lambda _: True, lambda _: True)):  # type: ignore[misc] - a class made by a function
        def respond(self, *_: Any) -> None:
            super().respond(429, [], b"<Error><Code>TooManyRequests</Code></Error>")

    with serving(Limited) as address:
        store.use(address)
        assert failure(store) == RATE


def test_what_is_torn_on_the_way_is_read_again(store: Store, files: Files, tmp_path: Path) -> None:
    ObjectRegistry(store.address).publish(RUN, files)
    torn: set[str] = set()

    class Torn(store.between(lambda _: True, lambda _: True)):  # type: ignore[misc] - a class made by a function
        def respond(self, status: int, headers: Any, content: bytes) -> None:
            if self.path in torn or len(content) < 2:
                return super().respond(status, headers, content)
            torn.add(self.path)
            self.begin(status, headers, length=len(content))
            self.wfile.write(content[: len(content) // 2])
            return self.hang_up()

    with serving(Torn) as address:
        store.use(address)
        assert load(store, files, tmp_path) == RUN
    assert len(torn) > 1


def test_a_store_that_is_too_slow_is_given_up(store: Store) -> None:
    is_over = threading.Event()

    def wait(_: int) -> bool:
        is_over.wait(30)
        return False

    with serving(store.between(wait, wait)) as address:
        store.use(address)
        found = failure(store)
        is_over.set()
    assert found.startswith("the store does not respond in time")


def test_a_store_that_is_away_is_named_and_is_back_without_a_new_reader(store: Store, files: Files) -> None:
    ObjectRegistry(store.address).publish(RUN, files)
    is_away = threading.Event()
    is_away.set()
    with serving(store.between(lambda _: not is_away.is_set(), lambda _: True)) as address:
        store.use(address)
        reader = ObjectStoreReader(store.address, retry_seconds=SHORT)
        with pytest.raises(RegistryUnavailableError, match="the store cannot be reached"):
            reader.read(RUN, MANIFEST)
        is_away.clear()
        assert reader.read(RUN, MANIFEST) == Manifest.of(RUN, files).text()


@pytest.mark.parametrize("store", [one for one in STORES if "google" not in str(one)], indirect=True)
def test_a_bucket_that_is_not_there_is_named(store: Store) -> None:
    assert failure(store, store.address.replace("bucket", "absent").replace("container", "absent")) == NO_BUCKET


@pytest.mark.stores
@pytest.mark.parametrize("store", ["minio"], indirect=True)
@pytest.mark.parametrize(
    ("name", "sentence"),
    [("AWS_ACCESS_KEY_ID", invalid(S3)), ("AWS_SECRET_ACCESS_KEY", invalid(S3)), ("AWS_REGION", REGION)],
)
def test_a_key_or_a_region_that_minio_does_not_accept_is_named(store: Store, name: str, sentence: str) -> None:
    store.patch.setenv(name, "another")
    assert failure(store) == sentence


@pytest.mark.stores
@pytest.mark.parametrize("store", ["minio"], indirect=True)
def test_pods_need_to_read_and_to_list_and_a_publisher_without_more_is_told_so(
    store: Store, files: Files, tmp_path: Path
) -> None:
    ObjectRegistry(store.address).publish(RUN, files)
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::bucket*"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    role = 'RoleArn="arn:aws:iam::123456789012:role/serin", RoleSessionName="serin"'
    code = f"print(json.dumps(client('sts').assume_role({role}, Policy={policy!r})['Credentials'], default=str))"
    given = json.loads(boto(store.server, code, AWS_CA_BUNDLE=store.settings["SSL_CERT_FILE"]))
    store.patch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
    store.patch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
    store.patch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
    assert load(store, files, tmp_path) == RUN
    with pytest.raises(NotInRegistryError):
        ObjectStoreReader(f"{store.address}/elsewhere").read(RUN, MANIFEST)
    with pytest.raises(RegistryError, match=denied(S3)):
        ObjectRegistry(store.address).point_latest(RUN)


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_a_key_that_s3_does_not_know_is_named(store: Store) -> None:
    def check_keys_after(requests: bytes) -> None:
        connection = connect(store.server)
        connection.request("POST", "/moto-api/reset-auth", requests)
        assert connection.getresponse().status == 200
        connection.close()

    check_keys_after(b"0")
    try:
        assert failure(store) == invalid(S3)
    finally:
        check_keys_after(b"1000000000")


@pytest.mark.stores
@pytest.mark.parametrize("store", ["azure"], indirect=True)
def test_azure_with_the_key_of_the_account(store: Store, files: Files, tmp_path: Path) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        store.patch.delenv(name)
    store.patch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    store.patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)
    ObjectRegistry(store.address).publish(RUN, files)
    assert load(store, files, tmp_path) == RUN
    store.patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert failure(store) == invalid(AZ)


@pytest.mark.stores
@pytest.mark.parametrize("store", ["azure"], indirect=True)
def test_a_token_that_has_expired_is_named(store: Store) -> None:
    with serving(EntraInThePast) as service:
        store.patch.setenv("AZURE_AUTHORITY_HOST", service)
        assert failure(store) == expired(AZ)
