import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_server.breaker import FIRST_PAUSE, LONGEST_PAUSE, OPENS_AFTER, Breaker


def failing(times: int, *, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.failed(now)
    return breaker


def test_a_new_breaker_lets_everything_through() -> None:
    assert not Breaker().is_open(0.0)


def test_it_stays_closed_until_enough_failures_in_a_row() -> None:
    assert not failing(OPENS_AFTER - 1).is_open(0.0)
    assert failing(OPENS_AFTER).is_open(0.0)


def test_a_success_in_between_forgives_all_failures() -> None:
    breaker = failing(OPENS_AFTER - 1)
    breaker.succeeded()
    assert not breaker.failed(0.0)


def test_it_lets_back_by_itself_after_the_pause() -> None:
    breaker = failing(OPENS_AFTER, now=10.0)
    assert breaker.is_open(10.0 + FIRST_PAUSE - 0.01)
    assert not breaker.is_open(10.0 + FIRST_PAUSE)


def test_one_more_failure_after_the_pause_opens_it_for_twice_as_long() -> None:
    breaker = failing(OPENS_AFTER, now=0.0)
    assert breaker.failed(FIRST_PAUSE)
    assert breaker.is_open(FIRST_PAUSE + 2 * FIRST_PAUSE - 0.01)


@given(st.integers(min_value=0, max_value=200))
def test_it_never_stays_open_longer_than_the_longest_pause(failures: int) -> None:
    assert not failing(failures, now=0.0).is_open(LONGEST_PAUSE)


def test_a_success_after_the_pause_makes_the_next_pause_short_again() -> None:
    breaker = failing(OPENS_AFTER + 5)
    breaker.succeeded()
    for _ in range(OPENS_AFTER):
        breaker.failed(100.0)
    assert not breaker.is_open(100.0 + FIRST_PAUSE)
    assert pytest.approx(1.0) == FIRST_PAUSE
