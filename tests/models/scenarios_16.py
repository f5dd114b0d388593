"""Scenarios that need rule 16 of docs/contracts.md: the bake."""

from models.parts import Broken, spec
from models.starting import DIGESTS, A, B, C, has_phase, one_pod

BAKE = {"duration": "20s", "holdback": 5}


def baking(at):
    """B bakes, and A is the run before."""
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B, bake=BAKE))
    at.settle(until=lambda at: at.status.candidate is not None and at.status.candidate.bake is not None)


def run_that_fails_in_its_bake(at):
    """16: the run before is still loaded and stable: all users return to it at once."""
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B, bake=BAKE))
    at.settle(until=lambda at: at.status.candidate is not None and at.status.candidate.percent == 100)
    at.settle(rounds=8)
    at.verdict = "harm"
    at.settle(rounds=10)
    if at.status.stable is None or at.status.stable.run_id != A or at.status.phase != "RolledBack":
        raise Broken(f"(j) {B} failed in its bake, but {at.status.stable and at.status.stable.run_id} is stable")
    at.assert_ended()


def bake_without_counts(at):
    """16: a bake does not end while the counts cannot be read: nobody has watched the run."""
    baking(at)
    at.verdict = "silent"
    at.settle(rounds=60)
    if at.status.stable is None or at.status.stable.run_id != A:
        raise Broken("(j) the run before was given up although nothing was counted in the bake")
    at.verdict = "pass"
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def run_named_after_the_bake_was_over(at):
    """16: a bake that is over ends first; a run that is named then is compared with the run that has baked."""
    baking(at)
    at.tick(60)
    at.edit(spec(C, bake=BAKE))
    at.settle(rounds=3)
    if at.status.stable is None or at.status.stable.run_id != B:
        raise Broken("(e) how a bake ends depends on when the operator looks")


def pod_that_lost_the_run_in_its_bake(at):
    """16: the end of a bake moves forward, and waits for every pod as any other."""
    baking(at)
    pod = one_pod(at)
    del at.registry[B]
    at.restart(pod)
    at.start(pod)
    at.load(pod)
    at.tick(30)
    at.settle(rounds=10)
    at.registry[B] = DIGESTS[B]
    at.settle(until=lambda at: at.status.stable.run_id == B)
    at.settle(rounds=10)
    at.assert_ended()
