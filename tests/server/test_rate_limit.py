from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.fakes import FakeClock

from serin_server.rate_limit import RateLimit, RateLimitError


def taken(limit: RateLimit, times: int) -> int:
    """Return how many of some requests at the same time are within the limit."""
    found = 0
    for _ in range(times):
        try:
            limit.take()
        except RateLimitError:
            continue
        found += 1
    return found


def test_a_burst_is_taken_and_then_one_every_interval(clock: FakeClock) -> None:
    limit = RateLimit("reloads", interval=timedelta(seconds=10), burst=3, monotonic=clock.monotonic)
    assert taken(limit, 5) == 3
    with pytest.raises(RateLimitError, match=r"^too many reloads; send it again after 10 s$"):
        limit.take()
    clock.advance(4.5)
    with pytest.raises(RateLimitError) as caught:
        limit.take()
    assert caught.value.retry_seconds == 6
    clock.advance(5.5)
    assert taken(limit, 5) == 1
    clock.advance(1000)
    assert taken(limit, 5) == 3


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 10)), max_size=40))
def test_never_more_than_the_burst_and_what_the_time_allows(steps: list[tuple[float, int]]) -> None:
    clock = FakeClock()
    limit = RateLimit("x", interval=timedelta(seconds=2), burst=4, monotonic=clock.monotonic)
    began, total = clock.ticks, 0
    for seconds, times in steps:
        clock.advance(seconds)
        total += taken(limit, times)
        assert total <= 4 + (clock.ticks - began) / 2 + 1e-6
