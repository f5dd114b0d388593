"""Opening a run of a registry, as a server does: hash first, then open; no pickle among it."""

import json
from dataclasses import dataclass

from serin_core.model import manifest as runs
from serin_core.model import signing
from serin_core.model.calibration import Calibration, CalibrationError
from serin_core.model.encoder import Encoder, EncoderError
from serin_core.model.manifest import Manifest, Report, RunError
from serin_core.model.signing import SignatureError
from serin_training.errors import RegistryError
from serin_training.registry.writer import Registry
from serin_training.run_pipeline import RunPipeline
from serin_training.trees import Trees


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run of a registry."""

    name: str
    digest: str
    report: Report
    manifest: Manifest


def resolve(registry: Registry, name: str) -> str:
    """Answer a run's name from itself, from its first part `run_<8 hex>`, or from `latest`. Raises RegistryError."""
    if runs.is_run_name(name):
        return name
    if name == runs.LATEST:
        found = registry.latest()
        if found is None:
            raise RegistryError(f"{registry.uri}: there is no latest run; none has passed its acceptance gate yet")
        return found
    matching = [one for one in registry.runs() if one.startswith(f"{name}_")]
    if len(matching) != 1:
        raise RegistryError(f"{registry.uri}: {name!r} names {len(matching)} runs; `serin runs list` shows them")
    return matching[0]


def read_run(registry: Registry, name: str) -> StoredRun:
    """Read manifest and report of a run. Raises RegistryError."""
    name = resolve(registry, name)
    text = registry.read(name, runs.MANIFEST)
    try:
        manifest = Manifest.parse(text)
        report = registry.read(name, runs.REPORT)
        runs.verify(manifest, run=name, files={runs.REPORT: report})
        return StoredRun(name, runs.digest(text), Report.parse(report), manifest)
    except RunError as error:
        raise RegistryError(f"{name}: {error}") from None


def verify_run(registry: Registry, name: str, *, public_key: bytes | None = None) -> StoredRun:
    """Check every file of a run against its manifest. Raises RegistryError with all that is wrong.

    With a public key the manifest's signature is checked first; a run without one is refused then.
    """
    run = read_run(registry, name)
    if public_key is not None:
        _verify_signature(registry, run, public_key)
    found = {file: runs.FileEntry.of(registry.read(run.name, file)) for file in run.manifest.files}
    wrong = runs.differences(run.manifest, found)
    if wrong:
        raise RegistryError(f"{run.name}: {'; '.join(wrong)}")
    return run


def _verify_signature(registry: Registry, run: StoredRun, public_key: bytes) -> None:
    manifest = registry.read(run.name, runs.MANIFEST)
    if runs.digest(manifest) != run.digest:
        raise RegistryError(f"{run.name}: its manifest changed while it was read")
    try:
        signature = registry.read(run.name, signing.SIGNATURE)
    except RegistryError as error:
        raise RegistryError(f"{run.name}: it is not signed, or its signature cannot be read: {error}") from None
    try:
        signing.verify(manifest, signature, public_key)
    except SignatureError as error:
        raise RegistryError(f"{run.name}: {error}") from None


def open_run(registry: Registry, name: str) -> tuple[StoredRun, RunPipeline]:
    """Open a run to ask it. Raises RegistryError."""
    run = read_run(registry, name)
    files = {file: registry.read(run.name, file) for file in runs.SERVING}
    try:
        runs.verify(run.manifest, run=run.name, files=files)
        encoder = Encoder.from_files(json.loads(files[runs.ENCODER]), files[runs.WEIGHTS])
        calibration = Calibration.from_json(json.loads(files[runs.CALIBRATION]))
        pipeline = RunPipeline(encoder, Trees(files[runs.MODEL].decode()), calibration)
    except (RunError, EncoderError, CalibrationError, ValueError) as error:
        raise RegistryError(f"{run.name}: {error}") from None
    return run, pipeline
