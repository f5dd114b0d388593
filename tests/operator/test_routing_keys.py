"""The Secret with the keys that sign routing: created once, read again, exchanged, and never replaced by a fault."""

import asyncio
import base64
import logging

import pytest
from memory_cluster import MemoryCluster

from serin_core.contract.pushed_routing import MAX_CHARACTERS
from serin_core.model.signing import is_signed
from serin_core.model.signing_keys import SigningKey
from serin_operator.interfaces import ClusterError, ConflictError
from serin_operator.routing_keys import CURRENT, PREVIOUS, SECRET, RoutingKeys, RoutingKeySecret

OWN = "serin-system"
ONE, TWO, THREE = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))


class Operator:
    """The part of one operator that keeps its keys."""

    def __init__(self, cluster, key=ONE):
        self.keys = RoutingKeys()
        self.secret = RoutingKeySecret(cluster, self.keys, namespace=OWN, generate=lambda: key)

    def refresh(self):
        asyncio.run(self.secret.refresh())
        return self.keys.public


def public(*keys):
    return tuple(key.public_pem.strip() for key in keys)


def put(cluster, **texts):
    data = {name.replace("_", "."): base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    cluster.put({"kind": "Secret", "metadata": {"namespace": OWN, "name": SECRET}, "data": data})


def stored(cluster):
    data = cluster.objects["Secret", OWN, SECRET]["data"]
    return {name: SigningKey.parse(base64.b64decode(text).decode()) for name, text in data.items()}


def test_it_is_created_once_and_every_operator_has_the_same_key():
    cluster = MemoryCluster()
    assert Operator(cluster, ONE).refresh() == Operator(cluster, TWO).refresh() == public(ONE)
    assert stored(cluster) == {CURRENT: ONE}
    assert cluster.writes == [("create Secret", SECRET)]
    assert cluster.objects["Secret", OWN, SECRET]["type"] == "Opaque"


def test_of_two_operators_that_create_it_at_once_the_second_takes_the_key_of_the_first():
    cluster = MemoryCluster()
    late = Operator(cluster, TWO)
    create = cluster.create_secret

    async def after_another(rendered):
        put(cluster, signing_key=ONE.pem)
        await create(rendered)

    cluster.create_secret = after_another
    assert late.refresh() == public(ONE)
    assert stored(cluster) == {CURRENT: ONE}


def test_one_that_is_deleted_is_written_again_with_the_same_keys():
    cluster = MemoryCluster()
    put(cluster, signing_key=TWO.pem, previous_key=ONE.pem)
    operator = Operator(cluster, THREE)
    assert operator.refresh() == public(TWO, ONE)
    del cluster.objects["Secret", OWN, SECRET]
    assert operator.refresh() == public(TWO, ONE)
    assert stored(cluster) == {CURRENT: TWO, PREVIOUS: ONE}


def test_keys_that_are_exchanged_are_taken_over_and_both_sign():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.refresh()
    put(cluster, signing_key=TWO.pem, previous_key=ONE.pem)
    assert operator.refresh() == public(TWO, ONE)
    for key in (ONE, TWO):
        pushed = operator.keys.sign("text", key.public_pem)
        assert pushed is not None
        assert is_signed(b"text", pushed.signature_bytes, key.public_pem.encode())
    assert operator.keys.sign("text", THREE.public_pem) is None
    put(cluster, signing_key=TWO.pem)
    assert operator.refresh() == public(TWO)
    assert operator.keys.sign("text", ONE.public_pem) is None


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({}, "signing.key is not an Ed25519 private key in PEM; `openssl genpkey -algorithm ed25519` makes one"),
        ({"signing_key": "no key"}, "signing.key is not an Ed25519 private key in PEM"),
        ({"signing_key": ONE.public_pem}, "signing.key is not an Ed25519 private key in PEM"),
        ({"signing_key": TWO.pem, "previous_key": "no key"}, "previous.key is not an Ed25519 private key in PEM"),
    ],
)
def test_what_is_no_key_is_named_once_and_the_keys_in_use_stay(caplog, texts, problem):
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.refresh()
    put(cluster, **texts)
    with caplog.at_level(logging.WARNING):
        assert operator.refresh() == operator.refresh() == public(ONE)
    (line,) = caplog.messages
    assert line.startswith(f"Secret {OWN}/{SECRET}: {problem}")
    assert line.endswith("keys in use stay")
    for key in (ONE, TWO):
        assert base64.b64encode(key.seed).decode() not in line


def test_data_that_is_no_base64_text_is_no_key(caplog):
    cluster = MemoryCluster()
    cluster.put(
        {
            "kind": "Secret",
            "metadata": {"namespace": OWN, "name": SECRET},
            "data": {CURRENT: base64.b64encode(b"\xff\xfe").decode()},
        }
    )
    assert Operator(cluster).refresh() == ()
    assert f"{SECRET}: {CURRENT} is not text; pods get their routing by ConfigMaps only" in caplog.text


def test_without_the_right_to_read_it_pods_get_their_routing_by_configmaps_and_the_log_says_what_is_missing(caplog):
    cluster = MemoryCluster()
    cluster.forbidden.add("Secret")
    operator = Operator(cluster)
    assert operator.refresh() == operator.refresh() == ()
    (line,) = caplog.messages
    assert "The operator needs get and create on Secrets of its own namespace" in line
    cluster.forbidden.clear()
    assert operator.refresh() == public(ONE)


def test_a_secret_that_vanishes_between_conflict_and_reading_leaves_the_keys_that_were_made():
    cluster = MemoryCluster()
    cluster.fail["create Secret", SECRET] = ConflictError(SECRET)
    operator = Operator(cluster)
    assert operator.refresh() == public(ONE)
    assert operator.refresh() == public(ONE)
    assert stored(cluster) == {CURRENT: ONE}


def test_passes_begin_after_the_first_attempt_whatever_becomes_of_it():
    cluster = MemoryCluster()
    cluster.fail["create Secret", SECRET] = ClusterError("503")
    operator = Operator(cluster)

    async def first_attempt():
        running = asyncio.create_task(operator.secret.run())
        await asyncio.wait_for(operator.secret.is_known.wait(), 5)
        running.cancel()

    asyncio.run(first_attempt())
    assert operator.keys.public == ()


def test_the_same_document_is_signed_once():
    keys = RoutingKeys()
    keys.replace((ONE,))
    assert keys.sign("text", ONE.public_pem) is keys.sign("text", f" {ONE.public_pem}\n")


def test_a_document_that_is_too_long_to_be_sent_is_not_signed():
    keys = RoutingKeys()
    keys.replace([ONE])
    longest = keys.sign("x" * MAX_CHARACTERS, ONE.public_pem)
    assert longest is not None
    assert len(longest.document) == MAX_CHARACTERS
    assert keys.sign("x" * (MAX_CHARACTERS + 1), ONE.public_pem) is None
