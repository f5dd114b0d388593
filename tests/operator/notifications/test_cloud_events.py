"""CloudEvents to a real HTTP receiver: the event itself, credentials, and every way in which a delivery fails."""

import asyncio
import json
import socket
import ssl
from datetime import datetime

import pytest
from deliveries.bench import notification
from deliveries.receiver import Receiver

from serin_localcluster.pki import Authority
from serin_operator.notifications.cloud_events import CloudEventsSender, cloud_event
from serin_operator.notifications.message import DeliveryError, Message
from serin_operator.notifications.settings import CloudEventsSettings
from serin_operator.tls import context_for

ONE = notification(kind="Promoted", message="promoted", run_id="run_b", phase="Promoted", percent=100, is_warning=False)
MESSAGE = Message("transactions", "categories", "u-1", "audit", ONE, dropped=2)


def send(timeout=5, **settings):
    async def once():
        sender = CloudEventsSender(CloudEventsSettings.model_validate(settings))
        try:
            async with asyncio.timeout(timeout):
                await sender.send(MESSAGE)
        finally:
            await sender.close()

    asyncio.run(once())


def test_the_receiver_gets_a_cloud_event():
    with Receiver() as receiver:
        send(url=receiver.url, headers={"X-Tenant": {"value": "ml"}})
    (_, headers, body) = receiver.requests[0]
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["X-Tenant"] == "ml"
    event = json.loads(body)
    assert event["specversion"] == "1.0"
    assert event["type"] == "dev.serin.suggestionmodel.Promoted"
    assert event["source"] == "/apis/serin.dev/v1alpha1/namespaces/transactions/suggestionmodels/categories"
    assert (event["subject"], event["data"]["kind"], event["data"]["dropped"]) == ("run_b", "Promoted", 2)
    assert datetime.fromisoformat(event["time"]) == ONE.at


def test_the_id_differs_by_transition_destination_and_resource_and_by_nothing_else():
    base = {"namespace": "n", "name": "x", "uid": "u", "destination": "d", "notification": ONE}
    changes = [{}, {"uid": "v"}, {"destination": "e"}, {"notification": notification(sequence=2)}, {"dropped": 1}]
    ids = [cloud_event(Message(**{**base, **change}))["id"] for change in changes]
    assert len(set(ids[:4])) == 4
    assert ids[4] == ids[0]


def test_secrets_come_from_files_and_are_read_at_every_delivery(tmp_path):
    token, address = tmp_path / "token", tmp_path / "url"
    with Receiver() as receiver:
        for secret in ("first", "second"):
            token.write_text(f"{secret}\n")
            address.write_text(receiver.url)
            send(urlFile=address, bearerTokenFile=token)
    assert [headers["Authorization"] for _, headers, _ in receiver.requests] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("status", "is_rejection"),
    [(302, True), (400, True), (404, True), (410, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_a_status_other_than_2xx_is_an_error(status, is_rejection):
    with (
        Receiver(lambda _: status, headers=[("Location", "http://127.0.0.1:1/")]) as receiver,
        pytest.raises(DeliveryError, match=f"127.0.0.1 responded with HTTP {status}") as raised,
    ):
        send(url=receiver.url)
    assert raised.value.is_rejection is is_rejection
    assert ("redirect" in str(raised.value)) is (status == 302)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("http://127.0.0.1:1/T0SECRET", "cannot connect to 127.0.0.1: Connect", id="nobody listens"),
        pytest.param("http://nowhere.invalid/T0SECRET", "nowhere.invalid", id="unknown host"),
        pytest.param("http://[T0SECRET", "", id="no address"),
        pytest.param("T0SECRET", "has no http:// or https:// address", id="no scheme"),
        pytest.param("http://a b/T0SECRET", "", id="space"),
        pytest.param("http://u:T0SECRET@127.0.0.1:1/", "cannot connect to 127.0.0.1", id="password"),
        pytest.param("", "is empty", id="empty"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_without_it(tmp_path, content, message):
    file = tmp_path / "url"
    file.write_text(content)
    with pytest.raises(DeliveryError) as raised:
        send(urlFile=file)
    assert message in str(raised.value)
    assert "T0SECRET" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("key", ["bearerTokenFile", "caFile"])
def test_a_file_that_is_missing_is_named(tmp_path, key):
    with pytest.raises(DeliveryError, match=r"No such file or directory: .*absent"):
        send(url="https://127.0.0.1:1", **{key: tmp_path / "absent"})


def test_a_connection_that_ends_without_a_response_is_an_error():
    with Receiver(lambda _: None) as receiver, pytest.raises(DeliveryError, match="without a response"):
        send(url=receiver.url)


def test_a_receiver_that_hangs_can_be_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        send(timeout=0.2, url=f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_the_receivers_certificate_is_verified(tmp_path):
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    pair = ours.sign("receiver", addresses=("127.0.0.1",))
    with Receiver(certificate=(pair.certificate, pair.key)) as receiver:
        with pytest.raises(DeliveryError, match=r"the certificate of 127\.0\.0\.1 is not trusted"):
            send(url=receiver.url, caFile=theirs.file)
        with pytest.raises(DeliveryError, match="caFile"):
            send(url=receiver.url, caFile=pair.key)
        assert receiver.requests == []
        send(url=receiver.url, caFile=ours.file)
    assert len(receiver.accepted) == 1


def test_the_authorities_of_the_environment_are_trusted_as_for_prometheus_and_checks(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    pair = authority.sign("receiver", addresses=("127.0.0.1",))
    with Receiver(certificate=(pair.certificate, pair.key)) as receiver:
        with pytest.raises(DeliveryError, match="is not trusted"):
            send(url=receiver.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
        send(url=receiver.url)
    assert len(receiver.accepted) == 1


def test_extensions_of_authorities_that_python_3_13_demands_are_not_needed(tmp_path, monkeypatch):
    made = ssl.create_default_context

    def as_in_python_3_13(*arguments, **options):
        context = made(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", as_in_python_3_13)
    authority = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    for ca_file in (None, authority.file):
        assert not context_for("https://127.0.0.1", ca_file).verify_flags & ssl.VERIFY_X509_STRICT
