import time
from itertools import count

import pytest


@pytest.fixture
def virtual_time(monkeypatch):
    """A clock that advances by a second each time it is read, and never waits."""
    ticks = count()
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
