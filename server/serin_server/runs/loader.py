"""Loading a run from the registry: hashes are verified before any file is parsed.

Only the files that serving needs are parsed, and no pickle is. A run is returned only if it computes, bit for bit, what
training computed for the parity rows.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from weakref import WeakValueDictionary

from serin_core.contract.documents import LoadedRun
from serin_core.contract.pod_report import RunQuality
from serin_core.model.calibration import Calibration, CalibrationError
from serin_core.model.encoder import Encoder, EncoderError
from serin_core.model.features import NUMBERS
from serin_core.model.inputs import InputBins
from serin_core.model.lightgbm_text import TreesError, checked_trees
from serin_core.model.manifest import (
    CALIBRATION,
    CLASSES,
    ENCODER,
    MODEL,
    PARITY,
    REPORT,
    SERVING,
    WEIGHTS,
    RunError,
    is_run_name,
    parse_classes,
)
from serin_core.model.parity import ParityRow, parse_parity
from serin_core.model.report import Report
from serin_registry.cache import NO_CACHE, Cache
from serin_registry.errors import AddressError, RunRefusedError
from serin_registry.reader import Reader, open_reader
from serin_registry.verification import read_files, read_manifest
from serin_server.runs.gil_yield import yielding_gil
from serin_server.runs.lightgbm_predictor import FastTrees
from serin_server.runs.model import Texts, TreesPredictor
from serin_server.settings import SettingsError


class RegistryReader:
    """Loads runs of one registry. Implements loaded_runs.RunReader. Used by one thread at a time."""

    def __init__(self, registry: str, *, cache: Cache = NO_CACHE, public_key: str = "") -> None:
        """Open the registry at this address; its files are cached where reading them costs requests.

        `public_key` holds PEM keys of which one must have signed a run; without it, signatures are ignored. Raises
        SettingsError.
        """
        self._source = open_registry(registry)
        self._cache = cache if self._source.is_remote else NO_CACHE
        self._public_key = public_key.encode()
        self._open_runs: WeakValueDictionary[tuple[str, str], TreesPredictor] = WeakValueDictionary()

    def __call__(self, wanted: LoadedRun) -> TreesPredictor:
        """Return the run, verified and ready to predict. Raises RegistryError."""
        if not is_run_name(wanted.run):
            raise RunRefusedError(f"{wanted.run} is not the name of a run")
        found = read_manifest(
            self._source,
            wanted.run,
            required_digest=wanted.digest,
            public_key=self._public_key,
            cache=self._cache,
        )
        files = read_files(self._source, found, SERVING, cache=self._cache)
        for content in (found.text, *files.values()):
            self._cache.keep(content)
        return self._opened(wanted.run, found.digest, files)

    def _opened(self, run: str, found: str, files: Mapping[str, bytes]) -> TreesPredictor:
        # The same bytes make the same run, so the one in use is not built again. Its buffers belong to the event loop:
        # it must not be used for predictions here.
        in_use = self._open_runs.get((run, found))
        if in_use is not None:
            return in_use
        try:
            with yielding_gil() as pause:
                opened = _open(run, found, files, pause)
        except (RunError, EncoderError, CalibrationError, TreesError) as error:
            raise RunRefusedError(str(error), digest=found) from None
        except (ValueError, OverflowError, RecursionError, MemoryError) as error:
            message = " ".join(str(error).split())[:200] or type(error).__name__
            raise RunRefusedError(f"its files are not consistent: {message}", digest=found) from None
        self._open_runs[run, found] = opened
        return opened


def open_registry(uri: str) -> Reader:
    """Open a registry by a path or a URI; nothing is read yet. Raises SettingsError."""
    try:
        return open_reader(uri)
    except AddressError as error:
        raise SettingsError(str(error)) from None


def _open(run: str, found: str, files: Mapping[str, bytes], pause: Callable[[], None]) -> TreesPredictor:
    report = Report.parse(files[REPORT])
    pause()
    if report.run_directory != run:
        raise RunError(f"{REPORT}: it is the report of {report.run_directory}")
    classes = parse_classes(files[CLASSES])
    words = json.loads(files[ENCODER])
    pause()
    encoder = Encoder.from_files(words, files[WEIGHTS])
    pause()
    if encoder.classes != classes:
        raise RunError(f"{ENCODER}: its classes differ from those in {CLASSES}")
    trees = checked_trees(files[MODEL].decode("utf-8"), classes=len(classes), numbers=len(NUMBERS), pause=pause)
    predictor = TreesPredictor(
        run=run,
        digest=found,
        classes=classes,
        quality=_quality(report, classes),
        f1=report.val_f1_per_class,
        _encoder=encoder,
        _texts=Texts(encoder),
        _trees=FastTrees(trees, classes=len(classes), numbers=len(NUMBERS)),
        _calibration=Calibration.from_json(json.loads(files[CALIBRATION]), report.aging, report.correction),
        recalibration=report.recalibration,
        input_bins=InputBins.of(report.profile),
    )
    pause()
    rows = parse_parity(files[PARITY])
    if not rows:
        raise RunError(f"{PARITY}: it has no rows to verify the predictions of this server with")
    for number, row in enumerate(rows):
        pause()
        _check_parity(predictor, encoder, row, number)
    return predictor


def _quality(report: Report, classes: Sequence[str]) -> RunQuality:
    return RunQuality(
        f1_macro=report.val_f1_macro,
        f1_min=report.val_f1_min,
        coverage=report.coverage_by_class,
        classes=tuple(classes),
        calibration_error=report.val_calibration_error if report.calibration_enabled else None,
        uncalibrated_error=report.val_calibration_error_uncalibrated,
    )


def _check_parity(predictor: TreesPredictor, encoder: Encoder, row: ParityRow, number: int) -> None:
    scores, numbers = encoder.scores(row.transaction()), encoder.numbers(row.transaction())
    corrections = predictor.corrections(row.numbers)
    found = tuple(scores.tolist()), tuple(numbers), tuple(corrections)
    if found != (row.scores, row.numbers, row.corrections):
        raise RunError(f"{PARITY}: row {number}: this server computes different numbers than training")
    first = predictor.predict(row.transaction(), calibrated=True).first
    if first.label != row.label or not math.isclose(first.confidence, row.confidence, abs_tol=1e-9):
        raise RunError(f"{PARITY}: row {number}: this server predicts {first.label}, training predicted {row.label}")
