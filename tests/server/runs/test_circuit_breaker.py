import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_server.runs.circuit_breaker import FIRST_PAUSE, MAX_FAILURES, MAX_PAUSE, OPENS_AFTER, WINDOW, Breaker


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


def test_a_success_in_between_begins_the_row_anew() -> None:
    breaker = failing(OPENS_AFTER - 1)
    breaker.succeeded()
    assert not breaker.failed(0.0)


def attempts(breaker: Breaker, pattern: str, *, now: float = 0.0) -> int | None:
    """Return after how many attempts (`x` fails) the breaker opened, None if it did not."""
    for number, attempt in enumerate(pattern, start=1):
        if attempt == "x":
            if breaker.failed(now):
                return number
        else:
            breaker.succeeded()
    return None


@pytest.mark.parametrize(
    ("pattern", "opens_after"),
    [
        pytest.param(".x" * 50, 2 * MAX_FAILURES, id="every second one fails"),
        pytest.param("xxxx." * 20, 24, id="four of five fail"),
        pytest.param("..x" * 200, None, id="every third one fails"),
        pytest.param(("." * 99 + "x") * 30, None, id="one in a hundred fails"),
        pytest.param("...." + "x" * 5, 9, id="five in a row"),
    ],
)
def test_it_opens_where_failures_are_repeated_in_whatever_order(pattern: str, opens_after: int | None) -> None:
    assert attempts(Breaker(), pattern) == opens_after


def test_an_answer_after_the_pause_forgives_what_was_before() -> None:
    breaker = Breaker()
    assert attempts(breaker, ".x" * 50) == 2 * MAX_FAILURES
    assert attempts(breaker, "." + ".x" * 50, now=FIRST_PAUSE) == 1 + 2 * MAX_FAILURES


def test_a_failure_after_the_pause_opens_it_at_once_whatever_opened_it_before() -> None:
    breaker = Breaker()
    attempts(breaker, ".x" * 50)
    assert attempts(breaker, "x", now=FIRST_PAUSE) == 1
    assert breaker.is_open(FIRST_PAUSE + 2 * FIRST_PAUSE - 0.01)


@given(st.text(".x", max_size=400))
def test_it_never_opens_where_failures_are_few_and_apart(pattern: str) -> None:
    is_repeated = any(
        pattern[max(0, end - WINDOW) : end].count("x") >= MAX_FAILURES or pattern[:end].endswith("x" * OPENS_AFTER)
        for end in range(len(pattern) + 1)
    )
    assert (attempts(Breaker(), pattern) is not None) == is_repeated


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
    assert not failing(failures, now=0.0).is_open(MAX_PAUSE)


def test_a_success_after_the_pause_makes_the_next_pause_short_again() -> None:
    breaker = failing(OPENS_AFTER + 5)
    breaker.succeeded()
    for _ in range(OPENS_AFTER):
        breaker.failed(100.0)
    assert not breaker.is_open(100.0 + FIRST_PAUSE)
    assert pytest.approx(1.0) == FIRST_PAUSE
