"""Putting a trained run into a registry; then, if it may, `latest` moves. Never to a run that its gate refused."""

from serin_training.registry.files import run_files
from serin_training.registry.registry import Registry
from serin_training.training import TrainedRun


def publish(run: TrainedRun, registry: Registry) -> str:
    """Store a run and answer where; `latest` moves where the report says deployed. Raises RegistryError."""
    place = registry.publish(run.name, run_files(run))
    if run.report.deployed:
        registry.point_latest(run.name)
    return place
