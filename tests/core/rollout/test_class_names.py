"""Classes of thresholds that the run does not have are named, once the pods have loaded it."""

from models.parts import spec
from models.world import World

from serin_core.rollout.announcements import NAMING
from serin_core.rollout.class_names import UNKNOWN_CLASSES

A = "run_aaaaaaaa_1"


def world(*classes, **per_class):
    made = World(spec(A, thresholds={"perClass": per_class}))
    made.registry = {A: "sha256:" + "a" * 64}
    made.quality = made.quality.model_copy(update={"classes": classes})
    made.settle(until=lambda seen: seen.status and seen.status.rollout and seen.status.rollout.percent)
    return made


def condition(at):
    return next((one for one in at.status.conditions if one.type == "UnknownClasses"), None)


def test_an_unknown_class_is_named_with_a_suggestion_in_a_condition_and_one_event():
    at = world("Dining", "Groceries", Grocery=0.5, Dining=0.6)
    assert (condition(at).status, condition(at).reason) == ("True", "NotInRun")
    assert condition(at).message == (
        "spec.thresholds.perClass names Grocery (did you mean Groceries?): run_aaaaaaaa_1 has no such class, so this "
        "has no effect"
    )
    assert UNKNOWN_CLASSES in NAMING
    at.edit(spec(A, thresholds={"perClass": {"Groceries": 0.5}}))
    at.settle(rounds=10)
    assert condition(at) is None


def test_the_rollout_goes_on():
    at = world("Dining", Grocery=0.5)
    at.settle(rounds=200)
    assert at.status.stable.run_id == A
    assert condition(at) is not None


def test_without_a_report_of_the_classes_nothing_is_said():
    assert condition(world(Grocery=0.5)) is None


def test_many_are_counted():
    at = world("Dining", **{f"x{number}": 0.5 for number in range(9)})
    assert "x0, x1, x2, x3, x4 and 4 more" in condition(at).message
