from hypothesis import given
from hypothesis import strategies as st

from serin_server.metrics import counters
from serin_server.metrics.counters import Agree, Arm, ArmCounts, Counters, Fallback, StageCounts, StageKey, user_mark


def key(stage: int) -> StageKey:
    return StageKey("run_bbbbbbbb_1", stage)


def test_a_stage_begins_with_every_value_of_every_label_at_zero() -> None:
    counts = Counters().begin_stage(key(1), ["Dining"]).arms[Arm.CANARY]
    assert counts.fallback == dict.fromkeys(Fallback, 0)
    assert counts.classes == {("Dining", agree): 0 for agree in Agree}
    assert counts.low_confidence == {"Dining": 0}


def test_only_the_present_stage_and_the_last_one_are_kept() -> None:
    all_counts = Counters()
    for stage in (1, 2, 3):
        all_counts.begin_stage(key(stage), ())
    assert [stage.key for stage in all_counts.stages()] == [key(2), key(3)]
    assert all_counts.find(key(1)) is None


def test_beginning_a_stage_again_goes_on_with_its_counts() -> None:
    all_counts = Counters()
    all_counts.begin_stage(key(1), ()).arms[Arm.CONTROL].failures += 3
    assert all_counts.begin_stage(key(1), ["Dining"]).arms[Arm.CONTROL].failures == 3


def test_a_copy_no_longer_changes() -> None:
    all_counts = Counters()
    counts = all_counts.begin_stage(key(1), ["Dining"])
    before = all_counts.stages()[0].arms[Arm.CONTROL]
    counts.arms[Arm.CONTROL].count_comparison("Dining", Agree.TRUE)
    counts.arms[Arm.CONTROL].observe(0.01)
    assert before == Counters().begin_stage(key(1), ["Dining"]).arms[Arm.CONTROL]


@given(st.lists(st.floats(min_value=0, max_value=10)))
def test_every_attempt_falls_into_exactly_one_bucket(seconds: list[float]) -> None:
    counts = ArmCounts()
    for one in seconds:
        counts.observe(one)
    assert sum(counts.latency) == len(seconds)
    within = counters.BUCKETS.index(0.1) + 1
    assert sum(counts.latency[:within]) == sum(one <= 0.1 for one in seconds)


@given(st.lists(st.tuples(st.integers(min_value=0, max_value=2**64 - 1), st.sampled_from(Agree))))
def test_a_user_counts_once_with_a_control_answer_and_once_without(compared: list[tuple[int, Agree]]) -> None:
    stage = StageCounts(key(1))
    counted = [one for one in compared if stage.is_first(user_mark(*one))]
    assert len({user for user, agree in counted if agree is not Agree.NONE}) == sum(
        agree is not Agree.NONE for _, agree in counted
    )
    assert {user for user, agree in compared} == {user for user, _ in counted}


def test_users_beyond_the_bound_are_not_counted_at_all() -> None:
    stage = StageCounts(key(1))
    assert all(stage.is_first(user) for user in range(counters.MAX_USERS))
    assert not stage.is_first(counters.MAX_USERS)
    assert not stage.is_first(0)
