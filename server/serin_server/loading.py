"""Reading a run from the registry: hash first, then open; and asking its trees.

Only what serving needs is opened, no pickle among it. A run is handed out only when its own answers to the parity rows
equal, bit for bit, what training's pipeline answered.
"""

import json
import math
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from serin_core.calibration import IDENTITY, Calibration, CalibrationError
from serin_core.documents import LoadedRun
from serin_core.encoder import Encoder, EncoderError, Floats, probabilities
from serin_core.features import NUMBERS, Transaction
from serin_core.pods import RunQuality
from serin_core.runs import (
    CALIBRATION,
    CLASSES,
    ENCODER,
    MANIFEST,
    MODEL,
    PARITY,
    REPORT,
    RUNS_DIRECTORY,
    SERVING,
    WEIGHTS,
    Manifest,
    ParityRow,
    Report,
    RunError,
    digest,
    is_run_name,
    parse_classes,
    parse_parity,
    verify,
)
from serin_core.signing import SIGNATURE, SignatureError
from serin_core.signing import verify as verify_signature
from serin_server.predictor import Prediction, Ranked
from serin_server.runs import RegistryAwayError, RunRefusedError
from serin_server.trees import FastTrees

MOST_BYTES: Final = 1 << 30
"""The largest file of a run that is read."""
REMEMBERED: Final = 8192
"""So many merchants' scores are kept: at 20 classes about 2 MB."""
CANDIDATES: Final = 3
"""How many classes an answer names."""


@dataclass(frozen=True, slots=True)
class TreesPredictor:
    """A run in memory. Implements predictor.Predictor."""

    run: str
    digest: str
    classes: tuple[str, ...]
    quality: RunQuality
    f1: Mapping[str, float]
    _encoder: Encoder = field(repr=False)
    _merchant_scores: Callable[[str], Floats] = field(repr=False)
    """Of the encoder, for the most frequent merchants from memory."""
    _trees: FastTrees = field(repr=False)
    _calibration: Calibration = field(repr=False)

    def predict(self, transaction: Transaction, *, calibrated: bool) -> Prediction:
        """Answer the most probable classes, best first."""
        calibration = self._calibration if calibrated else IDENTITY
        scores = self._encoder.described(self._merchant_scores(transaction.merchant), transaction.description)
        corrections = self._trees.corrections(self._encoder.numbers(transaction))
        ranked = calibration.rank(self.classes, probabilities(scores, corrections).tolist(), most=CANDIDATES)
        return Prediction(tuple(Ranked(label, confidence) for label, confidence in ranked))

    def corrections(self, numbers: Sequence[float]) -> Floats:
        """Answer what the trees add to the starting point, in the order of `classes`."""
        return self._trees.corrections(numbers).copy()


class RegistryReader:
    """Reads runs of one registry. Implements runs.Read."""

    def __init__(self, registry: str, *, public_key: str = "") -> None:
        """Take where it is, and the PEM keys of which one must have signed a run; "": signatures are not looked at."""
        self._registry, self._public_key = registry, public_key

    def __call__(self, wanted: LoadedRun) -> TreesPredictor:
        """Answer the run, checked and ready. Raises RunRefusedError, RegistryAwayError."""
        root = _root(self._registry)
        folder = root / RUNS_DIRECTORY / wanted.run
        if not _is_folder(root):
            raise RegistryAwayError(f"the registry {self._registry} is not there")
        if not is_run_name(wanted.run) or not _is_folder(folder):
            raise RunRefusedError(f"{wanted.run} is not in the registry {self._registry}")
        manifest_text = _read(folder / MANIFEST)
        found = digest(manifest_text)
        if wanted.digest not in (None, found):
            raise RunRefusedError(f"its digest is {found}, wanted is {wanted.digest}", digest=found)
        if self._public_key:
            _check_signature(folder, manifest_text, found, self._public_key)
        try:
            manifest = Manifest.parse(manifest_text)
            files = {name: _read(folder / name) for name in SERVING}
            verify(manifest, run=wanted.run, files=files)
            return _open(wanted.run, found, files)
        except (RunError, EncoderError, CalibrationError) as error:
            raise RunRefusedError(str(error), digest=found) from None
        except ValueError as error:
            raise RunRefusedError(f"its files do not fit: {' '.join(str(error).split())[:200]}", digest=found) from None


def _root(registry: str) -> Path:
    parts = urlsplit(registry)
    if parts.scheme not in ("", "file"):
        raise RunRefusedError(f"registry {registry}: {parts.scheme}:// is not supported yet; give a directory")
    return Path(unquote(parts.path))


def _check_signature(folder: Path, manifest: bytes, found: str, public_key: str) -> None:
    if not (folder / SIGNATURE).exists():
        raise RunRefusedError(f"{SIGNATURE}: it is not signed, and this server takes signed runs only", digest=found)
    try:
        verify_signature(manifest, _read(folder / SIGNATURE), public_key.encode())
    except SignatureError as error:
        raise RunRefusedError(str(error), digest=found) from None


def _is_folder(path: Path) -> bool:
    # Path.is_dir() would take a volume that does not answer for a folder that is not there.
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise RegistryAwayError(f"{path}: {error.strerror}") from None


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RunRefusedError(f"{path.name}: it is larger than {MOST_BYTES} bytes")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise RunRefusedError(f"{path.name}: {error.strerror}") from None
    except OSError as error:
        raise RegistryAwayError(f"{path}: {error.strerror}") from None


def _open(run: str, found: str, files: Mapping[str, bytes]) -> TreesPredictor:
    report = Report.parse(files[REPORT])
    classes = parse_classes(files[CLASSES])
    encoder = Encoder.from_files(json.loads(files[ENCODER]), files[WEIGHTS])
    if encoder.classes != classes:
        raise RunError(f"{ENCODER}: its classes are not those of {CLASSES}")
    predictor = TreesPredictor(
        run=run,
        digest=found,
        classes=classes,
        quality=RunQuality(f1_macro=report.val_f1_macro, f1_min=report.val_f1_min),
        f1=report.val_f1_per_class,
        _encoder=encoder,
        _merchant_scores=lru_cache(REMEMBERED)(encoder.merchant_scores),
        _trees=FastTrees(files[MODEL].decode("utf-8"), classes=len(classes), numbers=len(NUMBERS)),
        _calibration=Calibration.from_json(json.loads(files[CALIBRATION])),
    )
    for number, row in enumerate(parse_parity(files[PARITY])):
        _check_parity(predictor, encoder, row, number)
    return predictor


def _check_parity(predictor: TreesPredictor, encoder: Encoder, row: ParityRow, number: int) -> None:
    scores, numbers = encoder.scores(row.transaction()), encoder.numbers(row.transaction())
    corrections = predictor.corrections(row.numbers)
    found = tuple(scores.tolist()), tuple(numbers), tuple(corrections.tolist())
    if found != (row.scores, row.numbers, row.corrections):
        raise RunError(f"{PARITY}: row {number}: this server computes other numbers than training did")
    first = predictor.predict(row.transaction(), calibrated=True).first
    if first.label != row.label or not math.isclose(first.confidence, row.confidence, abs_tol=1e-9):
        raise RunError(f"{PARITY}: row {number}: this server answers {first.label}, training answered {row.label}")
