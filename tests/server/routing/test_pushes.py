"""Routing that the operator sends to a pod: applied like a mounted one, kept, and only with its signature."""

import json
import logging

import pytest
from server.fakes import CANDIDATE, UID, FakeOperator, FakeRun, Mounted, routing

from serin_core.contract.pushed_routing import PushedRouting, key_id
from serin_server.metrics.counters import Counters, Refusal
from serin_server.routing.mounted_files import PodFiles, SeenRevision
from serin_server.routing.routing_watcher import ForgedPushError, NoRoutingKeyError, RoutingWatcher, Source
from serin_server.routing.serving_state import Switch
from serin_server.runs.predictor import Loaded

pytestmark = pytest.mark.anyio
OPERATOR = FakeOperator()


class Process:
    """One process of a pod; another one on the same directories is beside it, or its container after a restart."""

    def __init__(self, mounted: Mounted, *, key: str = OPERATOR.public) -> None:
        self.counters = Counters()
        self.switch = Switch(self.counters)
        self.switch.set_runs({CANDIDATE: Loaded(FakeRun())})
        self.watcher = RoutingWatcher(
            PodFiles(mounted.root / "routing", mounted.root / "pod"),
            source=Source(UID, key),
            seen=SeenRevision(mounted.root / "state"),
            switch=self.switch,
            counters=self.counters,
        )

    async def serves(self) -> tuple[int, float]:
        """Return the revision and the percent after one look at the files."""
        await self.watcher.check()
        return self.switch.current.revision, self.switch.current.percent


async def test_a_push_is_served_at_once_and_a_stale_mount_does_not_return(mounted: Mounted) -> None:
    pod = Process(mounted)
    mounted.route(routing(5, percent=50))
    assert await pod.serves() == (5, 50)
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=0)))
    assert (pod.switch.current.revision, pod.switch.current.hash) == (6, routing(6, percent=0).hash())
    mounted.route(routing(5, percent=50))
    mounted.announce(4)
    assert await pod.serves() == (6, 0)
    mounted.route(routing(7, percent=10))
    assert await pod.serves() == (7, 10)


async def test_a_push_announces_its_own_revision(mounted: Mounted) -> None:
    pod = Process(mounted)
    mounted.write("routing", {"routing.json": routing(5, percent=10).text()})
    assert await pod.serves() == (5, 0)
    await pod.watcher.receive(OPERATOR.push(routing(5, percent=10)))
    assert await pod.serves() == (5, 10)
    mounted.announce(6)
    assert await pod.serves() == (5, 0)
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=20)))
    assert await pod.serves() == (6, 20)


async def test_a_push_before_anything_is_mounted_is_served(mounted: Mounted) -> None:
    pod = Process(mounted)
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=20)))
    assert await pod.serves() == (6, 20)


async def test_all_processes_of_a_pod_serve_it_and_the_container_after_a_restart(mounted: Mounted) -> None:
    one, two = Process(mounted), Process(mounted)
    mounted.route(routing(5, percent=50))
    assert await one.serves() == await two.serves() == (5, 50)
    await one.watcher.receive(OPERATOR.push(routing(6, percent=10)))
    assert await two.serves() == (6, 10)
    restarted = Process(mounted)
    assert await restarted.serves() == (6, 10)
    assert restarted.counters.refused[Refusal.LOWER_REVISION] == 1  # the mounted one


async def test_an_older_push_that_another_process_receives_late_is_ignored(mounted: Mounted) -> None:
    one, two = Process(mounted), Process(mounted)
    mounted.route(routing(5, percent=50))
    assert await one.serves() == await two.serves() == (5, 50)
    await one.watcher.receive(OPERATOR.push(routing(7, percent=None)))
    await two.watcher.receive(OPERATOR.push(routing(6, percent=50)))
    for process in (one, two, Process(mounted)):
        assert await process.serves() == (7, 0)
    assert SeenRevision(mounted.root / "state").read() == 7


async def test_after_a_restart_a_newer_mount_takes_precedence_without_a_warning(
    mounted: Mounted, caplog: pytest.LogCaptureFixture
) -> None:
    pod = Process(mounted)
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=10)))
    mounted.route(routing(7, percent=20))
    assert await pod.serves() == (7, 20)
    restarted = Process(mounted)
    with caplog.at_level(logging.WARNING):
        assert await restarted.serves() == (7, 20)
    assert not caplog.records


async def test_an_older_push_is_ignored_also_after_a_restart(mounted: Mounted) -> None:
    pod = Process(mounted)
    old = OPERATOR.push(routing(5, percent=50))
    await pod.watcher.receive(old)
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=None)))
    for process in (pod, Process(mounted)):
        await process.serves()
        await process.watcher.receive(old)
        assert await process.serves() == (6, 0)
        assert process.counters.refused[Refusal.LOWER_REVISION] == 1


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda text: FakeOperator().push(text), id="by another key"),
        pytest.param(lambda text: PushedRouting.of(text, bytes(64)), id="without a signature"),
        pytest.param(
            lambda text: PushedRouting(document=text, signature=OPERATOR.push(text + " ").signature),
            id="of another text",
        ),
        pytest.param(
            lambda text: PushedRouting(document=text.replace("50.0", "99.0"), signature=OPERATOR.push(text).signature),
            id="changed afterwards",
        ),
    ],
)
async def test_what_the_operator_has_not_signed_is_refused_and_counted(mounted: Mounted, forge) -> None:
    pod = Process(mounted)
    mounted.route(routing(5, percent=10))
    await pod.serves()
    with pytest.raises(ForgedPushError, match="not signed by the operator"):
        await pod.watcher.receive(forge(routing(6, percent=50).text()))
    assert await pod.serves() == (5, 10)
    assert pod.counters.refused[Refusal.SIGNATURE] == 1
    assert not (mounted.root / "state" / "pushed.json").exists()


