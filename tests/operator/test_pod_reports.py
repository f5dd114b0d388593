"""Reports of pods in virtual time: how long a pass waits for pods that are slow, and what becomes of late reports."""

import asyncio
import socket
import time

import pytest
import virtual_time

from serin_core.contract.pod_report import PodReport, RunOnPod, RunQuality
from serin_core.contract.pushed_routing import PushedRouting
from serin_core.rollout.observation import NoAnswer
from serin_operator.interfaces import PodQuestion
from serin_operator.pod_client import MAX_REQUESTS, PodClient
from serin_operator.pod_reports import MAX_KNOWN, PATIENCE, TIMEOUT, PodReports

TIMED_OUT = NoAnswer("no response within 2 s")
AWAITED = NoAnswer("no response within 2 s; asked again, no response yet")
NEVER = 3600.0


def report(number=0):
    return PodReport(uid="u", process="p", revision=number)


class Pods:
    """Pods by address: each takes some seconds, and then returns its number of requests as the revision."""

    def __init__(self, **seconds):
        self.seconds, self.asked, self.open, self.most_open = seconds, [], 0, 0
        self.error = None

    async def fetch_report(self, question):
        self.asked.append(question.address)
        number = self.asked.count(question.address)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(self.seconds[question.address])
        finally:
            self.open -= 1
        if self.error:
            raise self.error
        return report(number)


class Scene:
    def __init__(self, **seconds):
        self.pods, self.queued = Pods(**seconds), []
        self.reports = PodReports(self.pods, enqueue=self.queued.append)

    async def look(self, *pods, key="model"):
        """Return what a pass gets, and how long it took."""
        began = asyncio.get_running_loop().time()
        asked = {pod: PodQuestion(address=pod, scheme="http", uid="u") for pod in pods or self.pods.seconds}
        found = await self.reports.read(key, asked)
        return found, pytest.approx(asyncio.get_running_loop().time() - began)


def play(scenario, **seconds):
    async def run():
        scene = Scene(**seconds)
        try:
            await scenario(scene)
        finally:
            await scene.reports.close()
        assert scene.pods.open == 0

    virtual_time.run(run())


def test_a_pass_waits_for_pods_that_respond():
    async def scenario(scene):
        for number in (1, 2, 3):
            assert await scene.look() == ({"fast": report(number), "slow": report(number)}, 1.9)
        assert scene.queued == []

    play(scenario, fast=0.01, slow=1.9)


def test_a_frozen_pod_delays_the_first_pass_and_no_other():
    async def scenario(scene):
        assert await scene.look() == ({"a": report(1), "frozen": TIMED_OUT}, TIMEOUT)
        for number in range(2, 30):
            assert await scene.look() == ({"a": report(number), "frozen": AWAITED}, PATIENCE)
        # It was asked again only when the request before had ended.
        assert scene.pods.asked.count("frozen") == 1 + 28 * PATIENCE // TIMEOUT + 1
        assert scene.queued == []

    play(scenario, a=0.01, frozen=NEVER)


def test_a_frozen_pod_of_one_resource_delays_no_other_resource():
    async def scenario(scene):
        (_, first), (_, second) = await asyncio.gather(scene.look("frozen", key="x"), scene.look("a", key="y"))
        assert (first, second) == (TIMEOUT, 0.01)

    play(scenario, a=0.01, frozen=NEVER)


def test_a_report_that_arrives_late_queues_the_resource_and_counts_for_no_pass():
    async def scenario(scene):
        await scene.look()
        scene.pods.seconds["pod"] = 1.0
        assert await scene.look() == ({"pod": AWAITED}, PATIENCE)
        assert scene.queued == []
        await asyncio.sleep(1)
        assert scene.queued == ["model"]
        # The pass that follows asks by itself, and waits as long as for any pod that responds.
        assert await scene.look() == ({"pod": report(3)}, 1.0)
        assert scene.queued == ["model"]

    play(scenario, pod=NEVER)


