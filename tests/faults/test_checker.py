"""A history that a storm has recorded breaks no promise; with one fault planted in it, the checker finds that one."""

import base64
import json
import zlib
from copy import deepcopy
from pathlib import Path

import pytest

from faults.checker import check
from faults.history import read

RECORDED = list(read(Path(__file__).parent / "sound.jsonl.gz"))


def _steps(content):
    """Steps of a record that no user requested, with the gates of the stage."""
    steps = (one for one in content["transitions"] if one["event"] == "StepAdvanced" and one["by"] == "operator")
    return [one for one in steps if one["gates"]]


class Planting:
    """A copy of the history, and what can be changed in it."""

    def __init__(self):
        self.records = deepcopy(RECORDED)

    def kind(self, *kinds):
        return [one for one in self.records if one["kind"] in kinds]

    def models(self):
        found = (one for one in self.kind("object") if one["of"] == "suggestionmodels" and one["type"] != "DELETED")
        return [one for one in found if "status" in one["object"]]

    def routings(self):
        edits = {one["version"] for one in self.kind("edited")}
        maps = (one for one in self.kind("object") if one["of"] == "configmaps" and one["type"] != "DELETED")
        found = (one for one in maps if one["object"]["metadata"]["name"].endswith("-routing"))
        return [one for one in found if one["object"]["metadata"]["resourceVersion"] not in edits]

    def trial(self):
        """The last content of a trial record that has a step with gates."""
        last = {
            one["object"]["metadata"]["name"]: one
            for one in self.kind("object")
            if one["of"] == "configmaps" and "trial.json" in one["object"].get("data", {})
        }
        return next(one for one in last.values() if _steps(json.loads(one["object"]["data"]["trial.json"])))

    def edit_status(self, record, change):
        packed = record["object"]["status"]["operatorState"]
        state = json.loads(zlib.decompress(base64.b64decode(packed)))
        result = change(state)
        packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
        record["object"]["status"]["operatorState"] = packed
        return result

    def edit_all(self, change):
        for one in self.models():
            self.edit_status(one, change)

    def edit_text(self, record, key, change):
        content = json.loads(record["object"]["data"][key])
        change(content)
        record["object"]["data"][key] = json.dumps(content, sort_keys=True, separators=(",", ":"))

    def specs(self):
        return [one["object"]["spec"] for one in self.kind("object") if one["of"] == "suggestionmodels"]

    def step(self):
        """The state with the first step that nobody requested."""
        seen = set()

        def entries(state):
            return [(one["at"], one["event"], one["by"]) for one in state.get("history", [])]

        for one in self.models():
            now = set(self.edit_status(one, entries))
            if any(event == "StepAdvanced" and by == "operator" for _, event, by in now - seen):
                return one
            seen |= now
        raise AssertionError

    def answer(self, holds):
        return next(one for one in self.kind("answered") if holds(one))


def in_shadow(record):
    return record["percent"] == 0 and record["run"].startswith("run_") and "canary" in record["arms"]


def soak_of_a_minute(planting):
    for spec in planting.specs():
        spec["canary"]["shadowSoak"] = "1m"


def another_step_in_between(planting):
    for spec in planting.specs():
        spec["canary"]["steps"].insert(0, {"percent": 10, "soak": "2s"})


def a_step_while_suspended(planting):
    planting.step()["object"]["spec"]["suspend"] = True


def a_step_that_needs_an_approval(planting):
    for spec in planting.specs():
        spec["canary"]["approval"] = "Manual"


def a_pod_that_never_confirmed(planting):
    step, process = planting.step(), planting.kind("started")[0]
    kinds = ("applied", "reported")
    first = [next(one for one in planting.kind(kind) if one["process"] == process["process"]) for kind in kinds]
    late = [one for one in planting.kind("applied", "reported") if one["process"] == process["process"]]
    gone = [one for one in late if one not in first and one["t"] < step["t"] + 60]
    planting.records = [one for one in planting.records if not any(one is other for other in gone)]


def a_step_on_no_counts(planting):
    for one in planting.kind("queried"):
        one["fault"] = "empty"


def an_answer_of_the_shadow(planting):
    record = planting.answer(lambda one: in_shadow(one) and "rules" in one["shown"])
    record["shown"] = {record["run"]: record["asked"]}


def another_percent_than_decided(planting):
    planting.answer(lambda one: one["percent"] == 25)["percent"] = 24.0


def a_user_who_moves(planting):
    record = planting.answer(lambda one: one["percent"] == 100 and one["panel"])
    record["panel"] = dict.fromkeys(record["panel"], 0)


def a_lost_answer(planting):
    planting.kind("answered")[3]["asked"] += 1


def counts_of_another_stage(planting):
    planting.answer(in_shadow)["stage"] += 1


