"""Scenarios that need rules 10 and 17 of docs/contracts.md: trusted runs, and runs that are restored."""

from models.parts import Broken, spec
from models.starting import DIGESTS, A, B, C, has_phase, one_pod

D = "run_dddddddd_1"


def serves(run):
    return lambda at: has_phase("Promoted")(at) and at.status.stable.run_id == run


def three_promoted(at):
    """C is stable, B is the previous run, and A can be restored."""
    at.settle(until=serves(A))
    for run in (B, C):
        at.edit(spec(run))
        at.settle(until=serves(run))
    assert [run.run_id for run in at.status.earlier] == [B, A]


def four_promoted(at):
    """D is stable; A can be restored, and no pod has it loaded."""
    three_promoted(at)
    at.registry[D] = "sha256:" + "d" * 64
    at.edit(spec(D))
    at.settle(until=serves(D))
    assert all(A not in pod.loaded for pod in at.pods.values())


def one_pod_that_is_slow_to_load_an_earlier_run(at):
    """17: an earlier run serves once every pod has loaded it."""
    four_promoted(at)
    at.edit(spec(A))
    at.settle(rounds=3)
    for _ in range(12):
        at.whole_pass(at.operators[0])
        at.roll()
        for pod in at.pods.values():
            at.refresh(pod)
            at.start(pod)
            at.read(pod)
        at.load(max(at.pods.values(), key=lambda pod: int(pod.uid.split("-")[1])))
        at.check()
    at.settle(until=serves(A))
    at.assert_ended()


def earlier_run_whose_files_changed(at):
    """17: pods load an earlier run with the digest that was promoted."""
    four_promoted(at)
    at.registry[A] = "sha256:" + "e" * 64
    at.edit(spec(A))
    at.settle(rounds=60)
    if at.status.stable.run_id != D:
        raise Broken("(f) the stable run was given up for an earlier one that is not in the registry any more")


def earlier_run_that_is_gone(at):
    """17: where pods cannot load it, the stable run goes on serving."""
    four_promoted(at)
    del at.registry[A]
    at.edit(spec(A))
    at.settle(rounds=10)
    at.tick(300)
    at.settle(rounds=20)
    if at.status.stable is None or at.status.stable.run_id != D or at.status.phase != "Refused":
        raise Broken(f"(f) {A} is gone, and {at.status.stable} serves")
    at.assert_ended()


def run_that_a_user_trusts(at):
    """10: the trusted run serves before the run of the spec is compared with it."""
    at.settle(rounds=3)
    at.request("trust", f"{B} restored")
    at.settle(rounds=40)
    if (B, "RunRestored") not in [(entry.run_id, entry.event) for entry in at.status.history]:
        raise Broken("(e) the run that a user trusts was never served")
    at.settle(until=serves(A))
    at.assert_ended()


def trusted_run_that_a_pod_does_not_confirm(at):
    """10: it serves once every pod confirms the routing, and has loaded it."""
    at.settle(rounds=3)
    del at.registry[B]
    at.request("trust", f"{B} restored")
    at.settle(rounds=20)
    stuck = one_pod(at)
    stuck.is_stuck = True
    at.edit_routing(shadow=False)
    at.registry[B] = DIGESTS[B]
    at.settle(rounds=15)
    stuck.is_stuck = False
    at.settle(until=serves(A))
    at.assert_ended()
