"""Apprise to a real HTTP receiver: the message, and errors without the URL, whose every part may be secret."""

import asyncio
import io
import json
import logging
import socket
import threading

import pytest
from deliveries.bench import notification
from deliveries.receiver import Receiver

from serin_operator.notifications.apprise_messages import AppriseSender
from serin_operator.notifications.message import DeliveryError, Message
from serin_operator.notifications.settings import AppriseSettings

SECRET = "T0SECRET"
MESSAGE = Message("transactions", "categories", "u", "team", notification(message="Rolled back", is_warning=True), 1)


@pytest.fixture
def url_file(tmp_path):
    return tmp_path / "url"


@pytest.fixture
def log():
    """The log of the process, as its configuration makes it; pytest's own would also show what is not passed on."""
    handler, root = logging.StreamHandler(io.StringIO()), logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    yield handler.stream
    root.setLevel(level)
    root.removeHandler(handler)


def send(file, *, timeout=20, times=1):
    async def several():
        sender = AppriseSender(AppriseSettings(url_file=file))
        for _ in range(times):
            async with asyncio.timeout(timeout):
                await sender.send(MESSAGE)

    asyncio.run(several())


def test_a_service_gets_title_body_and_kind(url_file):
    with Receiver() as receiver:
        url_file.write_text(f"json://127.0.0.1:{receiver.port}/{SECRET}\n")
        send(url_file, times=2)
    body = receiver.accepted[0]
    assert body["title"] == "transactions/categories: GateFailed"
    assert body["message"].splitlines()[0] == "Rolled back"
    assert body["type"] == "warning"
    assert len(receiver.accepted) == 2


@pytest.mark.parametrize(("status", "is_rejection"), [(404, True), (302, True), (429, False), (503, False)])
def test_an_error_has_the_status_and_no_part_of_the_url(url_file, status, is_rejection, log, capfd):
    with Receiver(lambda _: status, headers=[("Location", "http://127.0.0.1:1/")]) as receiver:
        url_file.write_text(f"json://user:{SECRET}@127.0.0.1:{receiver.port}/{SECRET}")
        with pytest.raises(DeliveryError, match=f"HTTP {status}") as raised:
            send(url_file)
    assert raised.value.is_rejection is is_rejection
    assert SECRET not in f"{raised.value} {log.getvalue()} {capfd.readouterr()}"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(f"json://127.0.0.1:1/{SECRET}", "could not be reached", id="nobody listens"),
        pytest.param(f"nonsense://{SECRET}", "no URL that Apprise knows", id="unknown schema"),
        pytest.param(f"slack://{SECRET}", "no URL that Apprise knows", id="incomplete"),
        pytest.param(SECRET, "no URL that Apprise knows", id="no URL"),
        pytest.param(f"json://a/{SECRET}\njson://b/{SECRET}", "is not one line", id="two URLs"),
        pytest.param("", "is empty", id="empty"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_it(url_file, content, message, log, capfd):
    url_file.write_text(content)
    with pytest.raises(DeliveryError, match=message) as raised:
        send(url_file)
    assert SECRET not in f"{raised.value} {log.getvalue()} {capfd.readouterr()}"


def test_a_missing_file_is_named(url_file):
    with pytest.raises(DeliveryError, match=r"No such file or directory: .*url"):
        send(url_file)


def test_a_service_that_hangs_has_one_thread_at_most(url_file):
    """The thread ends by the timeouts of Apprise; until then, no other attempt is made."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url_file.write_text(f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=1.0")

        async def twice():
            sender = AppriseSender(AppriseSettings(url_file=url_file))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await sender.send(MESSAGE)
            with pytest.raises(DeliveryError, match="has not ended yet"):
                await sender.send(MESSAGE)
            assert sum(thread.name == "apprise" for thread in threading.enumerate()) == 1
            while sender._is_running:
                await asyncio.sleep(0.01)
            with pytest.raises(DeliveryError, match="could not be reached"):
                await sender.send(MESSAGE)

        asyncio.run(twice())


def test_the_body_is_sent_as_it_is(url_file):
    odd = Message("n", "x", "u", "team", notification(message="a < b & `c` *d* {e}"))

    async def once():
        await AppriseSender(AppriseSettings(url_file=url_file)).send(odd)

    with Receiver() as receiver:
        url_file.write_text(f"json://127.0.0.1:{receiver.port}/")
        asyncio.run(once())
    assert json.dumps(receiver.accepted[0]).count("a < b & `c` *d* {e}") == 1
