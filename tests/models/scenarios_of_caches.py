"""Scenarios in which an operator decides by what its watches have told it, which is behind (rule 3)."""

from dataclasses import replace

from models.caches import view_of
from models.parts import spec
from models.starting import A, has_percent, has_phase


def pod_that_a_cache_has_not_seen(at):
    """3: an operator whose watch of pods is behind must not confirm a rollback without the newest pod."""
    first, second = at.operators
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    known = set(at.pods)
    second.view = view_of(at)
    at.edit(spec(A, server={"replicas": 3, "token": {"secretName": "token"}}))
    at.settle(rounds=6)
    (new,) = (pod for name, pod in at.pods.items() if name not in known)
    at.whole_pass(first)
    at.refresh(new)
    at.read(new)
    new.is_stuck = True
    at.verdict = "fail"
    for _ in range(4):
        # Of everything but pods it gets each event at once.
        second.view = replace(view_of(at), pods={name: pod for name, pod in view_of(at).pods.items() if name in known})
        at.whole_pass(second, from_cache=True)
        at.kubelets()
        at.tick()
    new.is_stuck = False
    at.settle(until=has_phase("RolledBack"))
    at.assert_ended()
