import asyncio
import json
import logging
import os

import pytest
from server.fakes import CANDIDATE, FakeRun, Mounted, routing

from serin_server.metrics.counters import Counters, Refusal
from serin_server.routing.mounted_files import PodFiles, SeenRevision
from serin_server.routing.routing_watcher import RoutingWatcher, Source
from serin_server.routing.serving_state import Switch
from serin_server.runs.predictor import Loaded

pytestmark = pytest.mark.anyio


class Pod:
    """A watcher and what it follows; starting another one on the same directories is a restart."""

    def __init__(self, mounted: Mounted) -> None:
        self.mounted, self.counters = mounted, Counters()
        self.switch = Switch(self.counters)
        self.switch.set_runs({CANDIDATE: Loaded(FakeRun())})
        self.watcher = RoutingWatcher(
            PodFiles(mounted.root / "routing", mounted.root / "pod"),
            source=Source("6a1f0c1e-0000-4000-8000-000000000001"),
            seen=SeenRevision(mounted.root / "state"),
            switch=self.switch,
            counters=self.counters,
        )

    async def serves(self) -> int:
        await self.watcher.check()
        return self.switch.current.revision


async def test_a_document_is_served_with_its_hash(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(3, percent=10))
    assert await pod.serves() == 3
    assert pod.switch.current.hash == routing(3, percent=10).hash()
    assert pod.switch.current.percent == 10


async def test_without_a_document_rules_answer(mounted: Mounted) -> None:
    pod = Pod(mounted)
    assert await pod.serves() == -1
    assert pod.switch.current.candidate is None


@pytest.mark.parametrize("announce", [None, 2], ids=["not announced", "announced later than written"])
async def test_a_document_that_may_be_stale_gives_the_candidate_nobody(mounted: Mounted, announce: int | None) -> None:
    pod = Pod(mounted)
    mounted.write("routing", {"routing.json": routing(1, percent=50).text()})
    if announce is not None:
        mounted.announce(announce)
    assert await pod.serves() == 1
    assert pod.switch.current.percent == 0
    mounted.announce(1)
    await pod.serves()
    assert pod.switch.current.percent == 50


async def test_a_lower_revision_is_ignored_also_after_a_restart(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5))
    assert await pod.serves() == 5
    mounted.route(routing(4))
    assert await pod.serves() == 5
    assert pod.counters.refused[Refusal.LOWER_REVISION] == 1
    restarted = Pod(mounted)
    assert await restarted.serves() == -1
    mounted.route(routing(5))
    assert await restarted.serves() == 5


async def test_a_revision_that_no_operator_can_have_written_is_forgotten(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5))
    await pod.serves()
    mounted.route(routing(10**15), announce=5)
    assert await pod.serves() == 10**15
    restarted = Pod(mounted)
    mounted.route(routing(6), announce=6)
    assert await pod.serves() == await restarted.serves() == 6
    mounted.route(routing(5), announce=6)
    assert await pod.serves() == 6
    assert await Pod(mounted).serves() == -1


async def test_a_kept_revision_that_is_out_of_reach_is_forgotten_once_one_is_announced(mounted: Mounted) -> None:
    (mounted.root / "state" / "revision").write_text(str(10**15))
    pod = Pod(mounted)
    mounted.write("routing", {"routing.json": routing(5, percent=50).text()})
    assert await pod.serves() == -1
    mounted.announce(5)
    assert await pod.serves() == 5
    assert pod.switch.current.percent == 50
    assert (mounted.root / "state" / "revision").read_text() == "5"


async def test_a_document_of_another_resource_is_ignored(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, uid="another"))
    assert await pod.serves() == -1
    assert pod.counters.refused[Refusal.OTHER_UID] == 1


@pytest.mark.parametrize("text", ["", "{", '{"uid": 1}', "\x00\xff"])
async def test_an_unreadable_document_keeps_the_last_good_one_and_is_said_once(
    mounted: Mounted, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5))
    await pod.serves()
    mounted.write("routing", {"routing.json": text})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await pod.serves() == 5
    assert pod.counters.refused[Refusal.UNREADABLE] == 1
    assert len(caplog.records) == 1
    assert "\n" not in caplog.records[0].getMessage()