def test_a_pass_that_begins_while_a_request_is_under_way_does_not_use_its_report():
    async def scenario(scene):
        await scene.look()
        scene.pods.seconds["pod"] = 0.3
        assert (await scene.look())[0] == {"pod": AWAITED}
        # The report of the second request arrives after 0.1 s; that of the third one is the one of this pass.
        assert await scene.look() == ({"pod": report(3)}, 0.4)

    play(scenario, pod=NEVER)


def test_a_pod_that_refuses_connections_is_asked_again_by_every_pass():
    class Refusing:
        async def fetch_report(self, question):
            return NoAnswer("connection refused")

    async def scenario(scene):
        scene.reports = PodReports(Refusing(), enqueue=scene.queued.append)
        for _ in range(3):
            assert await scene.look() == ({"pod": NoAnswer("connection refused")}, 0)
        assert scene.queued == []

    play(scenario, pod=0)


def test_a_bug_is_no_report_and_is_not_taken_for_the_last_one(caplog):
    async def scenario(scene):
        await scene.look()
        scene.pods.error = RuntimeError("no such thing")
        assert (await scene.look())[0] == {"pod": NoAnswer("its report cannot be read: RuntimeError")}

    play(scenario, pod=0.01)
    assert "no such thing" in caplog.text


@pytest.mark.parametrize("ends", ["pod", "resource"])
def test_the_request_to_a_pod_that_is_gone_is_cancelled_and_the_pod_is_forgotten(ends):
    async def scenario(scene):
        await scene.look("a", "frozen")
        await scene.look("a", "frozen")
        assert scene.pods.open == 1
        if ends == "pod":
            await scene.look("a")
        else:
            scene.reports.forget("model")
        await asyncio.sleep(0)
        assert scene.pods.open == 0
        # A pod of this uid would be a new one.
        assert await scene.look("frozen") == ({"frozen": TIMED_OUT}, TIMEOUT)

    play(scenario, a=0.01, frozen=NEVER)


def test_two_hundred_frozen_pods_take_as_long_as_one():
    async def scenario(scene):
        assert (await scene.look())[1] == TIMEOUT
        for _ in range(20):
            assert (await scene.look())[1] == PATIENCE
        assert scene.pods.most_open == 200

    play(scenario, **{f"pod-{number}": NEVER for number in range(200)})


def test_a_thousand_resources_with_a_frozen_pod_each_are_looked_at_in_time():
    """Four workers, as the operator has: 50 s instead of 500 s."""

    async def scenario(scene):
        keys = [f"model-{number}" for number in range(1000)]
        await asyncio.gather(*(scene.look(key=key) for key in keys))
        await asyncio.sleep(0)
        scene.pods.most_open, began = 0, asyncio.get_running_loop().time()

        async def worker(mine):
            for key in mine:
                await scene.look(key=key)

        await asyncio.gather(*(worker(keys[start::4]) for start in range(4)))
        assert asyncio.get_running_loop().time() - began == pytest.approx(250 * PATIENCE)
        assert scene.pods.most_open < MAX_REQUESTS / 10
        assert scene.queued == []

    play(scenario, a=0.01, frozen=NEVER)


QUALITY = RunQuality(f1_macro=0.8, f1_min=0.6, classes=("Dining", "Groceries"))


def with_runs(*digests):
    runs = tuple(RunOnPod(run=f"run_{one}", state="loaded", digest=one, quality=QUALITY) for one in digests)
    return PodReport(uid="u", process="p", runs=runs)


class Loaded:
    """Pods with runs, by address; each leaves out the quality that the operator has, unless its server is older."""

    def __init__(self, *, is_older=False, **reports):
        self.reports, self.is_older, self.known = reports, is_older, []

    async def fetch_report(self, question):
        found = self.reports[question.address]
        self.known.append(set(question.known_digests))
        if isinstance(found, NoAnswer) or self.is_older:
            return found
        return found.without_quality(question.known_digests)