def a_document_that_nobody_wrote(planting):
    planting.answer(in_shadow)["hash"] = "0" * 64


def an_answer_that_nobody_watches(planting):
    planting.answer(lambda one: one["percent"] == 25)["t"] += 4000


def an_answer_after_a_rollback(planting):
    def withdrawn(state):
        rollback = state.get("rollback") or {}
        return rollback["runID"] if "confirmedAt" in rollback else ""

    confirmed = next(one for one in planting.models() if planting.edit_status(one, withdrawn))
    uid, run = confirmed["object"]["metadata"]["uid"], planting.edit_status(confirmed, withdrawn)
    record = next(one for one in planting.kind("answered") if one["t"] > confirmed["t"] and one["uid"] == uid)
    record["shown"] = {run: record["asked"]}


def _with_counts(planting):
    for one in planting.models():
        if planting.edit_status(one, lambda state: (state.get("checkpoint") or {}).get("counts")):
            yield one


def one_more_than_was_counted(planting):
    def change(state):
        for counts in state["checkpoint"]["counts"].get("availability", {}).values():
            counts["good"] += 1
            counts["total"] += 1

    for one in _with_counts(planting):
        planting.edit_status(one, change)


def answers_that_are_not_counted(planting):
    for one in planting.kind("answered")[20:]:
        one["arms"]["control"] = {}


def counts_of_the_other_arm(planting):
    for one in planting.kind("answered"):
        one["arms"] = {"canary": one["arms"]["control"], "control": one["arms"]["canary"]}


def a_gate_that_counts_twice(planting):
    def change(state):
        for gate in state.get("gates", []):
            if gate["name"] == "errors" and "total" in gate:
                gate["total"] *= 2

    for one in _with_counts(planting):
        planting.edit_status(one, change)


def a_record_with_more_counts(planting):
    def change(content):
        _steps(content)[0]["gates"][0]["total"] += 1_000_000

    planting.edit_text(planting.trial(), "trial.json", change)


def a_step_without_a_pass(planting):
    def change(content):
        _steps(content)[0]["gates"][0]["verdict"] = "Inconclusive"

    planting.edit_text(planting.trial(), "trial.json", change)


def a_status_that_falls_back(planting):
    planting.edit_status(planting.models()[-1], lambda state: state["propagation"].update(revision=1))


def a_routing_that_falls_back(planting):
    planting.edit_text(planting.routings()[-1], "routing.json", lambda content: content.update(revision=0))


def two_documents_of_one_revision(planting):
    last, before = planting.routings()[-1], planting.routings()[-2]
    revision = json.loads(before["object"]["data"]["routing.json"])["revision"]
    planting.edit_text(last, "routing.json", lambda content: content.update(revision=revision))


def a_routing_that_nobody_decided(planting):
    def change(content):
        content["salt"] = "another"

    planting.edit_text(planting.routings()[-1], "routing.json", change)


def a_pod_that_goes_back(planting):
    applied = [one for one in planting.kind("applied") if one["revision"] > 3]
    applied[-1]["revision"] = 1


def _entry_by_a_user(state):
    return next((one for one in state.get("history", []) if one["by"] != "operator"), None)


def a_request_that_acts_twice(planting):
    def has(record):
        return planting.edit_status(record, _entry_by_a_user) is not None

    def change(state):
        entry = _entry_by_a_user(state)
        state["history"] = [*state["history"], entry | {"at": "2026-12-01T00:00:00.000000Z"}]
        return entry

    planting.edit_status(next(one for one in reversed(planting.models()) if has(one)), change)


def a_request_with_another_answer(planting):
    def change(state):
        state["handledRequests"][0]["answer"] = "Ignored: as it may be"

    answered = [
        one for one in planting.models() if planting.edit_status(one, lambda state: state.get("handledRequests"))
    ]
    for one in answered[1:]:
        planting.edit_status(one, change)


def a_request_that_nobody_made(planting):
    planting.records = [one for one in planting.records if one["kind"] != "requested"]


def a_request_for_another_run(planting):
    def change(state):
        entry = _entry_by_a_user(state)
        if entry is not None:
            entry["runID"] = "run_00000000_1"

    planting.edit_all(change)


def a_request_that_was_ignored_and_acts(planting):
    def change(state):
        for one in state.get("handledRequests", []):
            one["answer"] = "Ignored: it is too late"

    planting.edit_all(change)


def a_transition_that_nobody_hears_of(planting):
    lost = next(one["id"] for one in planting.kind("notified") if one["data"]["kind"] == "Promoted")
    planting.records = [one for one in planting.records if one.get("id") != lost]


def a_notification_that_changes(planting):
    first = planting.kind("notified")[0]
    planting.records.append(deepcopy(first) | {"data": first["data"] | {"message": "another"}})


