"""A SuggestionModel and a cluster that holds it, as dictionaries."""

import time

from typer.testing import CliRunner

from serin_cli.kubernetes_client import Cluster
from serin_core.contract.names import REQUEST_PREFIX

RUN = "run_0123abcd_1767225600"
OLD = "run_00000000_1700000000"
OLDER = "run_ffffffff_1690000000"
CANDIDATE = {"runID": RUN, "state": "Running", "percent": 10, "attempt": 1}
STABLE = {"runID": OLD, "since": "2026-01-01T00:00:00.000000Z"}


def condition(reason, message="m"):
    return {"type": "Ready", "reason": reason, "message": message, "status": "True"}


def model(*, candidate=None, stable=None, spec=None, **status):
    return {
        "metadata": {"namespace": "shop", "name": "categories", "generation": 2},
        "spec": spec or {},
        "status": {
            "phase": "Canary",
            "observedGeneration": 2,
            "conditions": [condition("RolloutProgressing")],
            "propagation": {"revision": 4, "confirmed": True, "pods": "2/2"},
            "history": [],
            "handledRequests": [],
        }
        | ({"candidate": candidate} if candidate else {})
        | ({"stable": stable} if stable else {})
        | status,
    }


class Polled:
    """Reports a change every second, as a watch that has ended."""

    def wait(self, seconds):
        time.sleep(seconds)
        return True


class FakeCluster:
    """Returns the given resources one after the other, then the last one; answers each request at once."""

    namespace = "shop"

    def __init__(self, *lives, answer="Raised from 10 to 50 %."):
        self.lives, self.answer, self.requests, self.spec = list(lives), answer, {}, None

    def get(self, name):
        live = self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]
        if isinstance(live, Exception):
            raise live
        handled = [
            {"action": key.removeprefix(REQUEST_PREFIX), "value": value, "answer": self.answer}
            for key, value in self.requests.items()
        ]
        return live | {"status": live["status"] | {"handledRequests": handled}} if "status" in live else live

    def follow(self, live):
        return Polled()

    def user(self):
        return "jane@example.com"

    def annotate(self, name, annotations, *, spec=None):
        self.requests |= annotations
        self.spec = spec


def run(monkeypatch, app, cluster, *arguments, **settings):
    """Run a command on a cluster."""
    monkeypatch.setattr(Cluster, "connect", lambda **_: cluster)
    return CliRunner().invoke(app, list(arguments), **settings)
