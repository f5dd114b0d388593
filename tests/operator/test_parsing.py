"""What is parsed again, and what is not."""

import asyncio
import copy
import threading

import pytest
from memory_cluster import KEY, SPEC, MemoryCluster, reconciler

from serin_core.api.status import Phase, Status
from serin_core.contract import names
from serin_core.contract.documents import DocumentError
from serin_core.kubernetes.inputs import RulesMissing, RulesText
from serin_operator.invalid import InvalidObjectError
from serin_operator.parsing import Parser, parse

RULES = "classes: {Dining: [cafe]}"


def live(*, generation=1, version="1", uid="u", status=None, **changes):
    metadata = {"namespace": KEY.namespace, "name": KEY.name, "uid": uid}
    metadata |= {"generation": generation, "resourceVersion": version}
    return {"metadata": metadata, "spec": copy.deepcopy(SPEC) | changes, "status": status or {"phase": "Pending"}}


def test_a_spec_is_parsed_once_for_each_generation_and_a_status_for_each_version():
    parser = Parser()
    first = parser.resource(live())
    assert first == parse(live())
    second = parser.resource(live(version="2", status={"phase": "Shadow"}))
    assert second.spec is first.spec
    assert (second.status.phase, second.resource_version) == ("Shadow", "2")
    third = parser.resource(live(version="3", generation=2, runID="run_bbbbbbbb_2"))
    assert third.spec.run_id == "run_bbbbbbbb_2"
    assert parser.resource(live(version="3", generation=2, runID="run_bbbbbbbb_2")).status is third.status


def test_a_namesake_with_the_same_generation_is_another_resource():
    parser = Parser()
    parser.resource(live())
    assert parser.resource(live(uid="v", runID="run_bbbbbbbb_2")).spec.run_id == "run_bbbbbbbb_2"


def test_a_status_that_was_kept_is_that_of_its_version_only():
    parser, written = Parser(), Status(phase=Phase.CANARY)
    parser.keep_status(live(version="2"), written)
    assert parser.resource(live(version="2", status={"phase": "Canary"})).status is written
    assert parser.resource(live(version="3", status={"phase": "Shadow"})).status.phase == "Shadow"
    parser.keep_status(live(version="4"), written)
    assert parser.resource(live(version="4", uid="v", status={"phase": "Shadow"})).status.phase == "Shadow"


@pytest.mark.parametrize("is_changed", [False, True], ids=["as sent", "changed by the API server"])
def test_what_a_pass_has_written_is_parsed_only_if_the_api_server_changed_it(is_changed, monkeypatch):
    class Changing(MemoryCluster):
        async def put_status(self, namespace, name, status, resource_version):
            changed = status | ({"observedGeneration": 77} if is_changed else {})
            return await super().put_status(namespace, name, changed, resource_version)

    cluster, parsed = Changing(), []
    validate = Status.model_validate
    monkeypatch.setattr(Status, "model_validate", lambda found: parsed.append(found) or validate(found))

    async def passes():
        mine = reconciler(cluster)
        for _ in range(5):
            await mine.reconcile(KEY)
        return mine._gatherer.parse(cluster.objects[names.KIND, KEY.namespace, KEY.name])

    found = asyncio.run(passes())
    assert bool(parsed) is is_changed
    monkeypatch.undo()
    assert found == parse(cluster.objects[names.KIND, KEY.namespace, KEY.name])
    assert (found.status.observed_generation == 77) is is_changed


def test_what_cannot_be_parsed_is_an_error_each_time_and_replaces_nothing():
    parser = Parser()
    spec = parser.resource(live()).spec
    for _ in range(2):
        with pytest.raises(InvalidObjectError):
            parser.resource(live(generation=2, version="2", canary={"percent": "all"}))
    assert parser.resource(live()).spec is spec


def test_rules_are_checked_again_only_if_their_text_changes(monkeypatch):
    parser, parsed = Parser(), []
    monkeypatch.setattr("serin_operator.parsing.load_yaml", lambda text: parsed.append(text) or {"classes": {}})
    assert parser.rules(KEY, RULES, "here") == RulesText(RULES)
    assert parser.rules(KEY, RULES, "here") == RulesText(RULES)
    assert parsed == [RULES]
    parser.rules(KEY, "other", "here")
    parser.forget(KEY)
    parser.rules(KEY, "other", "here")
    assert parsed == [RULES, "other", "other"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("classes: {Dining: [2026-99-99]}", id="no day"),
        pytest.param("[" * 50_000, id="nested deep"),
        pytest.param("a: &a [*a]", id="in itself"),
        pytest.param(f"classes: {{Dining: ['{'!' * 500_000}']}}", id="a long keyword without a word"),
        pytest.param(f"classes: {{{'x' * 500_000}: []}}", id="a long class"),
        pytest.param(f"a: !{'x' * 500_000} b", id="a long tag"),
    ],
)
def test_rules_that_cannot_be_read_are_a_short_condition(text):
    found = Parser().rules(KEY, text, "here")
    assert isinstance(found, RulesMissing)
    assert len(found.reason) < 600


def test_long_rules_are_parsed_beside_everything_else(monkeypatch):
    parsing_threads = []
    monkeypatch.setattr(
        "serin_operator.parsing.load_yaml",
        lambda text: parsing_threads.append(threading.current_thread()) or {"classes": {}},
    )
    for text in (RULES, RULES + "#" * 40_000):
        cluster = MemoryCluster()
        cluster.objects[names.KIND, KEY.namespace, KEY.name]["spec"]["server"]["rules"] = {"configMapName": "rules"}
        metadata = {"namespace": KEY.namespace, "name": "rules", "uid": "r", "resourceVersion": "1"}
        cluster.objects["ConfigMap", KEY.namespace, "rules"] = {
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {names.RULES_KEY: text},
        }
        asyncio.run(reconciler(cluster).reconcile(KEY))
    assert [one is threading.main_thread() for one in parsing_threads] == [True, False]


def test_wrong_rules_name_their_place_also_after_it_has_changed():
    parser = Parser()
    assert isinstance(parser.rules(KEY, "none", "ConfigMap a"), RulesMissing)
    assert parser.rules(KEY, "none", "ConfigMap b").reason.startswith("ConfigMap b: ")


def test_a_routing_that_cannot_be_read_is_an_error_each_time():
    parser = Parser()
    for _ in range(2):
        with pytest.raises(DocumentError):
            parser.routing(KEY, "{}")
