"""Pauses double with each failure, up to a limit, in seconds or as a timedelta."""

from datetime import timedelta

import pytest

from serin_core.backoff import backoff


@pytest.mark.parametrize(("failures", "expected"), [(0, 1.0), (1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (10**6, 10.0)])
def test_the_first_pause_is_doubled_up_to_the_limit(failures, expected):
    assert backoff(1.0, 10.0, failures=failures) == expected
    seconds = timedelta(seconds=1)
    assert backoff(seconds, 10 * seconds, failures=failures) == expected * seconds
