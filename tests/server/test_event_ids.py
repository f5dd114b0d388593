import base64
import hashlib
import hmac
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_server.event_ids import Event, EventError, sign, verify
from serin_server.metrics.counters import Arm, StageKey

KEY = b"key of this model"
events = st.builds(
    Event,
    at=st.integers(min_value=0, max_value=2**50),
    user=st.integers(min_value=0, max_value=2**64 - 1),
    txn_id=st.text(max_size=128),
    run_id=st.text(max_size=40),
    stage=st.integers(min_value=-1, max_value=2**60),
    arm=st.sampled_from(Arm),
    label=st.text(max_size=64),
)
EVENT = Event(
    at=1_800_000_000_000, user=7, txn_id="t1", run_id="run_bbbbbbbb_1", stage=5, arm=Arm.CANARY, label="Dining"
)


@given(events)
def test_whatever_is_signed_is_read_back(event: Event) -> None:
    assert verify(sign(event, KEY), [KEY]) == event


def test_an_event_id_is_short_and_fits_into_a_path() -> None:
    event_id = sign(EVENT, KEY)
    assert len(event_id) < 120
    assert set(event_id) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_an_older_key_still_verifies() -> None:
    assert verify(sign(EVENT, KEY), [b"new key", KEY]) == EVENT


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_any_changed_byte_is_noticed(position: int, change: int) -> None:
    token = bytearray(base64.urlsafe_b64decode(sign(EVENT, KEY) + "=="))
    token[position % len(token)] ^= change
    with pytest.raises(EventError):
        verify(base64.urlsafe_b64encode(token).rstrip(b"=").decode(), [KEY])


@given(st.text(max_size=200))
def test_whatever_is_no_event_id_gives_one_line(text: str) -> None:
    with pytest.raises(EventError, match=r"^event_id: [^\n]+$"):
        verify(text, [KEY])


def test_a_token_of_another_model_is_refused() -> None:
    with pytest.raises(EventError, match="not signed by this model"):
        verify(sign(EVENT, b"another model"), [KEY])


def test_a_very_long_one_is_not_even_read() -> None:
    with pytest.raises(EventError, match="too long"):
        verify("A" * 5000, [KEY])


def test_it_names_its_stage_and_never_changes() -> None:
    assert EVENT.key == StageKey("run_bbbbbbbb_1", 5)
    with pytest.raises((AttributeError, FrozenInstanceError)):
        EVENT.label = "Other"  # type: ignore[misc]


@given(events, events)
def test_two_answers_have_two_identities(one: Event, other: Event) -> None:
    assert (one.identity == other.identity) == (one == other)


@given(events, st.binary(max_size=200))
def test_an_event_id_ends_with_half_of_an_hmac(event: Event, key: bytes) -> None:
    token = base64.urlsafe_b64decode(sign(event, key) + "==")
    assert token[-16:] == hmac.digest(key, token[:-16], hashlib.sha256)[:16]
