import hmac

import pytest
from server.fakes import ADMIN, TOKEN, FakeClock, Mounted

from serin_server.event_ids import EventError, verify
from serin_server.settings import SettingsError
from serin_server.tokens import Tokens


def tokens(mounted: Mounted, clock: FakeClock, *, uid: str = "u", allow_anonymous: bool = False) -> Tokens:
    return Tokens(mounted.root / "tokens", uid=uid, allow_anonymous=allow_anonymous, monotonic=clock.monotonic)


def test_each_token_opens_its_own_doors(mounted: Mounted, clock: FakeClock) -> None:
    known = tokens(mounted, clock)
    assert known.admits(TOKEN)
    assert known.admits_admin(ADMIN)
    for wrong in (None, "", ADMIN, TOKEN[:-1], f"{TOKEN}-", "ü"):
        assert not known.admits(wrong)
    for wrong in (None, "", TOKEN):
        assert not known.admits_admin(wrong)


def test_without_a_token_the_process_does_not_start_unless_everybody_may_come_in(
    mounted: Mounted, clock: FakeClock
) -> None:
    mounted.write("tokens", {"token": " \n"})
    with pytest.raises(SettingsError, match=r"^SERIN_TOKENS_DIR: [^\n]*SERIN_ALLOW_ANONYMOUS=true[^\n]*$"):
        tokens(mounted, clock)
    anybody = tokens(mounted, clock, allow_anonymous=True)
    assert anybody.admits(None)
    assert anybody.admits_admin(None)


def test_without_an_admin_token_nobody_is_an_administrator(mounted: Mounted, clock: FakeClock) -> None:
    mounted.write("tokens", {"token": TOKEN, "admin-token": ""})
    assert not tokens(mounted, clock).admits_admin("")
    assert not tokens(mounted, clock).admits_admin(TOKEN)


def test_a_changed_token_is_taken_within_a_second(mounted: Mounted, clock: FakeClock) -> None:
    known = tokens(mounted, clock)
    mounted.write("tokens", {"token": "new", "admin-token": ADMIN})
    assert known.admits(TOKEN)
    clock.advance(1.0)
    assert known.admits("new")
    assert not known.admits(TOKEN)


def test_tokens_that_vanish_stay_in_force(mounted: Mounted, clock: FakeClock) -> None:
    known = tokens(mounted, clock)
    (mounted.root / "tokens" / "..data").unlink()
    clock.advance(2.0)
    assert known.admits(TOKEN)


def test_every_pod_of_a_model_has_the_same_event_key_and_other_models_have_another(
    mounted: Mounted, clock: FakeClock
) -> None:
    assert tokens(mounted, clock).keys() == tokens(mounted, clock).keys()
    assert tokens(mounted, clock).keys() != tokens(mounted, clock, uid="another").keys()


def test_a_key_of_its_own_outlives_a_change_of_tokens(mounted: Mounted, clock: FakeClock) -> None:
    mounted.write("tokens", {"token": TOKEN, "event-key": "k"})
    before = tokens(mounted, clock).keys()
    mounted.write("tokens", {"token": "new", "event-key": "k"})
    assert tokens(mounted, clock).keys() == before


def test_event_ids_from_before_a_change_are_still_read(mounted: Mounted, clock: FakeClock) -> None:
    known = tokens(mounted, clock)
    before = known.keys()[0]
    mounted.write("tokens", {"token": "new"})
    clock.advance(2.0)
    assert known.keys()[0] != before
    assert known.keys()[1] == before
    with pytest.raises(EventError):
        verify("AAAA", known.keys())


@pytest.mark.parametrize("presented", ["first", "second", "third", "none", "", "ü"])
def test_every_token_is_compared_whichever_matches(
    mounted: Mounted, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, presented: str
) -> None:
    compared, compare = [], hmac.compare_digest
    monkeypatch.setattr(
        "serin_server.tokens.hmac.compare_digest", lambda *two: compared.append(two[1]) or compare(*two)
    )
    mounted.write("tokens", {"token": "first\nsecond\nthird"})
    assert tokens(mounted, clock).admits(presented) is (presented in {"first", "second", "third"})
    assert compared == [b"first", b"second", b"third"]


def test_two_tokens_are_valid_while_one_is_exchanged(mounted: Mounted, clock: FakeClock) -> None:
    known = tokens(mounted, clock)
    mounted.write("tokens", {"token": f"new\r\n\n {TOKEN}\n", "admin-token": f"{ADMIN}\nnew-admin"})
    clock.advance(1.0)
    assert [known.admits(one) for one in ("new", TOKEN, f"new\n{TOKEN}", "", None)] == [True, True, False, False, False]
    assert [known.admits_admin(one) for one in (ADMIN, "new-admin", "new")] == [True, True, False]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"event-key": "old"}, {"event-key": "new\nold"}, id="with a key for events"),
        pytest.param({}, {"token": f"new\n{TOKEN}", "admin-token": f"new\n{ADMIN}"}, id="with keys made of the tokens"),
    ],
)
def test_a_pod_that_starts_during_an_exchange_verifies_with_the_old_key_and_signs_with_the_first(
    mounted: Mounted, clock: FakeClock, before: dict[str, str], after: dict[str, str]
) -> None:
    given = {"token": TOKEN, "admin-token": ADMIN}
    mounted.write("tokens", given | before)
    old = tokens(mounted, clock).keys()
    mounted.write("tokens", given | after)
    during = tokens(mounted, clock).keys()
    mounted.write("tokens", given | {name: text.split()[0] for name, text in after.items()})
    new = tokens(mounted, clock).keys()
    assert during[0] == new[0] != old[0]
    assert old[0] in during
