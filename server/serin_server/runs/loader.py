"""Loading a run from the registry: hashes are verified before any file is parsed.

Only the files that serving needs are parsed, and no pickle is. A run is returned only if it computes, bit for bit, what
training computed for the parity rows.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Final
from weakref import WeakValueDictionary

from serin_core.contract.documents import LoadedRun
from serin_core.contract.pod_report import RunQuality
from serin_core.model.calibration import Calibration, CalibrationError
from serin_core.model.encoder import Encoder, EncoderError
from serin_core.model.features import NUMBERS
from serin_core.model.manifest import (
    CALIBRATION,
    CLASSES,
    ENCODER,
    MANIFEST,
    MODEL,
    PARITY,
    REPORT,
    SERVING,
    WEIGHTS,
    Manifest,
    RunError,
    digest,
    is_run_name,
    parse_classes,
    verify,
)
from serin_core.model.parity import ParityRow, parse_parity
from serin_core.model.report import Report
from serin_core.model.signing import SIGNATURE, SignatureError
from serin_core.model.signing import verify as verify_signature
from serin_server.registry.absent import AbsentError
from serin_server.registry.cache import Cache, NoCache
from serin_server.registry.source import open_source
from serin_server.runs.gil_yield import yielding_gil
from serin_server.runs.lightgbm_predictor import FastTrees, TreesError
from serin_server.runs.lightgbm_validation import checked_trees
from serin_server.runs.loaded_runs import RegistryAwayError, RunRefusedError
from serin_server.runs.model import Texts, TreesPredictor

MOST_BYTES: Final = 256 << 20
"""Maximum size of a file of a run."""
MOST_MANIFEST_BYTES: Final = 1 << 20


class RegistryReader:
    """Loads runs of one registry. Implements loaded_runs.RunReader. Used by one thread at a time."""

    def __init__(self, registry: str, *, cache: Cache | None = None, public_key: str = "") -> None:
        """`cache` keeps files of a remote registry; `public_key` holds PEM keys, "" for unsigned runs.

        Raises SettingsError.
        """
        self._source = open_source(registry)
        self._cache = cache if cache is not None and self._source.is_remote else NoCache()
        self._public_key = public_key
        self._open_runs: WeakValueDictionary[tuple[str, str], TreesPredictor] = WeakValueDictionary()

    def __call__(self, wanted: LoadedRun) -> TreesPredictor:
        """Return the run, checked and ready for predictions. Raises RunRefusedError, RegistryAwayError."""
        if not is_run_name(wanted.run):
            raise RunRefusedError(f"{wanted.run} is not in the registry {self._source.uri}")
        manifest_text = self._manifest(wanted)
        found = digest(manifest_text)
        if wanted.digest not in (None, found):
            raise RunRefusedError(f"its digest is {found}, expected {wanted.digest}", digest=found)
        try:
            if self._public_key:
                self._check_signature(wanted.run, manifest_text)
            manifest = Manifest.parse(manifest_text)
            verify(manifest, run=wanted.run, files={})
            files = {name: self._file(manifest, name) for name in SERVING}
            verify(manifest, run=wanted.run, files=files)
        except (RunError, AbsentError, RunRefusedError) as error:
            raise RunRefusedError(str(error), digest=found) from None
        for content in (manifest_text, *files.values()):
            self._cache.keep(content)
        return self._opened(wanted.run, found, files)

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

    def _manifest(self, wanted: LoadedRun) -> bytes:
        try:
            return self._source.read(wanted.run, MANIFEST, most=MOST_MANIFEST_BYTES)
        except AbsentError as error:
            if self._source.is_remote:
                raise RunRefusedError(f"{wanted.run} is not in the registry {self._source.uri}") from None
            raise RunRefusedError(str(error)) from None
        except RegistryAwayError:
            kept = wanted.digest and self._cache.find(_hex(wanted.digest), most=MOST_MANIFEST_BYTES)
            if not kept:
                raise
            # The digest identifies the bytes, wherever they come from.
            return kept

    def _file(self, manifest: Manifest, name: str) -> bytes:
        entry = manifest.files.get(name)
        if entry is None:
            raise RunError(f"{name}: the manifest does not name it")
        if entry.size > MOST_BYTES:
            raise RunError(f"{name}: it is larger than {MOST_BYTES} bytes")
        kept = self._cache.find(entry.sha256, most=entry.size)
        return self._source.read(manifest.run, name, most=entry.size) if kept is None else kept

    def _check_signature(self, run: str, manifest: bytes) -> None:
        try:
            signature = self._source.read(run, SIGNATURE, most=MOST_MANIFEST_BYTES)
        except AbsentError:
            raise RunError(f"{SIGNATURE}: it is missing, and this server requires signed runs") from None
        try:
            verify_signature(manifest, signature, self._public_key.encode())
        except SignatureError as error:
            raise RunError(str(error)) from None


def _hex(found: str) -> str:
    return found.removeprefix("sha256:")


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
        quality=RunQuality(f1_macro=report.val_f1_macro, f1_min=report.val_f1_min, coverage=report.coverage_by_class),
        f1=report.val_f1_per_class,
        _encoder=encoder,
        _texts=Texts(encoder),
        _trees=FastTrees(trees, classes=len(classes), numbers=len(NUMBERS)),
        _calibration=Calibration.from_json(json.loads(files[CALIBRATION])),
    )
    pause()
    rows = parse_parity(files[PARITY])
    if not rows:
        raise RunError(f"{PARITY}: it has no rows to verify the predictions of this server with")
    for number, row in enumerate(rows):
        pause()
        _check_parity(predictor, encoder, row, number)
    return predictor


def _check_parity(predictor: TreesPredictor, encoder: Encoder, row: ParityRow, number: int) -> None:
    scores, numbers = encoder.scores(row.transaction()), encoder.numbers(row.transaction())
    corrections = predictor.corrections(row.numbers)
    found = tuple(scores.tolist()), tuple(numbers), tuple(corrections)
    if found != (row.scores, row.numbers, row.corrections):
        raise RunError(f"{PARITY}: row {number}: this server computes different numbers than training")
    first = predictor.predict(row.transaction(), calibrated=True).first
    if first.label != row.label or not math.isclose(first.confidence, row.confidence, abs_tol=1e-9):
        raise RunError(f"{PARITY}: row {number}: this server predicts {first.label}, training predicted {row.label}")
