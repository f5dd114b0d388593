"""Reading a run from the registry: hash first, then open.

Only what serving needs is opened, no pickle among it. A run is handed out only when its own answers to the parity rows
equal, bit for bit, what training's pipeline answered.
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
from serin_server.runs.gil_yield import giving_way
from serin_server.runs.lightgbm_predictor import FastTrees, TreesError
from serin_server.runs.lightgbm_validation import checked_trees
from serin_server.runs.loaded_runs import RegistryAwayError, RunRefusedError
from serin_server.runs.model import Texts, TreesPredictor

MOST_BYTES: Final = 256 << 20
"""The largest file of a run that is read."""
MOST_MANIFEST_BYTES: Final = 1 << 20


class RegistryReader:
    """Reads runs of one registry. Implements runs.Read. Used by one thread at a time."""

    def __init__(self, registry: str, *, cache: Cache | None = None, public_key: str = "") -> None:
        """Take where it is, what keeps files of a registry that is far, and who must have signed a run.

        `public_key` holds PEM keys of which one must have signed; "": signatures are not looked at. Raises
        SettingsError.
        """
        self._source = open_source(registry)
        self._cache = cache if cache is not None and self._source.is_remote else NoCache()
        self._public_key = public_key
        self._open_runs: WeakValueDictionary[tuple[str, str], TreesPredictor] = WeakValueDictionary()

    def __call__(self, wanted: LoadedRun) -> TreesPredictor:
        """Answer the run, checked and ready. Raises RunRefusedError, RegistryAwayError."""
        if not is_run_name(wanted.run):
            raise RunRefusedError(f"{wanted.run} is not in the registry {self._source.uri}")
        manifest_text = self._manifest(wanted)
        found = digest(manifest_text)
        if wanted.digest not in (None, found):
            raise RunRefusedError(f"its digest is {found}, wanted is {wanted.digest}", digest=found)
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
        # The same bytes, read and hashed anew, make the same run: the one in use needs no rebuilding. Its scratch
        # buffers belong to the event loop, so it must not be asked from here.
        in_use = self._open_runs.get((run, found))
        if in_use is not None:
            return in_use
        try:
            with giving_way() as pause:
                opened = _open(run, found, files, pause)
        except (RunError, EncoderError, CalibrationError, TreesError) as error:
            raise RunRefusedError(str(error), digest=found) from None
        except (ValueError, OverflowError, RecursionError, MemoryError) as error:
            told = " ".join(str(error).split())[:200] or type(error).__name__
            raise RunRefusedError(f"its files do not fit: {told}", digest=found) from None
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
            # It is these very bytes that are wanted, wherever they come from.
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
            raise RunError(f"{SIGNATURE}: it is not signed, and this server takes signed runs only") from None
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
        raise RunError(f"{ENCODER}: its classes are not those of {CLASSES}")
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
        raise RunError(f"{PARITY}: it holds no row, so nothing shows that this server computes what training did")
    for number, row in enumerate(rows):
        pause()
        _check_parity(predictor, encoder, row, number)
    return predictor


def _check_parity(predictor: TreesPredictor, encoder: Encoder, row: ParityRow, number: int) -> None:
    scores, numbers = encoder.scores(row.transaction()), encoder.numbers(row.transaction())
    corrections = predictor.corrections(row.numbers)
    found = tuple(scores.tolist()), tuple(numbers), tuple(corrections)
    if found != (row.scores, row.numbers, row.corrections):
        raise RunError(f"{PARITY}: row {number}: this server computes other numbers than training did")
    first = predictor.predict(row.transaction(), calibrated=True).first
    if first.label != row.label or not math.isclose(first.confidence, row.confidence, abs_tol=1e-9):
        raise RunError(f"{PARITY}: row {number}: this server answers {first.label}, training answered {row.label}")
