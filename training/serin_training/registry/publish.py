"""Publish a trained run to a registry, and let `latest` name it if its acceptance gate passed."""

from pathlib import Path

from serin_core.model import manifest
from serin_training.registry.files import run_files
from serin_training.registry.keys import read_signing_key
from serin_training.registry.writer import Registry
from serin_training.training import TrainedRun


def publish(run: TrainedRun, registry: Registry, *, page: str | None = None, signing_key: Path | None = None) -> str:
    """Store a run and return where it is; `latest` moves to it if its report says `deployed`.

    `page` is the report as HTML, stored beside the JSON report. `signing_key` is the file of the private key that signs
    the manifest; without it the run is not signed. Raises RegistryError, OptionError.
    """
    sign = None if signing_key is None else read_signing_key(signing_key)
    files = run_files(run) | ({} if page is None else {manifest.PAGE: page.encode()})
    place = registry.publish(run.name, files, sign=sign)
    if run.report.deployed:
        registry.point_latest(run.name)
    return place
