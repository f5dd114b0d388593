"""Checks of what the server pods report of their runs (`GET /ml/status`): loaded, verified, calibrated. Pure."""

from collections.abc import Iterator
from typing import Final

from serin_cli.doctor.results import Outcome, Result, Unread
from serin_cli.doctor.seen import Model
from serin_core.contract.pod_report import LoadState, RunOnPod, RunQuality

_REGISTRY: Final = "registry"


def reported_results(seen: Model) -> Iterator[Result]:
    """Yield whether each run is loaded and verified, and whether that of the rollout is well calibrated."""
    unread = [found for found in seen.reports.values() if isinstance(found, Unread)]
    if unread and len(unread) == len(seen.reports):
        yield unread[0].result(_REGISTRY)
    runs: dict[str, list[RunOnPod]] = {}
    for report in seen.reports.values():
        for run in () if isinstance(report, Unread) else report.runs:
            runs.setdefault(run.run, []).append(run)
    for name, on_pods in runs.items():
        yield _loaded(name, on_pods)
    quality = quality_of(seen)
    if quality is not None:
        yield from _calibration(seen, quality)


def quality_of(seen: Model) -> RunQuality | None:
    """Return the figures of the training report of the rollout's run; None if no pod reports them."""
    found = [report.run(seen.run) for report in seen.reports.values() if not isinstance(report, Unread)]
    return next((run.quality for run in found if run is not None and run.quality is not None), None)


def _loaded(name: str, on_pods: list[RunOnPod]) -> Result:
    refused = [run for run in on_pods if run.state is LoadState.REFUSED]
    if refused:
        found = f"{name} is refused by {_pods(refused, on_pods)}: {refused[0].reason}"
        remedy = "kubectl serin set-run takes another run; serin runs verify checks one"
        return Result(_REGISTRY, Outcome.PROBLEM, found, remedy)
    absent = [run for run in on_pods if run.absent]
    if absent:
        found = f"{_pods(absent, on_pods)} cannot find {name}: {absent[0].reason}"
        remedy = "copy the run into the registry, or take another one with kubectl serin set-run"
        return Result(_REGISTRY, Outcome.WARNING, found, remedy)
    waiting = [run for run in on_pods if run.state is LoadState.LOADING]
    if waiting:
        return _loading(name, waiting, on_pods)
    digests = {run.digest for run in on_pods}
    if len(digests) > 1:
        found = f"pods have loaded different files as {name}: {', '.join(sorted(map(str, digests)))}"
        return Result(_REGISTRY, Outcome.PROBLEM, found, "publish a run once; train again if it was written over")
    kept = [run for run in on_pods if run.reason]
    if kept:
        found = f"{_pods(kept, on_pods)} could not read {name} again, and keeps what it has loaded: {kept[0].reason}"
        return Result(_REGISTRY, Outcome.WARNING, found, "repair the registry before pods are replaced")
    return Result(_REGISTRY, Outcome.OK, f"{name} is complete, verified and loaded on {_pods(on_pods, on_pods)}")


def _loading(name: str, waiting: list[RunOnPod], on_pods: list[RunOnPod]) -> Result:
    reason = next((run.reason for run in waiting if run.reason), "")
    found = f"{name} is not loaded yet on {_pods(waiting, on_pods)}"
    if not reason:
        return Result(_REGISTRY, Outcome.OK, found)
    return Result(_REGISTRY, Outcome.PROBLEM, f"{found}: {reason}", "repair the registry, or correct spec.registry")


def _pods(some: list[RunOnPod], all_: list[RunOnPod]) -> str:
    return f"{len(some)} of {len(all_)} pod{'' if len(all_) == 1 else 's'}"


def _calibration(seen: Model, quality: RunQuality) -> Iterator[Result]:
    after, before = quality.calibration_error, quality.uncalibrated_error
    if after is None or before is None or seen.spec.get("calibration") is False:
        return
    found = f"calibration error of {seen.run} on its test data: {after:.4f}, {before:.4f} without calibration"
    if after > before:
        remedy = "set spec.calibration to false, or train with more rows"
        yield Result("calibration", Outcome.WARNING, f"{found}: calibration made it worse", remedy)
    else:
        yield Result("calibration", Outcome.OK, found)
