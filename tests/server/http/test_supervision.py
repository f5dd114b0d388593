"""A candidate that no operator watches: the stable run answers, in every process of the pod, until it asks again."""

import json
from pathlib import Path

import pytest
from server.fakes import CANDIDATE, STABLE, UID, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from server.http.running_service import Running, bought, running

from serin_core.contract import names
from serin_core.contract.pod_report import PodReport, SupervisionReport
from serin_server.routing.supervision import Record, SharedRecord, boot_id

pytestmark = pytest.mark.anyio

HOUR = 3600.0
OPERATOR = {names.SUPERVISION_HEADER: UID}
REGISTRY = FakeRegistry(FakeRun(label="Dining"), FakeRun(STABLE))


async def ask(pod: Running, headers: dict[str, str] = OPERATOR) -> PodReport:
    response = await pod.client.get("/ml/status", headers=headers)
    return PodReport.model_validate(response.json())


async def answered_by(pod: Running) -> str | None:
    pod.service.supervision.check()  # every second, in a pod
    (item,) = await pod.suggest(bought())
    return item["model_id"] if item["source"] == "model" else "rules"


@pytest.mark.parametrize(("stable", "instead"), [(STABLE, STABLE), (None, "rules")])
async def test_after_the_timeout_the_stable_run_or_the_rules_answer_until_the_operator_asks(
    mounted: Mounted, clock: FakeClock, stable: str | None, instead: str
) -> None:
    mounted.route(routing(5, percent=100, stable=stable, supervision=HOUR))
    async with running(mounted, REGISTRY, clock=clock) as pod:
        clock.advance(HOUR - 1)
        assert await answered_by(pod) == CANDIDATE
        clock.advance(1)
        assert await answered_by(pod) == instead
        assert await pod.count("serin_unsupervised") == 1
        assert await pod.count("serin_operator_silence_seconds") == HOUR
        status = (await pod.client.get("/ml/status")).json()
        assert (status["unsupervised"], status["percent"]) == (True, 0.0)
        clock.advance(600)
        assert (await ask(pod)).supervision == SupervisionReport(
            silence_seconds=HOUR + 600, is_lapsed=True, lapsed_seconds=600
        )
        assert await answered_by(pod) == CANDIDATE
        assert await pod.count("serin_unsupervised") == 0
        clock.advance(30)
        assert (await ask(pod)).supervision == SupervisionReport(silence_seconds=30, lapsed_seconds=600)


async def test_what_was_served_is_counted(mounted: Mounted, clock: FakeClock) -> None:
    mounted.route(routing(5, percent=100, stable=STABLE, supervision=HOUR))
    async with running(mounted, REGISTRY, clock=clock) as pod:
        await answered_by(pod)
        clock.advance(2 * HOUR)
        await answered_by(pod)
        stage = {"serin_run": CANDIDATE, "serin_stage": "5"}
        assert await pod.count("lm_ml_predictions_total", serin_arm="canary", **stage) == 1
        assert await pod.count("lm_ml_predictions_total", serin_arm="control", accepted="False", **stage) == 1
        assert await pod.count("lm_ml_fallback_total", serin_arm="control", reason="not_in_canary", **stage) == 1


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a user's curl"),
        pytest.param({"User-Agent": "kube-probe/1.34"}, id="a probe"),
        pytest.param({names.SUPERVISION_HEADER: ""}, id="an empty header"),
        pytest.param({names.SUPERVISION_HEADER: "another-uid"}, id="an operator that looks for another resource"),
    ],
)
async def test_nobody_but_the_operator_of_this_resource_counts(
    mounted: Mounted, clock: FakeClock, headers: dict[str, str]
) -> None:
    mounted.route(routing(5, percent=100, stable=STABLE, supervision=HOUR))
    async with running(mounted, REGISTRY, clock=clock) as pod:
        for _ in range(4):
            clock.advance(HOUR / 4)
            await ask(pod, headers)
            for path in ("/metrics", "/healthz", "/readyz"):
                await pod.client.get(path, headers=OPERATOR)
        assert await answered_by(pod) == STABLE


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(routing(5, percent=None, stable=CANDIDATE), id="a promoted run"),
        pytest.param(routing(5, percent=100, supervision=None), id="switched off, or an operator of before"),
    ],
)
async def test_without_a_watched_candidate_nothing_falls_back(mounted: Mounted, clock: FakeClock, document) -> None:
    mounted.route(document)
    async with running(mounted, REGISTRY, clock=clock) as pod:
        clock.advance(1000 * HOUR)
        assert await answered_by(pod) == CANDIDATE
        assert await pod.count("serin_unsupervised") == 0


