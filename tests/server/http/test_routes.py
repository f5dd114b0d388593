"""The routes of clients: suggestions, feedback, transactions, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from server.fakes import CANDIDATE, STABLE, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from server.http.running_service import USER, bought, running

from serin_core.contract.documents import Thresholds
from serin_server.http.middleware import MAX_BODY_BYTES
from serin_server.stores.sqlite import Sqlite

pytestmark = pytest.mark.anyio


async def test_rules_answer_while_nothing_is_routed(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        item, unknown = await pod.suggest(bought(), bought("2", merchant="nobody knows"))
        assert item["source"] == "rule"
        assert item["model_id"] is None
        assert item["candidates"] == [{"label": "Groceries", "confidence": 1.0, "reasons": ['keyword "loblaws"']}]
        assert item["reasons"] == []
        assert (unknown["candidates"], unknown["source"], unknown["model_id"]) == ([], "none", None)
        assert unknown["reasons"] == ["no rule matched", "no run serves this user"]
        assert unknown["event_id"]


@pytest.mark.parametrize(
    ("percent", "stable", "reasons"),
    [
        pytest.param(100, None, [f"{CANDIDATE}: Dining, confidence 0.69 below threshold 0.70"], id="the candidate"),
        pytest.param(0, STABLE, [f"{STABLE}: Groceries, confidence 0.40 below threshold 0.70"], id="the stable run"),
        pytest.param(
            100,
            STABLE,
            [
                f"{STABLE}: Groceries, confidence 0.40 below threshold 0.70",
                f"{CANDIDATE}: Dining, confidence 0.69 below threshold 0.70",
            ],
            id="both",
        ),
        pytest.param(0, None, ["no run serves this user"], id="a candidate that is only compared"),
    ],
)
async def test_an_answer_without_a_suggestion_names_the_runs_that_were_not_confident(
    mounted: Mounted, percent: float, stable: str | None, reasons: list[str]
) -> None:
    mounted.route(routing(4, percent=percent, stable=stable))
    unsure = FakeRun(label="Dining", confidence=0.6999), FakeRun(STABLE, label="Groceries", confidence=0.4)
    async with running(mounted, FakeRegistry(*unsure)) as pod:
        (item,) = await pod.suggest(bought(merchant="nobody knows"))
        assert (item["source"], item["reasons"]) == ("none", ["no rule matched", *reasons])


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_an_answer_without_a_suggestion_names_a_run_that_failed_or_is_not_loaded(
    mounted: Mounted,
    is_loaded: bool,  # noqa: FBT001
) -> None:
    mounted.route(routing(5, percent=100))
    broken = FakeRun(confidence=float("nan"))
    registry = FakeRegistry(broken) if is_loaded else FakeRegistry(refused={broken.run: "damaged"})
    async with running(mounted, registry) as pod:
        (item,) = await pod.suggest(bought(merchant="nobody knows"))
        why = "the prediction returned NaN" if is_loaded else "not available on this pod"
        assert item["reasons"] == ["no rule matched", f"{CANDIDATE}: {why}"]


async def test_in_shadow_the_candidate_is_counted_and_never_shown(mounted: Mounted) -> None:
    mounted.route(routing(4, percent=0))
    async with running(mounted, FakeRegistry(FakeRun(label="Dining"))) as pod:
        items = await pod.suggest(bought("1"), bought("2"), bought("3", user_id="u2"))
        assert {item["source"] for item in items} == {"rule"}
        trial = {"serin_run": CANDIDATE, "serin_stage": "4", "serin_arm": "control"}
        assert await pod.count("lm_suggest_compare_total", agree="False", **trial) == 3
        assert await pod.count("serin_users_compare_total", agree="False", **trial) == 2
        assert await pod.count("lm_ml_fallback_total", reason="not_in_canary", **trial) == 3
        assert await pod.count("lm_suggest_source_total", source="shadow", **trial) == 3
        assert await pod.count("lm_suggest_source_total", source="rule", **trial) == 3
        assert await pod.count("lm_ml_predict_requests_total", available="True", **trial) == 3
        assert await pod.count("lm_ml_predict_latency_seconds_count", **trial) == 3
        assert await pod.count("lm_ml_predictions_total", accepted="False", **trial) == 3
        assert await pod.count("lm_ml_predictions_total") == 3
        assert await pod.count("serin_confident_predictions_total") == 0


async def test_in_the_canary_the_candidate_answers(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    async with running(mounted, FakeRegistry(FakeRun(label="Dining", confidence=0.91))) as pod:
        (item,) = await pod.suggest(bought())
        assert (item["source"], item["model_id"]) == ("model", CANDIDATE)
        assert item["candidates"][0]["label"] == "Dining"
        assert item["candidates"][0]["confidence"] == pytest.approx(0.91)
        assert await pod.count("lm_ml_predictions_total", accepted="True", serin_arm="canary") == 1
        assert await pod.count("serin_confident_predictions_total", shown="True", serin_arm="canary") == 1
        assert await pod.count("lm_ml_fallback_total") == 0


@pytest.mark.parametrize("stable", [None, STABLE])
@pytest.mark.parametrize("percent", [None, 0, 10, 50, 100])
async def test_every_suggestion_counts_once_and_the_reasons_add_up_to_those_not_shown(
    mounted: Mounted, percent: float | None, stable: str | None
) -> None:
    mounted.route(routing(5, percent=percent, stable=stable))
    turns = iter(range(10_000))
    unsure = FakeRun(label="Dining", confidence=0.9)
    unsure.before = lambda: setattr(unsure, "confidence", 0.4 if next(turns) % 5 == 0 else 0.9)
    async with running(mounted, FakeRegistry(unsure, FakeRun(STABLE))) as pod:
        items = [
            item
            for start in range(0, 1000, 50)
            for item in await pod.suggest(*(bought(str(n), user_id=f"u{n}") for n in range(start, start + 50)))
        ]
        subject = CANDIDATE if percent is not None else stable
        shown = sum(item["model_id"] == subject and item["source"] == "model" for item in items)
        assert await pod.count("lm_ml_predictions_total", accepted="True") == shown
        assert await pod.count("lm_ml_predictions_total", accepted="False") == 1000 - shown
        assert await pod.count("lm_ml_fallback_total") == 1000 - shown
        if percent == 10:
            assert 50 < shown < 110  # a tenth of the users, less those for whom it is not confident


async def test_after_a_rollback_to_the_rules_no_suggestion_is_accepted(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    async with running(mounted, FakeRegistry(FakeRun())) as pod:
        await pod.suggest(bought())
        mounted.route(routing(6, percent=None))
        await pod.check()
        await pod.suggest(bought(), bought("2"))
        after = {"serin_stage": "6", "serin_run": "rules"}
        assert await pod.count("lm_ml_predictions_total", accepted="True", **after) == 0
        assert await pod.count("lm_ml_predictions_total", accepted="False", **after) == 2
        assert await pod.count("lm_ml_fallback_total", reason="not_in_canary", **after) == 2


async def test_without_a_user_the_candidate_never_answers(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    async with running(mounted, FakeRegistry(FakeRun())) as pod:
        (item,) = await pod.suggest(bought(user_id=""))
        assert item["source"] == "rule"
        assert await pod.count("serin_users_compare_total") == 0
        assert await pod.count("lm_suggest_compare_total", agree="True") == 1


async def test_under_its_threshold_the_stable_run_answers(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100, stable=STABLE))
    registry = FakeRegistry(FakeRun(confidence=0.4), FakeRun(STABLE, label="Dining", confidence=0.8))
    async with running(mounted, registry) as pod:
        (item,) = await pod.suggest(bought())
        assert item["model_id"] == STABLE
        assert await pod.count("lm_ml_fallback_total", reason="low_confidence", serin_run=CANDIDATE) == 1
        assert await pod.count("serin_low_confidence_total", serin_run=CANDIDATE, serin_class="Groceries") == 1
        assert await pod.count("lm_suggest_compare_total", agree="False", serin_run=CANDIDATE) == 1
        assert await pod.count("lm_ml_predict_requests_total") == 1


@pytest.mark.parametrize("kind", ["raises", "gives NaN", "is slow"])
async def test_a_run_that_fails_never_fails_a_request(mounted: Mounted, clock: FakeClock, kind: str) -> None:
    mounted.route(routing(5, percent=100))

    def explode() -> None:
        raise MemoryError("no")

    broken = {
        "raises": FakeRun(before=explode),
        "gives NaN": FakeRun(confidence=float("nan")),
        "is slow": FakeRun(before=lambda: clock.advance(0.11)),
    }[kind]
    async with running(mounted, FakeRegistry(broken), clock=clock) as pod:
        items = await pod.suggest(*(bought(str(number)) for number in range(8)))
        assert {item["source"] for item in items} == {"rule"}
        assert broken.asked == 5
        trial = {"serin_arm": "canary", "serin_run": CANDIDATE}
        assert await pod.count("serin_predict_failures_total", **trial) == 5
        assert await pod.count("lm_ml_predict_requests_total", available="True", **trial) == 5
        assert await pod.count("lm_ml_predict_requests_total", available="False", **trial) == 3
        assert await pod.count("lm_ml_fallback_total", reason="unknown", **trial) == 5
        assert await pod.count("lm_ml_fallback_total", reason="unavailable", **trial) == 3
        assert await pod.count("lm_ml_predict_latency_seconds_count", **trial) == 5
        late = 5 if kind == "is slow" else 0
        assert await pod.count("serin_confident_predictions_total", shown="False", **trial) == late
        assert await pod.count("lm_ml_predictions_total", accepted="False", **trial) == 8
        assert await pod.count("serin_breaker_open", serin_run=CANDIDATE) == 1
        clock.advance(1.5)
        assert await pod.count("serin_breaker_open", serin_run=CANDIDATE) == 0


async def test_comparisons_take_a_tenth_of_a_second_of_a_request_and_the_rest_goes_without(
    mounted: Mounted, clock: FakeClock
) -> None:
    mounted.route(routing(5))
    tardy = FakeRun(before=lambda: clock.advance(0.04))
    async with running(mounted, FakeRegistry(tardy), clock=clock) as pod:
        for batches in (1, 2):
            items = await pod.suggest(*(bought(str(number)) for number in range(20)))
            assert {item["source"] for item in items} == {"rule"}
            assert tardy.asked == 3 * batches
        assert await pod.count("lm_ml_predict_requests_total", serin_run=CANDIDATE) == 6
        assert await pod.count("lm_suggest_source_total", source="shadow") == 6
        assert await pod.count("lm_suggest_source_total", source="rule") == 40
        assert await pod.count("serin_breaker_open") == 0


async def test_what_is_left_out_because_the_candidate_was_late_counts_as_unavailable(
    mounted: Mounted, clock: FakeClock
) -> None:
    mounted.route(routing(5))
    late = FakeRun(before=lambda: clock.advance(0.11))
    async with running(mounted, FakeRegistry(late), clock=clock) as pod:
        await pod.suggest(*(bought(str(number)) for number in range(20)))
        assert late.asked == 1
        assert await pod.count("lm_ml_predict_requests_total", available="True", serin_run=CANDIDATE) == 1
        assert await pod.count("lm_ml_predict_requests_total", available="False", serin_run=CANDIDATE) == 19


async def test_whoever_is_shown_the_candidate_is_not_kept_from_it_by_comparisons(
    mounted: Mounted, clock: FakeClock
) -> None:
    mounted.route(routing(5, percent=100))
    tardy = FakeRun(before=lambda: clock.advance(0.04))
    async with running(mounted, FakeRegistry(tardy), clock=clock) as pod:
        items = await pod.suggest(*(bought(str(number)) for number in range(20)))
        assert {item["source"] for item in items} == {"model"}


async def test_once_promoted_the_stable_run_is_compared_with_the_rules(mounted: Mounted) -> None:
    mounted.route(routing(9, percent=None, stable=STABLE))
    async with running(mounted, FakeRegistry(FakeRun(STABLE, label="Dining"))) as pod:
        (item,) = await pod.suggest(bought())
        assert (item["source"], item["model_id"]) == ("model", STABLE)
        trial = {"serin_run": STABLE, "serin_stage": "9", "serin_arm": "control"}
        assert await pod.count("lm_suggest_compare_total", agree="False", **trial) == 1
        assert await pod.count("lm_ml_fallback_total", **trial) == 0
        assert await pod.count("lm_ml_predictions_total", accepted="True", **trial) == 1
        assert await pod.count("serin_confident_predictions_total") == 0
        mounted.route(routing(10, percent=None, stable=STABLE, shadow=False))
        await pod.check()
        await pod.suggest(bought())
        assert await pod.count("lm_suggest_compare_total", serin_stage="10") == 0
        assert await pod.count("lm_suggest_source_total", serin_stage="10", source="model") == 1


async def test_new_thresholds_take_effect_with_the_next_document(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    async with running(mounted, FakeRegistry(FakeRun(label="Dining", confidence=0.8))) as pod:
        assert (await pod.suggest(bought()))[0]["source"] == "model"
        mounted.route(routing(6, percent=100, thresholds=Thresholds(default=0.7, per_class={"Dining": 0.9})))
        await pod.check()
        assert (await pod.suggest(bought()))[0]["source"] == "rule"
        answer = (await pod.client.get("/ml/thresholds")).json()
        assert answer["candidate"]["classes"] == {"Groceries": 0.7, "Dining": 0.9}
        assert answer["stable"] is None


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


async def test_a_missing_token_and_a_wrong_one_have_different_messages(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        body = {"transactions": [bought()]}
        missing = await pod.client.post("/agent/suggestions", json=body)
        wrong = await pod.client.post("/agent/suggestions", json=body, headers={"Authorization": "Bearer x"})
        assert (missing.status_code, missing.json()["detail"]) == (
            401,
            "a bearer token is required: Authorization: Bearer <token>",
        )
        assert (wrong.status_code, wrong.json()["detail"]) == (401, "the bearer token is not valid")


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


@pytest.mark.parametrize("event_id", ["nonsense", "AAAA" * 20, "%00", "A" * 3000])
async def test_an_event_id_that_nobody_gave_out_is_refused_in_one_line(mounted: Mounted, event_id: str) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.feedback(event_id, accepted=True)
        assert response.status_code == 400
        assert response.json()["detail"].startswith("event_id: ")
        assert "\n" not in response.json()["detail"]


async def test_transactions_that_are_kept_are_answered_by_their_ids(mounted: Mounted) -> None:
    store = Sqlite(mounted.root / "data.db")
    async with running(mounted, FakeRegistry(), store=store) as pod:
        kept = await pod.client.post("/transactions", json={"transactions": [bought("7")]}, headers=USER)
        assert kept.json() == {"kept": 1}
        response = await pod.client.post("/agent/suggestions", json={"txn_ids": ["7"]}, headers=USER)
        assert response.json()["items"][0]["candidates"][0]["label"] == "Groceries"
        missing = await pod.client.post("/agent/suggestions", json={"txn_ids": ["7", "8"]}, headers=USER)
        assert (missing.status_code, missing.json()["detail"]) == (
            404,
            "unknown txn_id '8' (1 of 2 are not in the store)",
        )


@pytest.mark.parametrize(
    ("path", "body"),
    [("/agent/suggestions", {"txn_ids": ["7"]}), ("/transactions", {"transactions": [bought()]})],
    ids=["asked by id", "sent to be kept"],
)
async def test_without_a_store_transactions_come_with_the_request(
    mounted: Mounted, path: str, body: dict[str, Any]
) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post(path, json=body, headers=USER)
        assert response.status_code == 409
        assert response.json()["detail"] == ("this server has no store; send the transactions in `transactions`")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param({}, "send exactly one of txn_ids and transactions, with at least one entry", id="neither"),
        pytest.param(
            {"txn_ids": ["1"], "transactions": [bought()]},
            "send exactly one of txn_ids and transactions, with at least one entry",
            id="both",
        ),
        pytest.param(
            {"transactions": [bought(amount="NaN")]},
            "transactions.0.amount: must be a finite number",
            id="an amount that is no number",
        ),
        pytest.param(
            {"transactions": [bought(colour="red")]},
            "transactions.0.colour: unknown field; the fields are txn_id, user_id, timestamp, merchant, description, "
            "amount, channel",
            id="a field that is not known",
        ),
        pytest.param({"transactions": [bought()], "mode": "magic"}, "mode: must be 'auto'", id="another mode"),
        pytest.param(
            {"transactions": [bought(str(number)) for number in range(257)]},
            "transactions: at most 256 entries are allowed, 257 were sent",
            id="too many",
        ),
        pytest.param(
            {"transactions": [bought(merchant="x" * 257)]},
            "transactions.0.merchant: at most 256 characters are allowed, 257 were sent",
            id="too long",
        ),
    ],
)
async def test_a_request_that_does_not_fit_is_said_in_one_line(
    mounted: Mounted, body: dict[str, Any], detail: str
) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post("/agent/suggestions", json=body, headers=USER)
        assert (response.status_code, response.json()["detail"]) == (422, detail)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b'{"txn_ids": ["\\ud800"]}', id="half a character"),
        pytest.param(b'{"txn_ids": ["\\u0000"]}', id="a NUL"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"\\n": 1}', id="a line break as a field"),
        pytest.param(b'{"\\ud800": 1}', id="half a character as a field"),
        pytest.param(b'{"\\u2028\\u001b[2J": 1}', id="controls as a field"),
    ],
)
@pytest.mark.parametrize("path", ["/agent/suggestions", "/agent/suggestions/e/feedback", "/transactions"])
async def test_garbage_is_refused_in_one_line_and_never_a_fault(mounted: Mounted, path: str, content: bytes) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        response = await pod.client.post(path, content=content, headers=USER | {"Content-Type": "application/json"})
        assert response.status_code in {400, 422}
        assert response.json()["detail"].isprintable()


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(mounted: Mounted) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (MAX_BODY_BYTES // 10)

    async with running(mounted, FakeRegistry()) as pod:
        for content in (b" " * (MAX_BODY_BYTES + 1), pieces()):
            response = await pod.client.post("/agent/suggestions", content=content, headers=USER)
            assert response.status_code == 413
            assert response.json()["detail"].startswith("the body is larger than 1048576 bytes")


async def test_users_of_other_paths_get_one_line_as_well(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        assert (await pod.client.get("/nowhere")).json()["code"] == "route_not_found"
        assert (await pod.client.get("/agent/suggestions")).json()["code"] == "method_not_allowed"


async def test_a_run_that_takes_300_ms_in_one_request_of_a_hundred_is_asked_on_and_every_request_is_answered(
    mounted: Mounted, clock: FakeClock
) -> None:
    mounted.route(routing(5, percent=100))
    run = FakeRun(label="Dining", before=lambda: clock.advance(0.3 if run.asked % 100 == 0 else 0.001))
    async with running(mounted, FakeRegistry(run), clock=clock) as pod:
        items = [item for _ in range(10) for item in await pod.suggest(*(bought(str(n)) for n in range(50)))]
        assert (len(items), run.asked) == (500, 500)
        assert sum(item["source"] == "rule" for item in items) == 5
        assert await pod.count("serin_predict_failures_total", serin_arm="canary") == 5
        assert await pod.count("serin_confident_predictions_total", shown="False") == 5
        assert await pod.count("lm_ml_predict_requests_total", available="False") == 0
        assert await pod.count("serin_breaker_open") == 0


async def test_a_run_that_fails_every_second_time_is_left_alone_for_a_while(mounted: Mounted, clock: FakeClock) -> None:
    mounted.route(routing(5, percent=100))

    def now_and_then() -> None:
        if run.asked % 2 == 0:
            raise ValueError

    run = FakeRun(before=now_and_then)
    async with running(mounted, FakeRegistry(run), clock=clock) as pod:
        assert len(await pod.suggest(*(bought(str(number)) for number in range(100)))) == 100
        assert run.asked == 40
        assert await pod.count("serin_breaker_open", serin_run=CANDIDATE) == 1
        assert await pod.count("lm_ml_fallback_total", reason="unavailable") == 60


async def test_an_answer_says_why(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    async with running(mounted, FakeRegistry(FakeRun(label="Dining", confidence=0.91))) as pod:
        (item,) = await pod.suggest(bought())
        first, second = item["candidates"]
        assert first["reasons"] == [
            f"{CANDIDATE}: confidence 0.91, threshold 0.70",
            "most important words: loblaws",
        ]
        assert second["reasons"] == []