async def test_another_resource_and_a_text_that_is_no_routing_are_ignored(mounted: Mounted) -> None:
    pod = Process(mounted)
    mounted.route(routing(5, percent=10))
    await pod.serves()
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=50, uid="another")))
    await pod.watcher.receive(OPERATOR.push("{}"))
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=50).text().replace('"revision":6', '"revision":1e30')))
    assert await pod.serves() == (5, 10)
    assert pod.counters.refused[Refusal.OTHER_UID] == 1
    assert pod.counters.refused[Refusal.UNREADABLE] == 2


async def test_a_push_follows_a_revision_that_no_operator_can_have_written_once_one_was_announced(
    mounted: Mounted,
) -> None:
    pod = Process(mounted)
    await pod.watcher.receive(OPERATOR.push(routing(5, percent=10)))
    mounted.route(routing(10**15, percent=50), announce=5)
    assert (await pod.serves())[0] == 10**15
    restarted = Process(mounted)
    await restarted.serves()
    for process in (pod, restarted):
        await process.watcher.receive(OPERATOR.push(routing(6, percent=20)))
        assert await process.serves() == (6, 20)


async def test_without_a_key_nothing_is_accepted_and_what_was_kept_is_not_read(mounted: Mounted) -> None:
    await Process(mounted).watcher.receive(OPERATOR.push(routing(6, percent=50)))
    pod = Process(mounted, key="")
    with pytest.raises(NoRoutingKeyError, match="SERIN_ROUTING_KEY"):
        await pod.watcher.receive(OPERATOR.push(routing(7, percent=50)))
    assert await pod.serves() == (-1, 0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"document": "{}", "signature": "x"}'])
async def test_a_kept_push_that_is_damaged_is_none(mounted: Mounted, text: str) -> None:
    (mounted.root / "state" / "pushed.json").write_text(text)
    mounted.route(routing(5, percent=10))
    assert await Process(mounted).serves() == (5, 10)


async def test_a_kept_push_that_another_key_has_signed_is_none(mounted: Mounted) -> None:
    forged = FakeOperator().push(routing(9, percent=100))
    (mounted.root / "state" / "pushed.json").write_text(forged.model_dump_json())
    mounted.route(routing(5, percent=10))
    assert await Process(mounted).serves() == (5, 10)


async def test_a_push_is_served_also_where_it_cannot_be_kept(mounted: Mounted) -> None:
    pod = Process(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    for file in (mounted.root / "state").iterdir():
        file.unlink()
    (mounted.root / "state").rmdir()
    (mounted.root / "state").write_text("a file where a directory should be")
    await pod.watcher.receive(OPERATOR.push(routing(6, percent=None)))
    assert await pod.serves() == (6, 0)


async def test_the_same_push_again_changes_nothing_and_repairs_an_edit_in_place(mounted: Mounted) -> None:
    pod = Process(mounted)
    push = OPERATOR.push(routing(5, percent=10))
    await pod.watcher.receive(push)
    before = pod.switch.current
    await pod.watcher.receive(push)
    assert pod.switch.current is before
    mounted.route(routing(5, percent=99))
    assert await pod.serves() == (5, 99)
    await pod.watcher.receive(push)
    assert await pod.serves() == (5, 10)


def test_a_key_has_a_short_name() -> None:
    assert key_id("") == ""
    assert len(key_id(OPERATOR.public)) == 16
    assert key_id(OPERATOR.public) == key_id(OPERATOR.public + "\n") != key_id(FakeOperator().public)


def test_the_body_is_plain_json() -> None:
    text = OPERATOR.push(routing(5)).model_dump_json()
    assert set(json.loads(text)) == {"document", "signature"}


async def test_a_kept_push_of_a_newer_version_is_left_alone(mounted: Mounted) -> None:
    newer = OPERATOR.push(routing(9).text().replace("{", '{"version":99,', 1))
    (mounted.root / "state" / "pushed.json").write_text(newer.model_dump_json())
    mounted.route(routing(5, percent=10))
    pod = Process(mounted)
    assert await pod.serves() == (5, 10)
    for revision in (9, 9, 10):
        text = routing(revision).text().replace("{", '{"version":99,', 1)
        await pod.watcher.receive(OPERATOR.push(text))
    assert pod.counters.refused[Refusal.NEWER_VERSION] == 2, "each is rejected once, however often it is sent"
    assert "99" in pod.watcher.refusal
