"""The order of a pass's writes: intent, then what users feel, then everything else."""

from models.parts import spec
from models.world import World

from serin_core.rollout.writes import AnnotatePod, PutStatus, RemovePod

A = "run_aaaaaaaa_1"


def kinds(decision):
    for write in decision.writes:
        match write:
            case PutStatus():
                yield "status"
            case AnnotatePod() | RemovePod():
                yield "pods"
            case _ if getattr(write, "rendered", {}).get("metadata", {}).get("name") == "categories-routing":
                yield "routing"
            case _:
                yield "others"


def test_a_rollback_reaches_the_pods_before_any_other_child_is_written():
    at = World(spec(A))
    at.registry = {A: "sha256:" + "a" * 64}
    at.settle(until=lambda at: bool(at.status and at.status.rollout and at.status.rollout.percent == 50))
    at.settle(rounds=4)
    at.verdict = "unsure"
    at.children.pop(("PodDisruptionBudget", "categories"))
    at.rules = "other"
    at.verdict = "fail"
    found = list(kinds(at.whole_pass(at.operators[0])))
    assert found[:2] == ["status", "routing"]
    assert found[2:].index("others") == found.count("pods")
    assert found.count("pods") == len(at.pods)
    assert found.count("others") >= 3