async def test_in_shadow_there_is_nothing_to_withdraw(mounted: Mounted, clock: FakeClock) -> None:
    mounted.route(routing(5, percent=0, supervision=HOUR))
    async with running(mounted, REGISTRY, clock=clock) as pod:
        clock.advance(2 * HOUR)
        await answered_by(pod)
        assert await pod.count("serin_unsupervised") == 0
        assert (await ask(pod)).supervision.lapsed_seconds == 0
        assert await pod.count("lm_suggest_compare_total") == 1


async def test_all_processes_of_a_pod_agree_although_one_is_asked(mounted: Mounted, clock: FakeClock) -> None:
    mounted.route(routing(5, percent=100, stable=STABLE, supervision=HOUR))
    async with running(mounted, REGISTRY, clock=clock) as one:
        clock.advance(HOUR / 2)
        async with running(mounted, REGISTRY, clock=clock) as two:
            both = (one, two)
            clock.advance(HOUR / 2)
            # The second process started later; the pod did not.
            assert [await answered_by(pod) for pod in both] == [STABLE, STABLE]
            clock.advance(60)
            assert (await ask(one)).supervision.lapsed_seconds == 60
            assert [await answered_by(pod) for pod in both] == [CANDIDATE, CANDIDATE]
            # One lapse, whichever process reports it.
            assert (await ask(two)).supervision.lapsed_seconds == 60
            clock.advance(HOUR - 1)
            assert [await answered_by(pod) for pod in both] == [CANDIDATE, CANDIDATE]
            clock.advance(1)
            assert [await answered_by(pod) for pod in both] == [STABLE, STABLE]


async def test_a_restarted_container_does_not_start_the_time_again(mounted: Mounted, clock: FakeClock) -> None:
    mounted.route(routing(5, percent=100, stable=STABLE, supervision=HOUR))
    for _ in range(4):
        async with running(mounted, REGISTRY, clock=clock) as pod:
            clock.advance(HOUR / 4)
            await pod.service.watcher.check()
    async with running(mounted, REGISTRY, clock=clock) as pod:
        assert await answered_by(pod) == STABLE


async def test_a_state_directory_that_cannot_be_written_is_no_reason_to_stop(
    mounted: Mounted, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    mounted.route(routing(5, percent=100, stable=STABLE, supervision=HOUR))
    state = mounted.root / "state"
    state.rmdir()
    state.write_text("a file")
    async with running(mounted, REGISTRY, clock=clock) as pod:
        for _ in range(3):
            clock.advance(HOUR / 2)
            await ask(pod)
        assert await answered_by(pod) == CANDIDATE
        clock.advance(HOUR)
        assert await answered_by(pod) == STABLE
    warned = [line for line in caplog.messages if "other processes of this pod do not see it" in line]
    assert len(warned) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        json.dumps({"boot": "mine", "heard": "soon", "lapsed": 0}),
        json.dumps({"boot": "mine", "heard": 50.0}),
        '{"boot": "mine", "heard": NaN, "lapsed": 0}',
        json.dumps({"boot": "mine", "heard": 50.0, "lapsed": -1}),
        pytest.param(json.dumps({"boot": "mine", "heard": 101.0, "lapsed": 0}), id="later than now"),
        pytest.param(json.dumps({"boot": "another", "heard": 50.0, "lapsed": 0}), id="of an earlier boot of the node"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "supervision").write_text(text)
    shared = SharedRecord(tmp_path, "mine")
    assert shared.read(now=100.0) is None
    shared.write(Record(99.0, 3.0))
    assert shared.read(now=100.0) == Record(99.0, 3.0)
    assert [path.name for path in tmp_path.iterdir()] == ["supervision"]


def test_the_boot_of_the_node_has_a_name_that_stays() -> None:
    assert boot_id() == boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
