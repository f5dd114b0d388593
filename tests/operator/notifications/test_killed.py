"""No notification is lost, and at most one is repeated, when the operator and the receiver are killed at any moment."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from deliveries.operator_process import OBJECT, read
from deliveries.receiver import Receiver

from serin_core.api.status import CandidateState, Status

TESTS = Path(__file__).parents[2]
STEPS = 40
"""Runs that are named one after the other: at least one transition each."""


class Cluster:
    """The state file of the operator, and its process."""

    def __init__(self, file, url):
        self.file, self.url, self.process = file, url, None

    def start(self):
        environment = {**os.environ, "PYTHONPATH": str(TESTS), "NO_PROXY": "*"}
        command = [sys.executable, "-m", "deliveries.operator_process", self.file, self.url, str(STEPS)]
        self.process = subprocess.Popen(command, env=environment)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def object(self):
        return read(self.file)[0][OBJECT] if self.file.exists() else {"spec": {"runID": "_1"}}

    @property
    def status(self):
        return Status.model_validate(self.object.get("status") or {})

    @property
    def notifications(self):
        return self.status.notifications

    def recorded(self):
        """Return the number of notifications that status has as delivered."""
        found = self.notifications
        return found.sequence - len(found.waiting)

    def wait_for_a_record(self):
        before = self.recorded()
        wait(lambda: self.recorded() > before)

    def is_done(self, accepted):
        """Return whether no transition can follow the last one, and status has all that were made as delivered.

        Without pods, the last run stays where pods are to load it.
        """
        status = self.status
        found = status.candidate
        is_last = found is not None and found.run_id.endswith(f"_{STEPS}") and found.state is CandidateState.LOADING
        ids = {one["id"] for one in accepted}
        return is_last and not status.notifications.waiting and len(ids) == status.notifications.sequence


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_transition_arrives_once_or_twice(tmp_path, seed):
    dice, kills = random.Random(seed), 0
    receiver = Receiver().start()
    cluster = Cluster(tmp_path / "state", receiver.url)
    try:
        while kills < 4:
            cluster.start()
            # Between two kills something is recorded: what is killed again and again before that never gets on.
            cluster.wait_for_a_record()
            if dice.random() < 0.5:
                receiver.stop()
                time.sleep(dice.uniform(0, 0.1))
                receiver.start()
            time.sleep(dice.uniform(0, 0.15))
            cluster.kill()
            kills += 1
        cluster.start()
        wait(lambda: cluster.is_done(receiver.accepted))
    finally:
        cluster.kill()
        receiver.stop()
    arrived = Counter(one["data"]["sequence"] for one in receiver.accepted)
    assert arrived.keys() == set(range(1, cluster.notifications.sequence + 1))
    assert max(arrived.values()) <= 2
    assert sum(count - 1 for count in arrived.values()) <= kills
    assert cluster.notifications.dropped == {}
    first = list(dict.fromkeys(one["data"]["sequence"] for one in receiver.accepted))
    assert first == sorted(first)
    assert len(arrived) >= STEPS