def looks(pods, number):
    async def scenario():
        reports = PodReports(pods, enqueue=print)
        asked = {one: PodQuestion(address=one, scheme="http", uid="u") for one in pods.reports}
        return [await reports.read("model", asked) for _ in range(number)]

    return virtual_time.run(scenario())


@pytest.mark.parametrize("is_older", [False, True])
def test_pods_report_the_quality_of_a_run_once_and_every_pass_has_it(is_older):
    pods = Loaded(a=with_runs("x", "y"), b=with_runs("x"), is_older=is_older)
    for found in looks(pods, 3):
        assert found == pods.reports
    assert pods.known == [set(), set(), *[{"x", "y"}] * 4]


def test_the_quality_of_a_run_that_no_pod_has_any_more_is_forgotten():
    pods = Loaded(a=with_runs("x", "y"))

    async def scenario():
        reports = PodReports(pods, enqueue=print)
        asked = {"a": PodQuestion(address="a", scheme="http", uid="u")}
        await reports.read("model", asked)
        pods.reports["a"] = with_runs("y", "z")
        for _ in range(2):
            assert await reports.read("model", asked) == pods.reports

    virtual_time.run(scenario())
    assert pods.known == [set(), {"x", "y"}, {"y", "z"}]


def test_the_quality_that_is_kept_while_a_pod_does_not_respond_is_bounded():
    pods = Loaded(a=with_runs(), silent=NoAnswer("refused"))

    async def scenario():
        reports = PodReports(pods, enqueue=print)
        asked = {one: PodQuestion(address=one, scheme="http", uid="u") for one in pods.reports}
        for number in range(3 * MAX_KNOWN):
            pods.reports["a"] = with_runs(f"{number}", f"{number + 1}")
            assert await reports.read("model", asked) == pods.reports

    virtual_time.run(scenario())
    assert max(map(len, pods.known)) == MAX_KNOWN


def test_a_run_without_a_readable_report_has_no_quality():
    (run,) = with_runs("x").runs
    pods = Loaded(a=PodReport(uid="u", process="p", runs=(run.model_copy(update={"quality": None}),)))
    assert looks(pods, 2) == [pods.reports] * 2
    assert pods.known == [set(), set()]


def test_a_pod_that_accepts_and_never_responds_on_a_real_socket():
    async def scenario():
        pods, queued = PodClient(), []
        reports = PodReports(pods, enqueue=queued.append)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            question = PodQuestion(address="127.0.0.1", scheme="http", uid="u", port=silent.getsockname()[1])
            found = [await reports.read("model", {"pod": question})]
            began = time.monotonic()
            found.append(await reports.read("model", {"pod": question}))
            took = time.monotonic() - began
            await reports.close()
            await pods.close()
        return found, took, queued

    found, took, queued = asyncio.run(scenario())
    assert found == [{"pod": TIMED_OUT}, {"pod": AWAITED}]
    assert took < TIMEOUT
    assert queued == []


def test_a_server_that_knows_no_pushes_is_sent_one_once_and_again_only_when_its_report_has_the_key():
    push, sent = PushedRouting.of("text", bytes(64)), []

    class Servers:
        key = ""

        async def fetch_report(self, question):
            sent.append(question.push)
            return PodReport(uid="u", process="p", routing_key=self.key)

    async def scenario():
        servers = Servers()
        reports = PodReports(servers, enqueue=print)
        asked = {"a": PodQuestion(address="a", scheme="http", uid="u", push=push, key_id="k")}
        for key in ("", "", "k", "k"):
            servers.key = key
            await reports.read("model", asked)
        assert sent == [push, None, None, push]
        await reports.read("model", {})
        await reports.read("model", asked)
        assert sent[-1] is push  # forgotten with the pod
        await reports.close()

    virtual_time.run(scenario())
