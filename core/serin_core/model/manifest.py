"""Runs: what a training leaves behind, how it is named, and how its bytes are checked before anything opens them.

    <registry>/ledger_suggestions/run_<8 hex>_<unix time>/
        manifest.json      every other file's sha256 and size; its own sha256 is the run's digest
        manifest.sig       optional: the manifest's signature (see signing)
        meta.json          the training report
        report.html        the same for people, without the text of any transaction
        classes.json model.txt encoder.json weights.npy calibration.json parity.json     what serving needs, no pickle
        pipeline.joblib calibrator.pkl                                       for people who work in scikit-learn

Never reads a file: bytes, sizes and hashes come in as arguments.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from serin_core.api.spec import RUN_PATTERN
from serin_core.contract.documents import one_line
from serin_core.model.features import Transaction

RUNS_DIRECTORY: Final = "ledger_suggestions"
LATEST: Final = "latest"
MANIFEST: Final = "manifest.json"
REPORT: Final = "meta.json"
PAGE: Final = "report.html"
CLASSES: Final = "classes.json"
MODEL: Final = "model.txt"
ENCODER: Final = "encoder.json"
WEIGHTS: Final = "weights.npy"
CALIBRATION: Final = "calibration.json"
PARITY: Final = "parity.json"
PIPELINE: Final = "pipeline.joblib"
CALIBRATOR: Final = "calibrator.pkl"
SERVING: Final = (REPORT, CLASSES, MODEL, ENCODER, WEIGHTS, CALIBRATION, PARITY)
"""What a server reads, all of it after its hash."""

_T = TypeVar("_T", bound=BaseModel)
_RUN = re.compile(RUN_PATTERN)
_FILE_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_Share = Annotated[float, Field(ge=0, le=1)]


class RunError(ValueError):
    """A run that cannot be used. The message is one line: which file, and what is wrong with it."""


def is_run_name(name: str) -> bool:
    """Answer whether this is how a run's directory is named."""
    return _RUN.fullmatch(name) is not None


def run_name(run_id: str, *, unix_time: int) -> str:
    """Answer the directory name of a run, from `run_<8 hex>` and a time in seconds. Raises RunError."""
    name = f"{run_id}_{unix_time}"
    if not is_run_name(name):
        raise RunError(f"{name!r} is no name of a run; it would be run_<8 hex>_<unix time>")
    return name


def parse_run_name(name: str) -> tuple[str, int]:
    """Answer the run's ID, `run_<8 hex>`, and its time in seconds, from its directory name. Raises RunError."""
    if not is_run_name(name):
        raise RunError(f"{name!r} is no name of a run; it would be run_<8 hex>_<unix time>")
    run_id, _, seconds = name.rpartition("_")
    return run_id, int(seconds)


def age_order(name: str) -> tuple[int, str]:
    """Answer by what runs are sorted, oldest first. Raises RunError."""
    run_id, seconds = parse_run_name(name)
    return seconds, run_id


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Strict):
    """What is known of one file."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="In bytes.")

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Answer the entry of a file with this content."""
        return cls(sha256=sha256(content), size=len(content))


class Manifest(_Strict):
    """Every file of a run but this one, with its hash and size."""

    schema_version: Literal[1] = 1
    run: str = Field(pattern=RUN_PATTERN)
    files: dict[Annotated[str, Field(pattern=_FILE_NAME)], FileEntry]

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read manifest.json. Raises RunError."""
        return _parse(cls, text, MANIFEST)

    @classmethod
    def of(cls, run: str, files: Mapping[str, bytes]) -> Self:
        """Answer the manifest of these contents, by file name."""
        return cls(run=run, files={name: FileEntry.of(content) for name, content in sorted(files.items())})

    def text(self) -> bytes:
        """Write it: the same bytes for the same run."""
        return (self.model_dump_json(indent=1) + "\n").encode()


def sha256(content: bytes) -> str:
    """Answer the sha256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def digest(manifest: bytes) -> str:
    """Answer a run's digest: that of its manifest's bytes."""
    return f"sha256:{sha256(manifest)}"


def differences(manifest: Manifest, found: Mapping[str, FileEntry]) -> list[str]:
    """Answer what differs between a run's files and its manifest, one sentence a file, in order; empty if nothing."""
    sentences = []
    for name in sorted({*manifest.files, *found} - {MANIFEST}):
        match manifest.files.get(name), found.get(name):
            case None, _:
                sentences.append(f"{name}: the manifest does not name it")
            case _, None:
                sentences.append(f"{name}: it is missing")
            case FileEntry(size=size), FileEntry(size=other) if size != other:
                sentences.append(f"{name}: it has {other} bytes, the manifest says {size}")
            case wanted, entry if wanted != entry:
                sentences.append(f"{name}: its sha256 is not the one in the manifest")
    return sentences


def verify(manifest: Manifest, *, run: str, files: Mapping[str, bytes]) -> None:
    """Check that these contents are what the manifest of this run names. Raises RunError for the first difference.

    `files` may be fewer than the manifest names (a server reads only SERVING), but none that it does not name.
    """
    if manifest.run != run:
        raise RunError(f"{MANIFEST}: it is the manifest of {manifest.run}, not of {run}")
    only = {name: entry for name, entry in manifest.files.items() if name in files}
    found = {name: FileEntry.of(content) for name, content in files.items()}
    wrong = differences(manifest.model_copy(update={"files": only}), found)
    if wrong:
        raise RunError(wrong[0])


