import xxhash
from hypothesis import given
from hypothesis import strategies as st
from server.fakes import CANDIDATE, STABLE, FakeRun, routing

from serin_core.contract.routing import in_canary, is_in_share
from serin_server.metrics.counters import Agree, Arm, Counters, StageKey
from serin_server.routing.serving_state import Serving, serve
from serin_server.runs.predictor import Loaded

BOTH = {CANDIDATE: Loaded(FakeRun()), STABLE: Loaded(FakeRun(STABLE))}


def is_in_canary(serving: Serving, user: str) -> bool:
    return bool(user) and is_in_share(serving.user_hash(user), serving.percent)


def test_counts_go_to_the_run_on_trial_and_its_stage() -> None:
    serving = serve(routing(9, stage=4, stable=STABLE), announced=9, loaded=BOTH, counters=Counters())
    assert serving.counts.key == StageKey(CANDIDATE, 4)


def test_without_a_run_on_trial_they_go_to_the_stable_run_else_to_the_rules() -> None:
    counters = Counters()
    serving = serve(routing(9, percent=None, stable=STABLE), announced=9, loaded=BOTH, counters=counters)
    assert serving.counts.key == StageKey(STABLE, 9)
    serving = serve(routing(10, percent=None), announced=10, loaded=BOTH, counters=counters)
    assert serving.counts.key == StageKey("rules", 10)


def test_every_class_of_the_run_is_primed_as_soon_as_it_is_loaded() -> None:
    counters = Counters()
    serve(routing(1), announced=1, loaded={}, counters=counters)
    serving = serve(routing(1), announced=1, loaded=BOTH, counters=counters)
    assert serving.counts.arms[Arm.CANARY].classes == {
        (label, agree): 0 for label in ("Groceries", "Dining") for agree in Agree
    }


def test_a_run_under_the_same_name_with_other_bytes_is_not_used() -> None:
    other = FakeRun(run="run_cccccccc_1")
    serving = serve(routing(1, percent=50), announced=1, loaded={CANDIDATE: Loaded(other)}, counters=Counters())
    assert serving.candidate is not None
    assert serving.candidate.loaded is None


def test_users_in_the_canary_of_a_run_that_is_not_loaded_here_are_counted_there() -> None:
    serving = serve(routing(1, percent=100), announced=1, loaded={}, counters=Counters())
    assert is_in_canary(serving, "u1")
    assert serving.candidate is not None
    assert serving.candidate.loaded is None


@given(st.text(), st.floats(min_value=0, max_value=100), st.floats(min_value=0, max_value=100))
def test_whoever_is_in_the_canary_stays_in_when_it_grows(user: str, one: float, other: float) -> None:
    low, high = sorted((one, other))

    def is_in(percent: float) -> bool:
        serving = serve(routing(1, percent=percent), announced=1, loaded=BOTH, counters=Counters())
        return is_in_canary(serving, user)

    assert is_in(high) or not is_in(low)


def test_nobody_without_a_user_id_is_in_the_canary() -> None:
    serving = serve(routing(1, percent=100), announced=1, loaded=BOTH, counters=Counters())
    assert not is_in_canary(serving, "")
    assert serving.user_hash("") == 0


def test_a_user_is_the_same_64_bits_on_every_pod() -> None:
    serving = serve(routing(1), announced=1, loaded=BOTH, counters=Counters())
    seed = xxhash.xxh3_64_intdigest(b"salt")
    assert serving.user_hash("u1") == xxhash.xxh3_64_intdigest(b"u1", seed=seed)


@given(st.text(), st.floats(min_value=0, max_value=100))
def test_who_is_in_the_canary_is_what_the_rules_of_routing_say(user: str, percent: float) -> None:
    serving = serve(routing(1, percent=percent), announced=1, loaded=BOTH, counters=Counters())
    assert is_in_canary(serving, user) == in_canary(user, salt="salt", percent=percent)
