"""Putting a trained run into a registry; then, if it may, `latest` moves. Never to a run that its gate refused."""

from pathlib import Path

from serin_core.model import manifest
from serin_training.registry.files import run_files
from serin_training.registry.keys import read_signing_key
from serin_training.registry.writer import Registry
from serin_training.training import TrainedRun


def publish(run: TrainedRun, registry: Registry, *, page: str | None = None, signing_key: Path | None = None) -> str:
    """Store a run and answer where; `latest` moves where the report says deployed. Raises RegistryError, OptionError.

    `page` is the report for people, which then lies beside the report for programs. `signing_key` is the file of the
    private key that signs the manifest; without it the run is not signed.
    """
    sign = None if signing_key is None else read_signing_key(signing_key)
    files = run_files(run) | ({} if page is None else {manifest.PAGE: page.encode()})
    place = registry.publish(run.name, files, sign=sign)
    if run.report.deployed:
        registry.point_latest(run.name)
    return place
