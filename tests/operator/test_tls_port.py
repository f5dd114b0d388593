"""The port of the operator over HTTPS: probes, metrics, and a certificate that is exchanged while it serves."""

import asyncio
import shutil
import ssl
from contextlib import suppress

import aiohttp
import pytest

from serin_localcluster.pki import Authority
from serin_operator import main
from serin_operator.metrics import OperatorMetrics, serve
from serin_tls import certificate as tls
from serin_tls.certificate import Certificate


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def directory(authority, tmp_path):
    (tmp_path / "tls").mkdir()
    renew(authority, tmp_path / "tls")
    return tmp_path / "tls"


def renew(authority, directory):
    pair = authority.sign("operator", addresses=("127.0.0.1",))
    shutil.copy(pair.key, directory / "tls.key")
    shutil.copy(pair.certificate, directory / "tls.crt")


async def served(port, authority):
    """Return the certificate that a new connection gets."""
    context = ssl.create_default_context(cafile=authority.file)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return found


def test_probes_and_metrics_are_served_over_https_and_a_renewed_certificate_is_used(authority, directory, monkeypatch):
    monkeypatch.setattr(tls, "REFRESH_SECONDS", 0.01)

    async def run():
        certificate = Certificate(directory)
        metrics = OperatorMetrics(lambda: 0)
        runner = await serve(metrics, host="127.0.0.1", port=0, problem=str, tls=certificate.context)
        following = asyncio.create_task(certificate.follow())
        port = runner.addresses[0][1]
        context = ssl.create_default_context(cafile=authority.file)
        try:
            async with aiohttp.ClientSession(f"https://127.0.0.1:{port}") as session:
                for path, text in (
                    ("/healthz", "ok"),
                    ("/readyz", "ok"),
                    ("/metrics", "serin_operator_reconcile_total"),
                ):
                    async with session.get(path, ssl=context) as response:
                        assert response.status == 200
                        assert text in await response.text()
                former = await served(port, authority)
                renew(authority, directory)
                async with asyncio.timeout(20):
                    while await served(port, authority) == former:
                        await asyncio.sleep(0.01)
                async with session.get("/healthz", ssl=context) as response:
                    assert response.status == 200
            with pytest.raises(aiohttp.ClientError):
                async with aiohttp.ClientSession() as plain, plain.get(f"http://127.0.0.1:{port}/metrics"):
                    pass
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await runner.cleanup()

    asyncio.run(run())


def test_a_directory_without_a_certificate_ends_the_operator_with_the_setting(tmp_path, monkeypatch, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"prometheus: {{default: {{url: 'http://prometheus'}}}}\nserver: {{image: s}}\ntlsDir: {tmp_path}/nowhere\n"
    )
    monkeypatch.setattr("sys.argv", ["serin-operator", "--config", str(config)])
    monkeypatch.setattr(main, "configure_logs", lambda **_: None)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"serin-operator: {config}: tlsDir: {tmp_path}/nowhere: tls.crt: No such file or directory\n"
    )
