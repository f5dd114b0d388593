import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.api.revisions import MAX_REVISION, MAX_STEP
from serin_core.contract.documents import CandidateRun, DocumentError, RoutingDocument, ServedRun, Thresholds
from serin_core.contract.routing import PARTS, Ignored, admit, in_canary, is_confident, route, seed, user_hash

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def document(**changes):
    body = {
        "uid": "u",
        "revision": 7,
        "stage": 5,
        "salt": "s",
        "candidate": CandidateRun(run="new", digest=A, percent=50),
        "stable": ServedRun(run="old", digest=B),
    }
    return RoutingDocument(**(body | changes))


def part(user):
    return user_hash(user, seed("salt")) % PARTS


@given(st.text(min_size=1))
def test_a_user_falls_into_the_same_part_every_time(user):
    assert part(user) == part(user)
    assert 0 <= part(user) < PARTS


def test_known_users_keep_their_parts_over_versions():
    assert [part(user) for user in ("u1", "u2", "Grüße")] == [351, 9309, 949]


@given(user=st.text(min_size=1), low=st.floats(0, 100), high=st.floats(0, 100))
def test_who_is_in_at_a_share_is_in_at_every_higher_one(user, low, high):
    low, high = sorted((low, high))
    assert not in_canary(user, salt="s", percent=low) or in_canary(user, salt="s", percent=high)


@pytest.mark.parametrize("share", [1, 10, 50])
def test_the_share_of_users_is_the_one_asked_for(share):
    inside = sum(in_canary(f"user-{number}", salt="s", percent=share) for number in range(20_000))
    assert inside / 200 == pytest.approx(share, abs=1.1)


@pytest.mark.parametrize("user", [None, ""])
def test_nobody_without_a_user_id_is_ever_in(user):
    assert not in_canary(user, salt="s", percent=100)


def test_everybody_else_is_in_at_100_percent():
    assert all(in_canary(str(number), salt="s", percent=100) for number in range(1000))


def test_a_document_of_another_uid_is_ignored():
    assert admit(document(uid="other"), uid="u", seen=0, announced=None) is Ignored.OTHER_UID


def test_a_lower_revision_is_ignored_and_an_equal_one_is_not():
    assert admit(document(), uid="u", seen=8, announced=8) is Ignored.LOWER_REVISION
    assert admit(document(), uid="u", seen=7, announced=7) is None


def test_a_revision_seen_out_of_reach_of_the_announced_one_is_forgotten():
    assert admit(document(), uid="u", seen=10**15, announced=None) is Ignored.LOWER_REVISION
    assert admit(document(), uid="u", seen=7 + MAX_STEP, announced=7) is Ignored.LOWER_REVISION
    assert admit(document(), uid="u", seen=8 + MAX_STEP, announced=7) is None
    assert admit(document(), uid="u", seen=10**15, announced=8) is Ignored.LOWER_REVISION


@pytest.mark.parametrize("field", ["revision", "stage"])
def test_a_document_above_the_maximum_is_not_valid(field):
    text = document(**{field: MAX_REVISION}).text()
    assert RoutingDocument.parse(text).text() == text
    for number in (MAX_REVISION + 1, 2**63 - 1, 10**19):
        with pytest.raises(DocumentError, match=f"^{field}: .* less than or equal to 9007199254740991"):
            RoutingDocument.parse(text.replace(str(MAX_REVISION), str(number)))


@pytest.mark.parametrize(
    ("loaded", "announced", "percent"),
    [
        pytest.param({"new": A, "old": B}, 7, 50, id="loaded and announced"),
        pytest.param({"new": A, "old": B}, 6, 50, id="the file is ahead of the announcement"),
        pytest.param({"new": A, "old": B}, None, 0, id="not announced"),
        pytest.param({"new": A, "old": B}, 8, 0, id="the file is behind the announcement"),
        pytest.param({"new": B, "old": B}, 7, 0, id="other bytes"),
        pytest.param({"old": B}, 7, 0, id="not loaded"),
    ],
)
def test_a_share_counts_only_where_nothing_is_in_doubt(loaded, announced, percent):
    assert route(document(), loaded=loaded, announced=announced, unheard=0.0).percent == percent


def test_a_stable_run_with_other_bytes_leaves_the_answer_to_the_rules():
    assert route(document(), loaded={"old": A}, announced=7, unheard=0.0).stable is None


def test_nan_is_never_confident():
    thresholds = Thresholds(default=0.5, per_class={"Dining": 0.9})
    assert not is_confident("Dining", float("nan"), thresholds)
    assert not is_confident("Dining", 0.8, thresholds)
    assert is_confident("Other", 0.5, thresholds)


def test_a_document_survives_its_own_text():
    assert RoutingDocument.parse(document().text()) == document()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "document"),
        ("{", "document"),
        ("[]", "document"),
        (document().text().replace('"revision":7', '"revision":"ten"'), "revision"),
        (document().text().replace('"percent":50.0', '"percent":200'), "candidate.percent"),
        (document().text().replace('"salt"', '"pepper"'), "salt"),
    ],
)
def test_a_damaged_document_says_where(text, where):
    with pytest.raises(DocumentError, match=f"^{where}:") as raised:
        RoutingDocument.parse(text)
    assert "\n" not in str(raised.value)


def test_a_changed_copy_has_a_hash_of_its_own():
    first = document()
    assert first.hash() == RoutingDocument.parse(first.text()).hash()
    for changed in (first.model_copy(update={"revision": 8}), first.model_copy(update={"revision": 8}, deep=True)):
        assert changed.hash() == document(revision=8).hash() != first.hash()
    assert first == document()
