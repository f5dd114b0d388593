"""A real Prometheus that demands a password and a client certificate (--web.config.file)."""

import asyncio
import base64
import ssl

import pytest
import yaml
from counting.prometheus_process import PrometheusProcess

from serin_core.counting.reading import Unreadable
from serin_localcluster.pki import Authority
from serin_operator.prometheus_client import PrometheusClient
from serin_operator.settings import PrometheusEndpoint

HASH_OF_TEST = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay"
"""The example of Prometheus' own guide to basic auth: bcrypt of the word test."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def operator(authority):
    return authority.sign("operator", groups=("serin",))


@pytest.fixture(scope="module")
def guarded(program, authority, operator, tmp_path_factory):
    directory = tmp_path_factory.mktemp("guarded")
    server = authority.sign("prometheus", addresses=("127.0.0.1",))
    web = {
        "tls_server_config": {
            "cert_file": str(server.certificate),
            "key_file": str(server.key),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": str(authority.file),
        },
        "basic_auth_users": {"serin": HASH_OF_TEST},
    }
    file = directory / "web.yaml"
    file.write_text(yaml.safe_dump(web))
    tls = ssl.create_default_context(cafile=authority.file)
    tls.load_cert_chain(operator.certificate, operator.key)
    authorization = f"Basic {base64.b64encode(b'serin:test').decode()}"
    flags = (f"--web.config.file={file}",)
    made = PrometheusProcess(program, directory / "one", flags=flags, tls=tls, authorization=authorization)
    yield made
    made.close()


@pytest.fixture
def settings(guarded, authority, operator, tmp_path):
    """All that the server demands."""
    password = tmp_path / "password"
    password.write_text("test\n")
    return {
        "url": guarded.url,
        "ca_file": authority.file,
        "client_certificate_file": operator.certificate,
        "client_key_file": operator.key,
        "basic_auth": {"username": "serin", "password_file": password},
    }


def values(**settings):
    api = PrometheusClient({"default": PrometheusEndpoint(**settings)}, threads=1)
    try:
        found = asyncio.run(api.read("default", "vector(7)"))
    finally:
        api.close()
    return found if isinstance(found, Unreadable) else [one.value for one in found]


def test_both_are_sent_from_their_files(settings):
    assert values(**settings) == [7.0]


def test_a_wrong_password_is_named_as_such(settings):
    settings["basic_auth"]["password_file"].write_text("another")
    assert values(**settings) == Unreadable("Unreachable", "Prometheus cannot be queried: HTTP 401 Unauthorized")


ENDED = Unreadable(
    "Unreachable",
    "Prometheus cannot be queried: 127.0.0.1 ended the TLS handshake; it may demand another client certificate",
)


def test_a_missing_client_certificate_has_the_same_message_every_time(settings):
    without = settings | {"client_certificate_file": None, "client_key_file": None}
    assert [values(**without) for _ in range(10)] == [ENDED] * 10


def test_a_client_certificate_of_another_authority_has_it_too(settings, tmp_path):
    other = Authority(tmp_path / "other").sign("operator")
    foreign = settings | {"client_certificate_file": other.certificate, "client_key_file": other.key}
    assert [values(**foreign) for _ in range(10)] == [ENDED] * 10


def test_a_key_of_another_certificate_is_named_as_such(settings, authority):
    other = authority.sign("other")
    assert values(**(settings | {"client_key_file": other.key})) == Unreadable(
        "Unreachable", "Prometheus cannot be queried: TLS with 127.0.0.1 failed: key values mismatch"
    )
