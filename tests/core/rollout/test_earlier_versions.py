"""What earlier versions have written is read, and rollouts go on from it: nothing early, lost or twice.

tests/recorded has it, as the API server had it; record.py there says how it was made.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from models.starting import has_phase, new_world

from serin_core.api import packing
from serin_core.api.status import Status
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.contract.documents import ModelDocument, RoutingDocument

FILES = sorted((Path(__file__).parents[2] / "recorded").glob("*.json"))
MOMENTS = [(file.stem, one) for file in FILES for one in json.loads(file.read_text())]
each_moment = pytest.mark.parametrize(
    "moment", [one for _, one in MOMENTS], ids=[f"{when} {one['name']}" for when, one in MOMENTS]
)
ENDS = {"rolled back": "RolledBack"}
SOAK = timedelta(seconds=1)


def upgraded(moment):
    """Return a world in which an earlier version has got this far; its pods serve what it has decided."""
    world = new_world(moment["run"])
    world.uid, world.now = moment["uid"], datetime.fromisoformat(moment["now"])
    world.children = {(one["kind"], one["metadata"]["name"]): one for one in moment["children"]}
    world.version = max(int(one["metadata"]["resourceVersion"]) for one in moment["children"]) + 1000
    status = Status.model_validate(moment["status"])
    world.status, world.object_version = status, world._bump()
    if status.rollout is not None:
        candidate = status.rollout
        world.decided.add((world.uid, candidate.run_id, candidate.digest, candidate.served_percent))
    for run in (status.stable, status.previous, *status.earlier):
        if run is not None:
            world.promoted[world.uid, run.run_id] = run.digest
    for _ in range(3):
        world.kubelets()
        for pod in world.pods.values():
            pod.annotations[names.ANNOTATION_REVISION] = str(status.propagation.revision)
    assert all(pod.document and pod.document.hash() == status.propagation.hash for pod in world.pods.values())
    assert len(world.pods) == 2
    return world


def steps(world, since):
    """Return what has happened since then, without what only shows that pods were replaced."""
    return [entry.event for entry in world.status.history if entry.at > since and entry.event != "PodsReplaced"]


def soaked_fully(world):
    """Return whether no stage has ended before its soak was over."""
    started = None
    for entry in world.status.history:
        if entry.event in ("StageStarted", "PodsReplaced"):
            started = entry.at
        if entry.event in ("StepAdvanced", "Promoted") and (started is None or entry.at - started < SOAK):
            return False
    return True


def test_there_are_recorded_versions():
    assert len(FILES) >= 4
    assert {one["name"] for _, one in MOMENTS} == {"shadow", "canary", "promoted", "second canary", "rolled back"}


@each_moment
def test_every_document_is_read_and_is_the_one_that_status_has_decided(moment):
    status = Status.model_validate(moment["status"])
    texts = {key: text for one in moment["children"] for key, text in one.get("data", {}).items()}
    routing = RoutingDocument.parse(texts[names.ROUTING_KEY])
    assert routing.text() == texts[names.ROUTING_KEY]
    assert routing.hash() == status.propagation.hash
    assert ModelDocument.parse(texts[names.MODEL_KEY]).text() == texts[names.MODEL_KEY]


def without_additions(found, wanted):
    """Return `found` without the fields of objects that `wanted` does not have."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {key: without_additions(value, wanted[key]) for key, value in found.items() if key in wanted}
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return [without_additions(*pair) for pair in zip(found, wanted, strict=True)]
    return found


@each_moment
def test_nothing_that_the_earlier_version_knew_is_lost(moment):
    before = packing.expanded(moment["status"])
    after = packing.expanded(condensed(Status.model_validate(moment["status"])))
    assert without_additions(after, before) == before


@each_moment
def test_the_rollout_goes_on_where_it_was_and_ends_as_it_would_have(moment):
    world = upgraded(moment)
    since, before = world.now, world.status
    world.whole_pass(world.operators[0])
    assert world.status.propagation.revision - before.propagation.revision in (0, 1)
    world.settle(rounds=400, until=has_phase(ENDS.get(moment["name"], "Promoted")))
    world.settle(rounds=20)
    world.assert_ended()
    assert world.status.phase == ENDS.get(moment["name"], "Promoted")
    assert soaked_fully(world)
    found = steps(world, since)
    assert not {"RolloutStarted", "RolloutRetried", "RoutingReverted", "GateFailed", "CandidateCrashed"} & set(found)
    assert found.count("Promoted") == (0 if moment["name"] in ("promoted", "rolled back") else 1)


def written_by(earlier, status):
    """Return a status as an earlier version writes it after it has read it: without what it does not know."""
    known = [packing.expanded(one["status"]) for one in earlier]
    whole = packing.expanded(condensed(status))
    kept = {key: value for key, value in whole.items() if any(key in one for one in known)}
    if "candidate" in kept:
        fields = {field for one in known for field in one.get("candidate", {})}
        kept["candidate"] = {key: value for key, value in kept["candidate"].items() if key in fields}
    return Status.model_validate(kept)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_earlier_version_beside_this_one_loses_what_it_does_not_know_and_does_no_harm(file):
    earlier = json.loads(file.read_text())
    world = upgraded(earlier[0])
    since = world.now
    mine, other = world.operators
    for _ in range(400):
        world.whole_pass(mine)
        world.kubelets()
        world.tick(0.25)
        world.whole_pass(other)
        world.status = written_by(earlier, world.status)
        world.kubelets()
        world.tick(0.25)
        if has_phase("Promoted")(world):
            break
    world.settle(rounds=20)
    world.assert_ended()
    assert world.status.phase == "Promoted"
    assert soaked_fully(world)
    assert steps(world, since).count("Promoted") == 1
    assert not {"RolloutStarted", "RolloutRetried", "RoutingReverted"} & set(steps(world, since))
