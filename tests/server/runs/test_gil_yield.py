import sys
import threading
import time

import pytest

from serin_server.runs.gil_yield import yielding_gil


def test_the_interval_is_short_while_there_is_work_and_as_it_was_after_it() -> None:
    before = sys.getswitchinterval()
    with yielding_gil():
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before
    with pytest.raises(ValueError, match="in mid-work"), yielding_gil():
        raise ValueError("in mid-work")
    assert sys.getswitchinterval() == before


def test_work_pauses_and_no_oftener_than_it_must() -> None:
    with yielding_gil() as pause:
        began = time.thread_time()
        for _ in range(1000):
            pause()
        assert time.thread_time() - began < 0.05


def test_another_thread_goes_on_beside_it() -> None:
    turns, is_over = [0], threading.Event()

    def loop() -> None:
        while not is_over.wait(0.0001):
            turns[0] += 1

    beside = threading.Thread(target=loop)
    with yielding_gil() as pause:
        beside.start()
        until = time.perf_counter() + 0.3
        while time.perf_counter() < until:
            pause()
    is_over.set()
    beside.join()
    assert turns[0] > 100


def test_the_interval_stays_short_until_the_last_of_several_blocks_ends() -> None:
    before = sys.getswitchinterval()
    with yielding_gil():
        with yielding_gil():
            short = sys.getswitchinterval()
        assert sys.getswitchinterval() == short < before
    assert sys.getswitchinterval() == before