def notifications_in_another_order(planting):
    first, second = planting.kind("notified")[:2]
    first["data"], second["data"] = second["data"], first["data"]
    first["id"], second["id"] = second["id"], first["id"]


def a_sound_run_that_a_gate_rolls_back(planting):
    def change(state):
        for entry in state.get("history", []):
            if entry["event"] == "RolloutAborted":
                entry["event"] = "GateFailed"

    planting.edit_all(change)


def a_bad_run_that_is_promoted(planting):
    for one in planting.kind("wanted"):
        one["sound"] = False


def a_transition_that_is_forgotten(planting):
    planting.edit_status(planting.models()[-1], lambda state: state["history"].pop())


def a_run_that_is_stable_without_a_rollout(planting):
    def change(state):
        for entry in state.get("history", []):
            if entry["event"] == "Promoted":
                entry["event"] = "RoutingReverted"

    planting.edit_all(change)


def a_rollout_that_does_not_end(planting):
    def change(state):
        state.pop("stable", None)

    planting.edit_status(planting.models()[-1], change)


def a_pod_that_lags_at_the_end(planting):
    last = planting.kind("applied")[-1]
    planting.records = [one for one in planting.records if one is not last]


def an_end_that_is_waited_for_in_vain(planting):
    planting.kind("settled")[0]["problem"] = "not over 300 s after the last fault"


def an_internal_error(planting):
    planting.records.append({"t": 0.0, "kind": "traceback", "name": "operator-0", "line": "KeyError: 'percent'"})


PLANTED = {
    soak_of_a_minute: "no step is early",
    another_step_in_between: "no step is skipped",
    a_step_while_suspended: "no step while suspended or paused",
    a_step_that_needs_an_approval: "no step without its approval",
    a_pod_that_never_confirmed: "nothing moves forward without confirmation by every pod",
    a_step_on_no_counts: "no step without new counts",
    an_answer_of_the_shadow: "only runs of the routing answer",
    another_percent_than_decided: "the percent is the decided one",
    a_user_who_moves: "who is in the canary stays in it",
    a_lost_answer: "every request is answered",
    counts_of_another_stage: "counts are those of the stage",
    a_document_that_nobody_wrote: "pods serve what was written",
    an_answer_that_nobody_watches: "a candidate that nobody watches serves nobody",
    an_answer_after_a_rollback: "a run that was rolled back answers nobody",
    one_more_than_was_counted: "evidence is what the servers have counted",
    answers_that_are_not_counted: "evidence is what the servers have counted",
    counts_of_the_other_arm: "evidence is what the servers have counted",
    a_gate_that_counts_twice: "a gate has the counts of all processes",
    a_record_with_more_counts: "records are what the servers have counted",
    a_step_without_a_pass: "every gate passes before a step",
    a_status_that_falls_back: "revisions never fall",
    a_routing_that_falls_back: "revisions never fall",
    two_documents_of_one_revision: "one document for each revision",
    a_routing_that_nobody_decided: "status is written before routing",
    a_pod_that_goes_back: "pods never go back to a lower revision",
    a_request_that_acts_twice: "a request acts at most once",
    a_request_with_another_answer: "a request is answered once",
    a_request_that_nobody_made: "only requests that were made are answered",
    a_request_for_another_run: "a request acts for its run only",
    a_request_that_was_ignored_and_acts: "a request that acts is answered Done",
    a_transition_that_nobody_hears_of: "every transition is notified",
    a_notification_that_changes: "a repeated notification is the same",
    notifications_in_another_order: "notifications keep their order",
    a_sound_run_that_a_gate_rolls_back: "no rollback is false",
    a_bad_run_that_is_promoted: "no rollback is lost",
    a_transition_that_is_forgotten: "the history only grows",
    a_run_that_is_stable_without_a_rollout: "only proven runs are stable",
    a_rollout_that_does_not_end: "faults do not change the end",
    a_pod_that_lags_at_the_end: "faults do not change the end",
    an_internal_error: "operators have no internal error",
    an_end_that_is_waited_for_in_vain: "faults do not change the end",
}


def test_the_recorded_history_breaks_no_promise_and_has_what_the_faults_are_planted_in():
    assert check(deepcopy(RECORDED)) == []
    events = {one["data"]["kind"] for one in RECORDED if one["kind"] == "notified"}
    assert {"StepAdvanced", "Promoted", "GateFailed", "RolloutAborted", "Paused"} <= events


@pytest.mark.parametrize(("plant", "promise"), PLANTED.items(), ids=[one.__name__ for one in PLANTED])
def test_a_planted_fault_is_found(plant, promise):
    planting = Planting()
    plant(planting)
    assert promise in {one.promise for one in check(planting.records)}
