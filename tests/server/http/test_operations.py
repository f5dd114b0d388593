"""The routes of operators and probes: tokens, status, reload, readiness."""

import pytest
from server.fakes import ADMIN, CANDIDATE, STABLE, TOKEN, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from server.http.running_service import USER, bought, running

from serin_core.contract.pod_report import PodReport

pytestmark = pytest.mark.anyio


async def test_doors_open_to_their_own_token_only(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:

        async def status(method: str, path: str, token: str | None) -> int:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            return (
                await pod.client.request(method, path, headers=headers, json={"transactions": [bought()]})
            ).status_code

        for path in ("/agent/suggestions", "/transactions", "/agent/suggestions/x/feedback"):
            assert await status("POST", path, None) == 401
            assert await status("POST", path, ADMIN) == 401
        assert await status("POST", "/ml/v2/reload", None) == 401
        assert await status("POST", "/ml/v2/reload", TOKEN) == 403
        assert await status("POST", "/ml/v2/reload", ADMIN) == 200
        for path in ("/ml/status", "/ml/thresholds", "/metrics", "/healthz", "/readyz", "/docs", "/openapi.json"):
            assert await status("GET", path, None) == 200


async def test_status_is_what_the_operator_reads(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=10))
    async with running(mounted, FakeRegistry(FakeRun(), refused={STABLE: "no such directory"})) as pod:
        status = (await pod.client.get("/ml/status")).json()
        report = pod.service.report().model_validate(status)
        assert (report.revision, report.hash) == (5, routing(5, percent=10).hash())
        assert report.uid == mounted.settings().uid
        assert [run.state.value for run in report.runs] == ["loaded", "refused"]
        assert report.runs[0].quality == FakeRun().quality
        assert status["runs"][1]["reason"] == "no such directory"
        mounted.write("routing", {"routing.json": '{"version": 2}'})
        await pod.service.watcher.check()
        status = (await pod.client.get("/ml/status")).json()
        assert status["refusal"].startswith("the routing document has format version 2")
        assert status["revision"] == 5


async def test_status_leaves_out_the_quality_that_the_caller_has_and_nothing_else(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=10))
    async with running(mounted, FakeRegistry(FakeRun(), FakeRun(STABLE))) as pod:
        full = (await pod.client.get("/ml/status")).json()
        digest = full["runs"][0]["digest"]
        for known in ("", "sha256:0000", ","):
            assert (await pod.client.get("/ml/status", params={"knownDigests": known})).json() == full
        brief = (await pod.client.get("/ml/status", params={"knownDigests": f"sha256:0000,{digest}"})).json()
        assert brief["runs"][0] == full["runs"][0] | {"quality": None}
        assert brief | {"runs": full["runs"]} == full
        complete = PodReport.model_validate(brief).with_quality(PodReport.model_validate(full).quality())
        assert complete == PodReport.model_validate(full)
        assert (await pod.client.get("/ml/status", params={"knownDigests": "x" * 8193})).status_code == 422


async def test_a_reload_swaps_the_runs_or_says_why_not(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    registry = FakeRegistry(FakeRun(label="Dining"))
    async with running(mounted, registry) as pod:
        admin = {"Authorization": f"Bearer {ADMIN}"}
        registry.runs[CANDIDATE] = FakeRun(label="Groceries")
        assert (await pod.client.post("/ml/v2/reload", headers=admin)).status_code == 200
        assert (await pod.suggest(bought()))[0]["candidates"][0]["label"] == "Groceries"
        registry.refused[CANDIDATE] = "parity row 1 differs"
        response = await pod.client.post("/ml/v2/reload", headers=admin)
        assert (response.status_code, response.json()["detail"]) == (
            409,
            f"{CANDIDATE}: parity row 1 differs; the loaded run stays in use",
        )
        assert (await pod.suggest(bought()))[0]["source"] == "model"


async def test_reloads_are_limited_and_a_refused_token_counts_for_nothing(mounted: Mounted, clock: FakeClock) -> None:
    async with running(mounted, FakeRegistry(FakeRun()), clock=clock) as pod:
        for _ in range(10):
            assert (await pod.client.post("/ml/v2/reload", headers=USER)).status_code == 403
        admin = {"Authorization": f"Bearer {ADMIN}"}
        found = [(await pod.client.post("/ml/v2/reload", headers=admin)).status_code for _ in range(4)]
        assert found == [200, 200, 200, 429]
        clock.advance(1)
        assert (await pod.client.post("/ml/v2/reload", headers=admin)).status_code == 200


async def test_a_pod_without_its_stable_run_is_not_ready_for_five_minutes_then_answers_by_rules(
    mounted: Mounted, clock: FakeClock
) -> None:
    mounted.route(routing(5, stable=STABLE))
    async with running(mounted, FakeRegistry(FakeRun(), refused={STABLE: "model.txt is missing"}), clock=clock) as pod:
        response = await pod.client.get("/readyz")
        assert (response.status_code, response.json()["detail"]) == (
            503,
            f"the stable run {STABLE} is not available: model.txt is missing",
        )
        clock.advance(300.0)
        assert (await pod.client.get("/readyz")).status_code == 200
        assert (await pod.suggest(bought()))[0]["source"] == "rule"


async def test_a_refused_candidate_does_not_keep_a_pod_from_being_ready(mounted: Mounted) -> None:
    mounted.route(routing(5, percent=100))
    async with running(mounted, FakeRegistry(refused={CANDIDATE: "no such directory"})) as pod:
        assert (await pod.client.get("/readyz")).status_code == 200
        assert (await pod.suggest(bought()))[0]["source"] == "rule"
        trial = {"serin_run": CANDIDATE, "serin_arm": "canary"}
        assert await pod.count("lm_ml_predict_requests_total", available="False", **trial) == 1
        assert await pod.count("lm_ml_fallback_total", reason="unavailable", **trial) == 1


async def test_an_ending_pod_is_alive_and_not_ready(mounted: Mounted) -> None:
    async with running(mounted, FakeRegistry()) as pod:
        pod.service.readiness.is_draining = True
        assert (await pod.client.get("/readyz")).json()["detail"] == "the server is stopping"
        alive = await pod.client.get("/healthz")
        assert (alive.status_code, alive.headers["connection"]) == (200, "close")
        assert len(await pod.suggest(bought())) == 1
