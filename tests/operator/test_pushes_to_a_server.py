"""The operator's client, keys and signatures against a real server process."""

import asyncio
import os
from urllib.parse import urlsplit

import pytest
from server.fakes import UID, Mounted, routing
from server.test_process import RULES, pod_environment, started

from serin_core.contract.pod_report import PodReport
from serin_core.contract.pushed_routing import key_id
from serin_core.model.signing_keys import SigningKey
from serin_operator.interfaces import PodQuestion
from serin_operator.pod_client import PodClient
from serin_operator.routing_keys import RoutingKeys


@pytest.fixture
def keys():
    made = RoutingKeys()
    made.replace((SigningKey.generate(), SigningKey(os.urandom(32))))
    return made


@pytest.fixture
def pod(tmp_path, keys):
    """A server whose template has the former key of two."""
    mounted = Mounted(tmp_path / "pod")
    mounted.model()
    mounted.rules(RULES)
    mounted.route(routing(5, percent=None))
    environment = pod_environment(mounted) | {"SERIN_ROUTING_KEY": keys.public[1]}
    with started("-m", "serin_server.main", environment=environment) as process:
        yield urlsplit(process.url)


def send(pod, keys, document, *, key):
    async def ask():
        client = PodClient()
        push = keys.sign(document.text(), key)
        try:
            question = PodQuestion(pod.hostname, "http", UID, pod.port, push=push, key_id=key_id(key))
            return await client.fetch_report(question)
        finally:
            await client.close()

    report = asyncio.run(ask())
    assert isinstance(report, PodReport)
    return report


def test_a_server_serves_what_is_signed_with_its_key_and_reports_without_what_is_not(pod, keys):
    current, former = keys.public
    report = send(pod, keys, routing(6, percent=None), key=former)
    assert (report.revision, report.hash) == (6, routing(6, percent=None).hash())
    assert report.routing_key == key_id(former) != key_id(current)
    assert send(pod, keys, routing(7, percent=None), key=current).revision == 6
    assert send(pod, keys, routing(5, percent=None), key=former).revision == 6
