"""Feedback on suggestions: what counts, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest
from server.fakes import CANDIDATE, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from server.http.running_service import bought, running

from serin_server.rate_limit import FEEDBACK_AT_ONCE, FEEDBACK_PER_SECOND
from serin_server.stores.memory import Memory

pytestmark = pytest.mark.anyio


async def test_feedback_is_counted_once_in_the_arm_and_stage_of_its_answer(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    async with running(mounted, FakeRegistry(FakeRun(label="Dining"))) as pod:
        one, two, three = await pod.suggest(bought("1"), bought("2"), bought("3"))
        mounted.route(routing(6, percent=0))
        await pod.check()
        first = await pod.feedback(one["event_id"], accepted=True)
        kept = {"event_id": one["event_id"], "outcome": "accepted", "label": "Dining"}
        assert first.json() == kept | {"repeated": False}
        assert (await pod.feedback(one["event_id"], accepted=False)).json() == kept | {"repeated": True}
        assert (await pod.feedback(one["event_id"], label="Groceries")).json() == kept | {"repeated": True}
        assert (await pod.feedback(two["event_id"], label="Groceries")).json()["outcome"] == "rejected"
        assert (await pod.feedback(three["event_id"], label="Dining")).json()["outcome"] == "accepted"
        of_answer = {"serin_stage": "5", "serin_arm": "canary"}
        assert await pod.count("serin_feedback_total", outcome="accepted", **of_answer) == 2
        assert await pod.count("serin_feedback_total", outcome="rejected", **of_answer) == 1
        assert await pod.count("serin_feedback_total") == 3


async def test_a_label_that_nothing_here_can_suggest_is_refused_and_not_counted(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    mounted.rules("classes:\n  Fuel: [shell]\n")
    async with running(mounted, FakeRegistry(FakeRun(label="Dining"))) as pod:
        (item,) = await pod.suggest(bought())
        refused = await pod.feedback(item["event_id"], label="Dinning")
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_label")
        assert refused.json()["errors"] == [
            {
                "detail": f"not a class of {CANDIDATE} or of the rules; did you mean Dining? "
                "(classes: Dining, Fuel, Groceries)",
                "pointer": "#/label",
            }
        ]
        assert await pod.count("serin_feedback_total") == 0
        assert (await pod.feedback(item["event_id"], label="Fuel")).json()["outcome"] == "rejected"


@pytest.mark.parametrize("percent", [100, None])
async def test_any_label_is_taken_where_the_classes_are_not_known(mounted: Mounted, percent: int | None) -> None:
    mounted.route(routing(5, percent=percent))
    async with running(mounted, FakeRegistry(FakeRun())) as pod:
        (item,) = await pod.suggest(bought())
        pod.service.runs.set_wanted(())
        assert (await pod.feedback(item["event_id"], label="Pets")).json()["label"] == "Pets"


async def test_feedback_on_a_stage_long_gone_is_taken_and_not_counted(mounted: Mounted) -> None:
    mounted.route(routing(5))
    async with running(mounted, FakeRegistry(FakeRun())) as pod:
        (item,) = await pod.suggest(bought())
        for revision in (6, 7):
            mounted.route(routing(revision))
            await pod.check()
        assert (await pod.feedback(item["event_id"], accepted=True)).status_code == 200
        assert await pod.count("serin_feedback_total") == 0


async def test_where_nothing_was_suggested_only_a_label_makes_sense_and_is_a_rejection(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        (item,) = await pod.suggest(bought(merchant="nobody"))
        refused = await pod.feedback(item["event_id"], accepted=True)
        assert (refused.status_code, refused.json()["detail"]) == (
            422,
            'accepted: nothing was suggested here; send {"label": "..."} instead',
        )
        taken = await pod.feedback(item["event_id"], label="Dining")
        assert taken.json()["outcome"] == "rejected"
        assert await pod.count("serin_feedback_total", outcome="rejected") == 1


@pytest.mark.parametrize(("retention", "days"), [(None, 90), (timedelta(days=400), 90), (timedelta(days=7), 7)])
async def test_an_event_id_expires_before_what_it_counted_is_forgotten(
    mounted: Mounted, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, retention: timedelta | None, days: int
) -> None:
    settings = mounted.settings
    monkeypatch.setattr(mounted, "settings", lambda **given: replace(settings(**given), retention=retention))
    async with running(mounted, FakeRegistry(FakeRun()), clock=clock) as pod:
        one, two = await pod.suggest(bought("1"), bought("2"))
        clock.advance(days * 86_400)
        assert (await pod.feedback(one["event_id"], accepted=True)).status_code == 200
        clock.advance(1)
        for item in (one, two):
            expired = await pod.feedback(item["event_id"], accepted=True)
            assert (expired.status_code, expired.json()["code"]) == (410, "event_expired")
            assert expired.json()["detail"] == f"event_id: the suggestion was made more than {days} days ago"
        assert await pod.count("serin_feedback_total") == 1


async def test_feedback_counts_for_the_user_and_the_transaction_of_its_suggestion_and_for_no_other(
    mounted: Mounted,
) -> None:
    store = Memory()
    async with running(mounted, FakeRegistry(FakeRun()), store=store) as pod:
        (mine,) = await pod.suggest(bought("1", user_id="u1"))
        (other,) = await pod.suggest(bought("2", user_id="u2"))
        for named in ("user_id", "txn_id", "stage"):
            refused = await pod.feedback(mine["event_id"], accepted=True, **{named: "u2"})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert (await pod.feedback(mine["event_id"], accepted=False)).json()["repeated"] is False
        # One id made of the parts of two.
        for cut in range(8, len(mine["event_id"]), 8):
            mixed = mine["event_id"][:cut] + other["event_id"][cut:]
            if mixed not in (mine["event_id"], other["event_id"]):
                assert (await pod.feedback(mixed, accepted=True)).status_code == 400
        assert (await pod.feedback(other["event_id"], accepted=True)).json()["repeated"] is False


async def test_a_flood_of_feedback_is_refused_early_and_goes_on_at_the_rate(mounted: Mounted, clock: FakeClock) -> None:
    async with running(mounted, FakeRegistry(FakeRun()), clock=clock) as pod:
        (item,) = await pod.suggest(bought())
        for _ in range(FEEDBACK_AT_ONCE):
            pod.service.feedback_limit.take()
        refused = await pod.feedback(item["event_id"], accepted=True)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert refused.headers["Retry-After"] == "1"
        assert await pod.count("serin_feedback_total") == 0
        clock.advance(1 / FEEDBACK_PER_SECOND)
        assert (await pod.feedback(item["event_id"], accepted=True)).json()["repeated"] is False
        assert len(await pod.suggest(bought("2"))) == 1, "suggestions have no limit"


@pytest.mark.parametrize("event_id", ["nonsense", "AAAA" * 20, "%00", "A" * 3000])
async def test_an_event_id_that_nobody_gave_out_is_refused_in_one_line(mounted: Mounted, event_id: str) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.feedback(event_id, accepted=True)
        assert response.status_code == 400
        assert response.json()["detail"].startswith("event_id: ")
        assert "\n" not in response.json()["detail"]
