import pytest
from server.fakes import CANDIDATE, STABLE, FakeRun, digest

from serin_core.contract.documents import ServedRun
from serin_core.contract.pod_report import LoadState, RunOnPod
from serin_core.rollout.protocol import ABSENT_PATIENCE
from serin_server.readiness import STABLE_PATIENCE, Readiness
from serin_server.routing.serving_state import NamedRun
from serin_server.runs.predictor import Loaded

SERVED = ServedRun(run=STABLE, digest=digest(STABLE))
REFUSED = RunOnPod(run=STABLE, state=LoadState.REFUSED, reason="its digest is another one")
LOADED = RunOnPod(run=CANDIDATE, state=LoadState.LOADED)
ABSENT = RunOnPod(run=CANDIDATE, state=LoadState.LOADING, absent=True, reason="it is not in the registry")
WAITING = RunOnPod(run=CANDIDATE, state=LoadState.LOADING, reason="the registry is not there")


@pytest.mark.parametrize(
    ("runs", "stable", "has_checked", "now", "obstacle"),
    [
        pytest.param((), None, True, 0.0, None, id="rules alone are ready at once"),
        pytest.param((), None, False, 0.0, "routing has not been read yet", id="not before routing was read"),
        pytest.param(
            (RunOnPod(run=CANDIDATE, state=LoadState.LOADING),),
            None,
            True,
            1000.0,
            f"{CANDIDATE} is loading",
            id="not while a run is loading, however long",
        ),
        pytest.param((LOADED,), None, True, 0.0, None, id="once all are loaded"),
        pytest.param(
            (WAITING,),
            None,
            True,
            STABLE_PATIENCE - 1,
            f"{CANDIDATE} is loading: the registry is not there",
            id="not while the registry is away",
        ),
        pytest.param(
            (WAITING,), NamedRun(SERVED, None), True, STABLE_PATIENCE, None, id="but for five minutes only as well"
        ),
        pytest.param(
            (REFUSED,),
            NamedRun(SERVED, None),
            True,
            STABLE_PATIENCE - 1,
            f"the stable run {STABLE} is not available: its digest is another one",
            id="not while the stable run was refused",
        ),
        pytest.param((REFUSED,), NamedRun(SERVED, None), True, STABLE_PATIENCE, None, id="but for five minutes only"),
        pytest.param(
            (LOADED,),
            NamedRun(SERVED, None),
            True,
            0.0,
            f"the stable run {STABLE} is not available: it is not loaded on this pod",
            id="nor while it was never named to this pod",
        ),
        pytest.param((REFUSED,), None, True, 0.0, None, id="a refused run that is not stable does not matter"),
        pytest.param((ABSENT,), None, True, 0.0, None, id="nor does an absent one: no user is served by it yet"),
        pytest.param(
            (ABSENT.model_copy(update={"run": STABLE}),),
            NamedRun(SERVED, None),
            True,
            STABLE_PATIENCE - 1,
            f"the stable run {STABLE} is not available: it is not in the registry",
            id="not while the stable run is absent",
        ),
        pytest.param((), NamedRun(SERVED, Loaded(FakeRun(STABLE))), True, 0.0, None, id="with the stable run loaded"),
    ],
)
def test_a_process_is_ready_when_nothing_stands_in_the_way(
    runs: tuple[RunOnPod, ...],
    stable: NamedRun | None,
    has_checked: bool,  # noqa: FBT001
    now: float,
    obstacle: str | None,
) -> None:
    assert Readiness(started=0.0).not_ready_reason(runs, stable=stable, has_checked=has_checked, now=now) == obstacle


def test_a_rollout_gives_an_absent_run_up_before_pods_without_their_stable_run_become_ready() -> None:
    assert ABSENT_PATIENCE.total_seconds() < STABLE_PATIENCE


def test_an_ending_process_is_not_ready() -> None:
    readiness = Readiness(started=0.0)
    readiness.is_draining = True
    assert readiness.not_ready_reason((), stable=None, has_checked=True, now=0.0) == "the server is stopping"
