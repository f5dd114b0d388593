"""What a user sees while something long goes on."""

import os
import pty
import subprocess
import sys

import pytest

from serin_training.commands.progress_display import count
from serin_training.progress import Progress


@pytest.mark.parametrize(
    ("told", "speed", "shown"),
    [
        (Progress("features", 20_000, 0, "rows"), 8124.6, "20,000 rows  8,125/s"),
        (Progress("words", 20_000, 245_037, "rows"), None, "20,000/245,037 rows"),
        (Progress("older models", 2, 5, "parts"), 0.31, "2/5 parts  0.3/s"),
        (Progress("linear model", 0, 1, "models"), None, ""),
    ],
    ids=["nobody knows how many there are", "too early for a rate", "slower than one a second", "a single piece"],
)
def test_a_bar_says_how_much_is_done_and_how_fast(told, speed, shown):
    assert count(told, speed) == shown


def test_on_a_terminal_results_still_go_to_stdout_and_no_bar_is_left_behind(tmp_path):
    terminal, end = pty.openpty()
    program = (
        "from serin_training.commands.progress_display import show_progress\n"
        "from serin_training.progress import Finished, Progress\n"
        "with show_progress() as progress:\n"
        "    progress(Progress('words', 1, 2, 'rows'))\n"
        "    progress(Finished('words', 'done'))\n"
        "    print('result')\n"
    )
    with (tmp_path / "out").open("w") as out:
        done = subprocess.run([sys.executable, "-c", program], stdout=out, stderr=end, check=False, timeout=60)
    os.close(end)
    shown = os.read(terminal, 65_536).decode()
    os.close(terminal)
    assert done.returncode == 0, shown
    assert (tmp_path / "out").read_text() == "result\n"
    assert "words: done" in shown
    assert "result" not in shown
