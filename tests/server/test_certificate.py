"""The server's certificate: served by the real process, exchanged while it runs, and never half of a pair."""

import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from server.fakes import TOKEN, Mounted
from server.test_process import pod_environment, started_as_pod

from serin_localcluster.pki import Authority
from serin_tls.certificate import Certificate, CertificateError

PATIENCE = 20.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def directory(authority: Authority, tmp_path: Path) -> Path:
    (tmp_path / "tls").mkdir()
    renew(authority, tmp_path / "tls")
    return tmp_path / "tls"


def renew(authority: Authority, directory: Path) -> None:
    pair = authority.sign("server", addresses=("127.0.0.1",))
    shutil.copy(pair.key, directory / "tls.key")
    shutil.copy(pair.certificate, directory / "tls.crt")


def served(port: int, authority: Authority) -> bytes | None:
    """Return the certificate that a new connection gets."""
    context = ssl.create_default_context(cafile=authority.file)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.getpeercert(binary_form=True)


def test_the_process_serves_https_and_a_renewed_certificate(
    mounted: Mounted, authority: Authority, directory: Path
) -> None:
    with started_as_pod(mounted, SERIN_TLS_DIR=str(directory)) as process:
        assert process.url.startswith("https://127.0.0.1:")
        client = httpx.Client(base_url=process.url, verify=ssl.create_default_context(cafile=authority.file))
        body = {"transactions": [{"txn_id": "1", "user_id": "u", "merchant": "LOBLAWS"}]}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert client.post("/agent/suggestions", json=body, headers=headers).status_code == 200
        port = httpx.URL(process.url).port
        assert port is not None
        former = served(port, authority)
        renew(authority, directory)
        until = time.monotonic() + PATIENCE
        while served(port, authority) == former:
            assert time.monotonic() < until, "the renewed certificate is not served"
            time.sleep(0.1)
        # The open connection was not cut off.
        assert client.get("/healthz").status_code == 200


def test_a_pair_that_does_not_fit_is_not_used_and_the_former_is_kept(
    authority: Authority, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = Certificate(directory)
    key = (directory / "tls.key").read_bytes()
    renew(authority, directory)
    renewed = (directory / "tls.key").read_bytes()
    (directory / "tls.key").write_bytes(key)
    for _ in range(3):
        certificate.refresh()
    assert caplog.text.count("the certificate is not renewed") == 1
    (directory / "tls.key").write_bytes(renewed)
    with caplog.at_level(logging.INFO):
        certificate.refresh()
    assert "the certificate is renewed" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "tls.crt: No such file or directory"), ("nonsense", "tls.crt and tls.key are not a certificate")],
)
def test_a_directory_without_a_certificate_is_an_error_of_one_line(
    directory: Path, content: str | None, message: str
) -> None:
    (directory / "tls.crt").unlink()
    if content is not None:
        (directory / "tls.crt").write_text(content)
    with pytest.raises(CertificateError) as raised:
        Certificate(directory)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_server_ends_with_the_setting_that_names_no_certificate(mounted: Mounted, tmp_path: Path) -> None:
    mounted.model()
    environment = os.environ | pod_environment(mounted) | {"SERIN_TLS_DIR": str(tmp_path / "nowhere")}
    command = [sys.executable, "-m", "serin_server.main"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"serin-server: SERIN_TLS_DIR: {tmp_path}/nowhere: tls.crt: No such file or directory\n"
