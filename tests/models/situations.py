"""Resources in the situations of docs/conditions.md, each a world that has got there."""

from datetime import timedelta

from models.parts import spec
from models.world import World

from serin_core.contract.pod_report import RunQuality
from serin_core.kubernetes.inputs import ServerImage
from serin_core.rollout.holds import Freeze
from serin_core.rollout.protocol import ABSENT_PATIENCE

A, B = "run_aaaaaaaa_1", "run_bbbbbbbb_1"
DIGESTS = {run: "sha256:" + run[4] * 64 for run in (A, B)}


def world(**changes):
    made = World(spec(A, **changes))
    made.registry = dict(DIGESTS)
    return made


def running():
    at = world()
    at.verdict = "unsure"
    at.settle(rounds=20)
    return at


def promoted():
    at = world()
    at.settle(rounds=40)
    return at


def at_cap():
    at = world(canary={"percent": 30, "shadowSoak": "1s", "steps": [{"percent": 100, "soak": "1s"}]})
    at.settle(rounds=40)
    return at


def baking():
    at = world(bake={"duration": "60s"})
    at.settle(until=lambda at: at.status is not None and at.status.phase == "Baking")
    at.settle(rounds=2)
    return at


def rolled_back():
    at = running()
    at.verdict = "fail"
    at.settle(rounds=10)
    return at


def refused():
    at = world()
    at.quality = RunQuality(f1_macro=0.5, f1_min=0.1)
    at.settle(rounds=20)
    return at


def absent():
    at = world()
    at.registry = {}
    at.settle(rounds=20)
    return at


def missing():
    at = absent()
    at.tick(ABSENT_PATIENCE.total_seconds())
    at.settle(rounds=2)
    return at


def blind():
    at = running()
    at.verdict = "silent"
    at.settle(rounds=10)
    return at


def no_gate():
    names = ("availability", "errors", "latency", "agreement")
    at = world(gates={name: {"mode": "Off"} for name in names})
    at.settle(rounds=20)
    return at


def suspended():
    at = world(suspend=True)
    at.settle(rounds=20)
    return at


def paused():
    at = running()
    at.request("pause", f"{A} by=jane odd numbers")
    at.settle(rounds=2)
    return at


def awaiting_approval():
    at = world(canary={"shadowSoak": "1s", "approval": "Manual"})
    at.settle(rounds=20)
    return at


def outside_window():
    at = world(canary={"shadowSoak": "1s", "windows": [{"from": "09:00", "to": "10:00"}]})
    at.settle(rounds=20)
    return at


def frozen():
    at = world()
    at.freezes = (Freeze(at.now, at.now + timedelta(days=1), "year end"),)
    at.settle(rounds=20)
    return at


def unseen_change():
    at = promoted()
    at.edit(spec(B))
    return at


def without_room():
    at = running()
    at.is_full = True
    at.rules = "other"
    at.settle(rounds=5)
    return at


def emptied():
    at = promoted()
    at.registry = {}
    at.rules = "other"
    at.settle(rounds=700)
    return at


def cap_raised():
    at = at_cap()
    at.verdict = "unsure"
    at.edit(spec(A, canary={"percent": 100, "shadowSoak": "1s", "steps": [{"percent": 100, "soak": "1s"}]}))
    at.settle(rounds=5)
    return at


def stuck():
    at = without_room()
    at.tick(600)
    at.settle(rounds=2)
    return at


def image_refused():
    at = promoted()
    at.problem = ServerImage("x", refusal="not allowed")
    at.settle(rounds=5)
    return at