class Coverage(BaseModel):
    """At one threshold, on held-out rows: the share answered at or over it, and the share of those right."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    coverage: _Share
    precision: _Share
    """0 where nothing is covered."""


class ClassCoverage(BaseModel):
    """One class on held-out rows: the share of all rows that were answered with it, and its coverage by threshold."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    share: _Share
    by_threshold: dict[str, Coverage]


class Profile(BaseModel):
    """What the judging rows looked like to the run: counts, by which newer rows are compared (`serin drift`)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    rows: int
    categories: dict[str, int]
    """What people said."""
    answers: dict[str, int]
    """What the run answered."""
    confidence: tuple[int, ...]
    """Answers by confidence, in bins of equal width from 0 to 1."""
    new_merchants: int
    """Rows whose merchant's name the run does not know whole."""
    numbers: dict[str, tuple[int, ...]]
    """Of each number that the trees read, rows by the bins of `edges`; the first are those below every edge."""
    edges: dict[str, tuple[float, ...]]
    monthly: dict[str, tuple[int, int]]
    """By month, rows and right answers."""


class Report(BaseModel):
    """The training report, meta.json, in the runbook's words. Shares and scores lie in 0 to 1.

    All `val_` figures and coverages are of the newest rows, which neither trees nor calibrators saw, calibrated where
    `calibration_enabled`. Fields of later versions are ignored, so that an older server still reads a newer run.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    run_id: str
    """`run_<8 hex>`; the directory adds the time."""
    run_directory: str = Field(pattern=RUN_PATTERN)
    """What `spec.runID` names."""
    created_at: str
    val_f1_macro: _Share
    val_f1_min: _Share
    val_f1_per_class: dict[str, _Share]
    val_accuracy: _Share
    val_calibration_error: _Share = 0.0
    """Expected calibration error, over 15 bins."""
    val_calibration_error_uncalibrated: _Share = 0.0
    val_f1_by_split: dict[str, _Share] = {}
    """Macro F1 of the linear model alone, where the newest rows, whole merchants, or any rows are held out."""
    gate_f1_macro: _Share = 0.72
    """What the acceptance gate asked for when the run was judged."""
    gate_f1_min: _Share = 0.60
    passed_acceptance_gate: bool
    deployed: bool
    """Whether training was asked to move `latest` to this run, and the gate allowed it."""
    deploy_reason: str
    calibration_enabled: bool
    classes_without_own_calibration: tuple[str, ...] = ()
    """Classes with too few rows for a calibrator: they take that of all classes, or none (see the warnings)."""
    coverage_by_threshold: dict[str, Coverage]
    """By threshold, as "0.70"."""
    coverage_by_class: dict[str, ClassCoverage]
    rows: dict[str, int]
    """How many rows fitted the trees, fitted the calibrators, and judged: `fit`, `calibrate`, `judge`."""
    features: int
    """Words that the run knows, and numbers."""
    trees: int
    """In all, over all classes."""
    data_from: str
    data_to: str
    seed: int
    profile: Profile | None = None
    """None: written by an older version."""
    warnings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read meta.json. Raises RunError."""
        return _parse(cls, text, REPORT)


class ParityRow(_Strict):
    """A transaction made of words that the run knows, never a real one, and what training's pipeline answered to it."""

    merchant: str
    description: str
    amount: float
    channel: str
    timestamp: datetime | None
    scores: tuple[float, ...]
    """Encoder.scores of it; this and the next two are to be met bit for bit."""
    numbers: tuple[float, ...]
    """Encoder.numbers of it."""
    corrections: tuple[float, ...]
    """What its trees add, in the order of classes.json."""
    label: str
    confidence: float
    """Calibrated; to be met within 1e-9, for exponentials differ between machines."""

    def transaction(self) -> Transaction:
        """Answer it as a transaction."""
        return Transaction(
            txn_id="parity",
            merchant=self.merchant,
            description=self.description,
            amount=self.amount,
            channel=self.channel,
            timestamp=self.timestamp,
        )


_PARITY: Final = TypeAdapter(tuple[ParityRow, ...])
_CLASSES: Final = TypeAdapter(tuple[str, ...])


def parse_parity(text: bytes) -> tuple[ParityRow, ...]:
    """Read parity.json. Raises RunError."""
    try:
        return _PARITY.validate_json(text)
    except ValidationError as error:
        raise RunError(f"{PARITY}: {one_line(error)}") from None


def parity_text(rows: tuple[ParityRow, ...]) -> bytes:
    """Write parity.json."""
    return _PARITY.dump_json(rows, indent=1) + b"\n"


def parse_classes(text: bytes) -> tuple[str, ...]:
    """Read classes.json: a list of different names, in the order of the trees' probabilities. Raises RunError."""
    try:
        classes = _CLASSES.validate_json(text)
    except ValidationError as error:
        raise RunError(f"{CLASSES}: {one_line(error)}") from None
    if len(set(classes)) != len(classes):
        raise RunError(f"{CLASSES}: a class stands there twice")
    return classes


def _parse(kind: type[_T], text: bytes, name: str) -> _T:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise RunError(f"{name}: {one_line(error)}") from None
