"""The format of a run: its name, its files, and how their contents are verified before anything opens them.

    <registry>/ledger_suggestions/run_<8 hex>_<unix time>/
        manifest.json      sha256 and size of every other file; its own sha256 is the run's digest
        manifest.sig       optional: the signature of the manifest (see signing)
        meta.json          the training report (see report)
        report.html        the same as a page, without the text of any transaction
        NOTICE             licences of the outside knowledge in the run, if there is any
        classes.json model.txt encoder.json weights.npy calibration.json parity.json     used for serving; no pickle
        pipeline.joblib calibrator.pkl                                                   for use with scikit-learn

Never reads a file: bytes, sizes and hashes are arguments.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from serin_core.api.format_versions import Format
from serin_core.api.spec import RUN_PATTERN
from serin_core.contract.documents import one_line
from serin_core.model.values import text_error

RUNS_DIRECTORY: Final = "ledger_suggestions"
LATEST: Final = "latest"
MANIFEST: Final = "manifest.json"
REPORT: Final = "meta.json"
PAGE: Final = "report.html"
NOTICE: Final = "NOTICE"
CLASSES: Final = "classes.json"
MODEL: Final = "model.txt"
ENCODER: Final = "encoder.json"
WEIGHTS: Final = "weights.npy"
CALIBRATION: Final = "calibration.json"
PARITY: Final = "parity.json"
PIPELINE: Final = "pipeline.joblib"
CALIBRATOR: Final = "calibrator.pkl"
SERVING: Final = (REPORT, CLASSES, MODEL, ENCODER, WEIGHTS, CALIBRATION, PARITY)
"""The files that a server reads, each after its hash has been verified."""

_T = TypeVar("_T", bound=BaseModel)
_RUN = re.compile(RUN_PATTERN)
_FILE_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"


class RunError(ValueError):
    """A run that cannot be used. The message is one line that names the file and the problem."""


def is_run_name(name: str) -> bool:
    """Return whether this is a valid name of a run's directory."""
    return _RUN.fullmatch(name) is not None


def run_name(run_id: str, *, unix_time: int) -> str:
    """Return the directory name of a run, from `run_<8 hex>` and a time in seconds. Raises RunError."""
    name = f"{run_id}_{unix_time}"
    parse_run_name(name)
    return name


def parse_run_name(name: str) -> tuple[str, int]:
    """Return the run's ID, `run_<8 hex>`, and its time in seconds, from its directory name. Raises RunError."""
    if not is_run_name(name):
        raise RunError(f"{name!r} is not the name of a run, run_<8 hex>_<unix time>")
    run_id, _, seconds = name.rpartition("_")
    return run_id, int(seconds)


def age_order(name: str) -> tuple[int, str]:
    """Return the key that sorts runs, oldest first. Raises RunError."""
    run_id, seconds = parse_run_name(name)
    return seconds, run_id


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Strict):
    """Hash and size of one file."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="In bytes.")

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the entry of a file with this content."""
        return cls(sha256=sha256(content), size=len(content))


class Manifest(_Strict):
    """Hash and size of every file of a run except the manifest itself."""

    FORMAT: ClassVar[Format["Manifest"]] = Format("the manifest")

    schema_version: int = 1
    run: str = Field(pattern=RUN_PATTERN)
    files: dict[Annotated[str, Field(pattern=_FILE_NAME)], FileEntry]

    @field_validator("schema_version", mode="before")
    @classmethod
    def _is_known(cls, version: Any) -> int:
        return cls.FORMAT.check(version)

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Parse manifest.json. Raises RunError."""
        return parse_file(cls, text, MANIFEST)

    @classmethod
    def of(cls, run: str, files: Mapping[str, bytes]) -> Self:
        """Return the manifest of these contents, by file name."""
        found = cls(run=run, files={name: FileEntry.of(content) for name, content in sorted(files.items())})
        return found.model_copy(update={"schema_version": cls.FORMAT.lowest(found)})

    def text(self) -> bytes:
        """Return its text: the same bytes for the same run."""
        return (self.model_dump_json(indent=1) + "\n").encode()


def sha256(content: bytes) -> str:
    """Return the sha256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def digest(manifest: bytes) -> str:
    """Return the digest of a run, which is the hash of its manifest."""
    return f"sha256:{sha256(manifest)}"


def differences(manifest: Manifest, found: Mapping[str, FileEntry]) -> list[str]:
    """Return how a run's files differ from its manifest: one sentence a file, by name; empty if they do not."""
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
    """Raise RunError if contents of files differ from the manifest of this run.

    `files` may be some of those that the manifest names (a server reads SERVING only), but no others.
    """
    if manifest.run != run:
        raise RunError(f"{MANIFEST}: it is the manifest of {manifest.run}, not of {run}")
    only = {name: entry for name, entry in manifest.files.items() if name in files}
    found = {name: FileEntry.of(content) for name, content in files.items()}
    wrong = differences(manifest.model_copy(update={"files": only}), found)
    if wrong:
        raise RunError(wrong[0])


_CLASSES: Final = TypeAdapter(tuple[str, ...])


def parse_classes(text: bytes) -> tuple[str, ...]:
    """Parse classes.json: a list of unique names, in the order of the trees' probabilities. Raises RunError."""
    try:
        classes = _CLASSES.validate_json(text)
    except ValidationError as error:
        raise RunError(f"{CLASSES}: {one_line(error)}") from None
    if problem := next(filter(None, (text_error("category", name) for name in classes)), ""):
        raise RunError(f"{CLASSES}: {problem}")
    if len(set(classes)) != len(classes):
        raise RunError(f"{CLASSES}: a class is listed twice")
    return classes


def parse_file(kind: type[_T], text: bytes, name: str) -> _T:
    """Parse the JSON of a run's file. Raises RunError, which names the file."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise RunError(f"{name}: {one_line(error)}") from None
