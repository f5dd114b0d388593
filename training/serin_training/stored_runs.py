"""Opening a run of a registry to predict with it: hashed first, then opened; no pickle among its files."""

import json

from serin_core.model import manifest as runs
from serin_core.model.calibration import Calibration, CalibrationError
from serin_core.model.encoder import Encoder, EncoderError
from serin_core.model.manifest import RunError
from serin_registry.errors import RunRefusedError
from serin_registry.reader import Reader
from serin_registry.verification import StoredRun, read_run_files
from serin_training.run_pipeline import RunPipeline
from serin_training.trees import Trees


def open_run(registry: Reader, name: str) -> tuple[StoredRun, RunPipeline]:
    """Read a run by any of its names, and the pipeline that predicts as it does. Raises RegistryError."""
    run, files = read_run_files(registry, name, runs.SERVING)
    try:
        encoder = Encoder.from_files(json.loads(files[runs.ENCODER]), files[runs.WEIGHTS])
        calibration = Calibration.from_json(json.loads(files[runs.CALIBRATION]))
        pipeline = RunPipeline(encoder, Trees(files[runs.MODEL].decode()), calibration)
    except (RunError, EncoderError, CalibrationError, ValueError) as error:
        raise RunRefusedError(f"{run.name}: {error}") from None
    return run, pipeline
