"""A pod without keys: the identity of its service account is exchanged for credentials, and a refusal is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from registry.s3 import Handler, always, between, serving
from registry.test_store_errors import AZ, GS, REFUSED, RUN, S3, environment, failure, none_found
from registry.tls import authority
from registry.tokens import (
    Entra,
    Metadata,
    PodIdentityAgent,
    aws,
    aws_pod,
    azure_pod,
    google_pod,
    pod_identity,
)

from serin_core.model.manifest import MANIFEST
from serin_registry.errors import NotInRegistryError
from serin_registry.object_store import ObjectStoreReader

NOWHERE = "http://127.0.0.1:1"
ROLE = "AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and the role's trust policy"
BINDING = "GOOGLE_SERVICE_ACCOUNT_KEY, or the binding of the pods' service account"
FEDERATED = "AZURE_CLIENT_ID, AZURE_TENANT_ID and the federated credential"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take all credentials away, and lead every metadata server to a closed port of this machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    instance = {"AWS_METADATA_ENDPOINT": NOWHERE, "AZURE_MSI_ENDPOINT": f"{NOWHERE}/metadata/identity/oauth2/token"}
    environment(monkeypatch, instance | google_pod(NOWHERE) | {"AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"})


def recording(base: type, seen: list[str], header: str) -> Any:
    """Return a handler that notes a header of each request."""

    class Recording(base):  # type: ignore[misc] - a class made by a function
        def do_GET(self) -> None:  # noqa: N802 - http.server's name
            seen.append(self.headers.get(header) or "")
            super().do_GET()

    return Recording


def ask_for_absent_run(store: str) -> None:
    with pytest.raises(NotInRegistryError):
        ObjectStoreReader(store).read(RUN, MANIFEST)


def test_eks_the_role_of_the_service_account_is_assumed_at_a_token_service_with_a_ca_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, s3: str
) -> None:
    seen: list[str] = []
    store = recording(between(s3, lambda _: True, lambda _: True), seen, "x-amz-security-token")
    with aws(tmp_path, s3) as pod, serving(store) as address:
        environment(monkeypatch, pod | {"AWS_ENDPOINT": address})
        ask_for_absent_run(S3)
    assert len(seen) == 1
    assert seen[0]


def test_eks_the_pod_identity_agent_gives_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []
    with serving(PodIdentityAgent) as agent, serving(recording(always(404), seen, "x-amz-security-token")) as address:
        environment(monkeypatch, pod_identity(tmp_path, agent) | {"AWS_ENDPOINT": address})
        ask_for_absent_run(S3)
    assert seen == ["of the pod"]


def test_aks_the_token_of_the_service_account_is_exchanged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []
    with serving(Entra) as service, serving(recording(always(404), seen, "Authorization")) as address:
        environment(monkeypatch, azure_pod(tmp_path, service) | {"AZURE_STORAGE_ENDPOINT": address})
        ask_for_absent_run(AZ)
    assert [one[:9] for one in seen] == ["Bearer ey"]


def test_gke_the_metadata_server_gives_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    with serving(Metadata) as service, serving(recording(always(404), seen, "Authorization")) as address:
        environment(monkeypatch, google_pod(service) | {"GOOGLE_BASE_URL": address})
        ask_for_absent_run(GS)
    assert seen == ["Bearer google"]


def pods(folder: Path, service: str) -> Mapping[str, str]:
    return aws_pod(folder, service) | azure_pod(folder, service) | google_pod(service)


@pytest.mark.parametrize(
    ("store", "returned", "sentence"),
    [
        (S3, (403, b"<Error><Code>AccessDenied</Code></Error>"), REFUSED + ROLE),
        (S3, (400, b"<Error><Code>ExpiredTokenException</Code></Error>"), REFUSED + ROLE),
        (AZ, (400, b'{"error": "invalid_request"}'), REFUSED + FEDERATED),
        (AZ, (401, b'{"error": "invalid_client"}'), REFUSED + FEDERATED),
        (GS, (403, b"secret"), REFUSED + BINDING),
        (GS, (404, b"secret"), REFUSED + BINDING),
    ],
)
def test_an_identity_that_is_refused_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str, returned: tuple[int, bytes], sentence: str
) -> None:
    certificate = authority(tmp_path)
    with serving(always(*returned), tls=certificate if store == S3 else None) as service:
        environment(monkeypatch, pods(tmp_path, service))
        assert failure(store) == sentence


def test_a_system_without_certificate_authorities_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment(
        monkeypatch, google_pod(NOWHERE) | {"SSL_CERT_FILE": str(tmp_path / "no"), "SSL_CERT_DIR": str(tmp_path)}
    )
    assert failure(GS) == (
        "this system has no certificate authorities; set spec.server.caBundle, or name a file of them in SSL_CERT_FILE"
    )


@pytest.mark.parametrize(("store", "settings"), [(S3, ROLE), (AZ, FEDERATED)])
def test_a_token_that_is_not_mounted_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str, settings: str
) -> None:
    with serving(Handler, tls=authority(tmp_path)) as service:
        environment(monkeypatch, pods(tmp_path, service))
        (tmp_path / "token").unlink()
        assert failure(store) == (
            f"the token file of the workload identity cannot be read; check {settings}, and the pods' service account"
        )


@pytest.mark.parametrize("store", [S3, AZ, GS])
def test_a_pod_without_credentials_is_told_so(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    if store == AZ:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert failure(store) == none_found(store)


def test_an_account_of_azure_that_is_not_named_is_told_so() -> None:
    assert failure(AZ) == none_found(AZ)


def test_a_certificate_of_an_unknown_authority_is_named(tmp_path: Path) -> None:
    with serving(always(404), tls=authority(tmp_path)) as address:
        assert failure(address) == (
            "the store's certificate is not trusted; set spec.server.caBundle, or name the CA's file in SSL_CERT_FILE"
        )


def test_a_store_with_a_ca_of_its_own_is_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving(always(404), tls=authority(tmp_path)) as address:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        ask_for_absent_run(address)