async def test_a_document_of_a_newer_version_keeps_the_last_good_one_and_is_said_once(
    mounted: Mounted, caplog: pytest.LogCaptureFixture
) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    newer = json.loads(routing(6, percent=10).text()) | {"version": 2, "colour": "red"}
    mounted.write("routing", {"routing.json": json.dumps(newer)})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await pod.serves() == 5
    assert pod.switch.current.percent == 50
    assert pod.counters.refused[Refusal.NEWER_VERSION] == 1
    (record,) = caplog.records
    assert record.getMessage() == (
        "routing document rejected, the current one stays in use: the routing document has format version 2, which a "
        "newer version of Serin wrote; this one reads version 1 and changes nothing: run that version here, too"
    )
    assert pod.watcher.refusal == record.getMessage().partition(": ")[2]
    mounted.route(routing(7))
    assert await pod.serves() == 7
    assert pod.watcher.refusal == ""


async def test_a_document_that_vanishes_keeps_the_last_good_one(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5))
    await pod.serves()
    (mounted.root / "routing" / "..data").unlink()
    assert await pod.serves() == 5


async def test_a_rollback_is_served_also_where_its_revision_cannot_be_kept(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    (mounted.root / "state" / "revision").unlink()
    (mounted.root / "state").rmdir()
    (mounted.root / "state").write_text("a file where a directory should be")
    mounted.route(routing(6, percent=None))
    assert await pod.serves() == 6
    mounted.route(routing(5))
    assert await pod.serves() == 6


async def test_the_same_document_again_swaps_nothing(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5))
    await pod.serves()
    before = pod.switch.current
    await pod.serves()
    assert pod.switch.current is before


PERCENTS = ['"10"', '"10%"', '"ten"', "200", "-1", "NaN", "1e999", "null", "true", "[10]", "100.0001"]


@pytest.mark.parametrize("percent", PERCENTS)
async def test_a_share_that_is_none_is_refused_and_the_one_in_use_stays(mounted: Mounted, percent: str) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    text = routing(6, percent=50).text()
    assert '"percent":50.0' in text
    mounted.write("routing", {"routing.json": text.replace('"percent":50.0', f'"percent":{percent}')})
    assert await pod.serves() == 5
    assert pod.switch.current.percent == 50
    assert pod.counters.refused[Refusal.UNREADABLE] == 1


@pytest.mark.parametrize(
    ("found", "written"),
    [
        ('"shadow":true', '"shadow":"yes"'),
        ('"shadow":true', '"shadow":true,"colour":"red"'),
        ('"stage":6', '"stage":"6"'),
        ('"stage":6', '"stage":6.5'),
        ('"revision":6', '"revision":-6'),
        ('"revision":6', '"revision":' + "9" * 5000),
        ('"calibration":true', '"calibration":1'),
        ('"default":0.7', '"default":"0.7"'),
        ('"default":0.7', '"default":7'),
        ('"digest":"sha256:', '"digest":"md5:'),
        ('"salt":"salt",', ""),
        ('"salt":"salt"', '"salt":' + "[" * 10_000 + "]" * 10_000),
    ],
)
async def test_unknown_keys_and_values_are_refused(mounted: Mounted, found: str, written: str) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    text = routing(6, percent=50).text()
    assert found in text
    mounted.write("routing", {"routing.json": text.replace(found, written, 1)})
    assert await pod.serves() == 5
    assert pod.counters.refused[Refusal.UNREADABLE] == 1


async def test_a_document_that_is_half_written_anywhere_is_refused_until_it_is_whole(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    text = routing(6, percent=10).text()
    for length in range(0, len(text), 7):
        mounted.write("routing", {"routing.json": text[:length]})
        assert await pod.serves() == 5
        assert pod.switch.current.percent == 50
    mounted.route(routing(6, percent=10))
    assert await pod.serves() == 6


async def test_a_directory_that_is_gone_keeps_what_is_served_and_is_followed_when_it_is_back(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    (mounted.root / "routing").rename(mounted.root / "elsewhere")
    assert await pod.serves() == 5
    (mounted.root / "elsewhere").rename(mounted.root / "routing")
    mounted.route(routing(6, percent=10))
    assert await pod.serves() == 6


async def test_a_pipe_in_the_documents_place_is_never_waited_for(mounted: Mounted) -> None:
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    await pod.serves()
    (mounted.root / "routing" / "..data" / "routing.json").unlink()
    os.mkfifo(mounted.root / "routing" / "..data" / "routing.json")
    assert await asyncio.wait_for(pod.serves(), 5) == 5


@pytest.mark.parametrize("kept", ["", "five", "-7", "5.5", "\x00", "9" * 5000, "9" * 20, str(2**53)])
async def test_a_kept_revision_that_is_damaged_is_taken_for_none(mounted: Mounted, kept: str) -> None:
    (mounted.root / "state" / "revision").write_text(kept)
    pod = Pod(mounted)
    mounted.route(routing(5, percent=50))
    assert await pod.serves() == 5
