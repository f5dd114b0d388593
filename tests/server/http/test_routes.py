"""The routes of clients: suggestions and transactions."""

from typing import Any

import pytest
from server.fakes import CANDIDATE, STABLE, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from server.http.running_service import USER, bought, running

from serin_core.contract.documents import Thresholds
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
