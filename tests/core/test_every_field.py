"""Every field of the spec changes something that the operator decides: one row of the table for each.

A row has two values of its field, in a spec in which they matter. The same happens to both; what is decided, written
and shown must differ. `LISTED` are the parts of the spec whose fields the table has; those of
gates are in tests/core/api/test_gate_fields.py.
"""

import json
from datetime import timedelta

import pytest
from models.parts import spec
from models.starting import A, new_world

from serin_core.api.crd import schema

LISTED = (
    "canary",
    "bake",
    "suspend",
    "thresholds",
    "calibration",
    "shadow",
    "digest",
    "analysis",
    "progressDeadline",
    "onProgressDeadline",
    "notifications",
)
STEPS = [{"percent": 10, "soak": "1s"}, {"percent": 100, "soak": "1s"}]
MANUAL = [STEPS[0], STEPS[1] | {"approval": "Manual"}]
NOON = {"from": "12:00", "to": "13:00"}


def canary(**changes):
    return {"canary": {"shadowSoak": "1s", "steps": STEPS} | changes}


def windows(**changes):
    return canary(windows=[NOON | changes])


def analysis(**changes):
    return {"analysis": {"interval": "1s", **changes}} | canary()


def baking(**changes):
    return {"bake": {"duration": "5s"} | changes} | canary()


UNDECIDED = ["unsure", "unsure"]
BLIND = ["silent", "silent"]
FULL = ["full"]
"""No node has capacity for the pods."""
TABLE = {
    "canary.percent": (canary(percent=100), canary(percent=10)),
    "canary.steps[].percent": (canary(steps=STEPS), canary(steps=[STEPS[0] | {"percent": 20}, STEPS[1]])),
    "canary.steps[].soak": (canary(steps=STEPS), canary(steps=[STEPS[0] | {"soak": "5s"}, STEPS[1]])),
    "canary.steps[].approval": (canary(steps=STEPS), canary(steps=MANUAL)),
    "canary.approval": (canary(), canary(approval="Manual")),
    "canary.shadowSoak": (canary(), canary(shadowSoak="5s")),
    "canary.supervisionTimeout": (canary(), canary(supervisionTimeout="2h")),
    "canary.windows[].days": (windows(), windows(days=["Sun"])),
    "canary.windows[].from": (windows(), windows(**{"from": "11:00"})),
    "canary.windows[].to": (windows(to="00:01", **{"from": "23:00"}), windows(to="23:30", **{"from": "23:00"})),
    "canary.windows[].timeZone": (windows(), windows(timeZone="Europe/Berlin")),
    "bake.duration": (baking(), baking(duration="0s")),
    "bake.holdback": (baking(), baking(holdback=5)),
    "suspend": (canary(), canary() | {"suspend": True}),
    "thresholds.default": (canary(), canary() | {"thresholds": {"default": 0.8}}),
    "thresholds.perClass": (canary(), canary() | {"thresholds": {"perClass": {"Dining": 0.8}}}),
    "calibration": (canary(), canary() | {"calibration": False}),
    "shadow": (canary(), canary() | {"shadow": False}),
    "progressDeadline": ({}, {"progressDeadline": "3s"}, FULL),
    "onProgressDeadline": (
        {"progressDeadline": "3s"},
        {"progressDeadline": "3s", "onProgressDeadline": "Rollback"},
        FULL,
    ),
    "digest": (canary(), canary() | {"digest": "sha256:" + "f" * 64}),
    "notifications": (canary(), canary() | {"notifications": ["team-ml"]}),
    "analysis.interval": (analysis(), analysis(interval="9s"), UNDECIDED),
    "analysis.alphaPromote": (analysis(), analysis(alphaPromote=0.2)),
    "analysis.alphaRollback": (analysis(), analysis(alphaRollback=0.2), ["fail"]),
    "analysis.maxDuration": (analysis(), analysis(maxDuration="3s"), UNDECIDED),
    "analysis.onInconclusive": (
        analysis(maxDuration="3s"),
        analysis(maxDuration="3s", onInconclusive="Rollback"),
        UNDECIDED,
    ),
    "analysis.noDataTimeout": (
        analysis(onNoData="Rollback"),
        analysis(onNoData="Rollback", noDataTimeout="3s"),
        BLIND,
    ),
    "analysis.onNoData": (
        analysis(noDataTimeout="3s"),
        analysis(noDataTimeout="3s", onNoData="Rollback"),
        BLIND,
    ),
}
ELSEWHERE = {"analysis.prometheus"}
"""Fields that the operator's shell reads: `tests/counting` shows that counts are read from the endpoint they name."""


def leaves(node, path=""):
    if node["type"] == "array" and "properties" in node["items"]:
        yield from leaves(node["items"], f"{path}[]")
    elif "properties" in node:
        for name, child in node["properties"].items():
            yield from leaves(child, f"{path}.{name}" if path else name)
    else:
        yield path


def outcome(changes, verdicts):
    """Return all that is decided, written and shown while pods and gates do the same."""
    at = new_world(**changes)
    found = []
    for verdict in verdicts:
        at.verdict, at.is_full = verdict, verdict == "full"
        for _ in range(15):
            decision = at.whole_pass(at.operators[0])
            found.append((decision.requeue_after, decision.announcements, at.routing_text()) if decision else None)
            at.kubelets()
            at.tick()
    at.tick(timedelta(hours=23).total_seconds() if verdicts == ["pass"] else 0)
    at.settle(rounds=2)
    status = at.status.model_dump(mode="json", exclude_none=True)
    return str(found), json.dumps(status, sort_keys=True)


def test_the_table_lists_every_field_of_its_parts():
    whole = schema()["properties"]["spec"]
    paths = {path for path in leaves(whole) if path.partition(".")[0] in LISTED}
    assert set(TABLE) | ELSEWHERE == paths


@pytest.mark.parametrize("path", TABLE)
def test_the_field_changes_something(path):
    first, second, *verdicts = TABLE[path]
    verdicts = verdicts[0] if verdicts else ["pass"]
    assert spec(A, **first) != spec(A, **second)
    before, after = outcome(first, verdicts), outcome(second, verdicts)
    assert outcome(first, verdicts) == before, "the same spec has the same outcome"
    assert before != after
