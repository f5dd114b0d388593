"""Putting a trained run into a registry; then, if it may, `latest` moves. Never to a run that its gate refused."""

from serin_core import runs
from serin_training.registry.files import run_files
from serin_training.registry.registry import Registry
from serin_training.training import TrainedRun


def publish(run: TrainedRun, registry: Registry, *, page: str | None = None) -> str:
    """Store a run and answer where; `latest` moves where the report says deployed. Raises RegistryError.

    `page` is the report for people, which then lies beside the report for programs.
    """
    files = run_files(run) | ({} if page is None else {runs.PAGE: page.encode()})
    place = registry.publish(run.name, files)
    if run.report.deployed:
        registry.point_latest(run.name)
    return place
