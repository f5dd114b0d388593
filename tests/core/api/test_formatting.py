"""Lists in messages name a few and count the others."""

import pytest

from serin_core.api.formatting import listed


@pytest.mark.parametrize(
    ("items", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c"], "a, b and 1 more")],
)
def test_at_most_two_are_named(items, expected):
    assert listed(items, 2) == expected
