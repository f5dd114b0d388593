"""Runs whose bytes are checked before anything opens them: first the manifest, then each file against it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from serin_core.model.manifest import (
    LATEST,
    MANIFEST,
    REPORT,
    FileEntry,
    Manifest,
    RunError,
    differences,
    digest,
    is_run_name,
    verify,
)
from serin_core.model.report import Report
from serin_core.model.signing import SIGNATURE, SignatureError
from serin_core.model.signing import verify as verify_signature
from serin_registry.cache import NO_CACHE, Cache
from serin_registry.errors import (
    FileTooLargeError,
    NotInRegistryError,
    RegistryUnavailableError,
    RunRefusedError,
)
from serin_registry.limits import MAX_FILE_BYTES, MAX_MANIFEST_BYTES, MAX_OTHER_FILE_BYTES
from serin_registry.reader import Reader


@dataclass(frozen=True, slots=True)
class VerifiedManifest:
    """A manifest that is of its run, and has the digest and signature that were required."""

    manifest: Manifest
    text: bytes
    digest: str

    @property
    def run(self) -> str:
        """Return the run's name."""
        return self.manifest.run


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run of a registry, with its training report."""

    name: str
    digest: str
    report: Report
    manifest: Manifest


def read_manifest(
    reader: Reader, run: str, *, required_digest: str | None = None, public_key: bytes = b"", cache: Cache = NO_CACHE
) -> VerifiedManifest:
    """Read the manifest of a run and verify it.

    `public_key` holds PEM keys of which one must have signed it; without it, signatures are ignored. While the registry
    is unavailable, a manifest with the required digest may come from the cache. Raises NotInRegistryError without a
    manifest, RegistryUnavailableError, and RunRefusedError with the digest that was found.
    """
    text = _manifest_text(reader, run, required_digest, cache)
    found = digest(text)
    if required_digest not in (None, found):
        raise RunRefusedError(f"its digest is {found}, required is {required_digest}", digest=found)
    try:
        if public_key:
            _check_signature(reader, run, text, public_key)
        manifest = Manifest.parse(text)
        verify(manifest, run=run, files={})
    except (RunError, SignatureError, RunRefusedError) as error:
        raise RunRefusedError(str(error), digest=found) from None
    return VerifiedManifest(manifest, text, found)


def read_files(
    reader: Reader, of: VerifiedManifest, names: Iterable[str], *, cache: Cache = NO_CACHE
) -> dict[str, bytes]:
    """Read files of a run, each with the size and hash that its manifest names. Raises RegistryError.

    Files may come from the cache; nothing is added to it. A file that is missing is a NotInRegistryError: a copy of
    the run may have reached its manifest first.
    """
    try:
        files = {name: _file(reader, of.manifest, name, cache) for name in names}
        verify(of.manifest, run=of.run, files=files)
    except NotInRegistryError as error:
        raise _incomplete(reader, of.run, error) from None
    except (RunError, RunRefusedError) as error:
        raise RunRefusedError(str(error), digest=of.digest) from None
    return files


def resolve_name(reader: Reader, name: str) -> str:
    """Return a run's name from itself, from its first part `run_<8 hex>`, or from `latest`. Raises RegistryError."""
    if is_run_name(name):
        return name
    if name == LATEST:
        found = reader.latest()
        if found is None:
            raise NotInRegistryError(f"{reader.uri}: there is no latest run; none has passed its acceptance gate yet")
        return found
    matching = [one for one in reader.runs() if one.startswith(f"{name}_")]
    if len(matching) != 1:
        problem = f"{name!r} names {len(matching)} runs" if matching else f"no run matches {name!r}"
        raise NotInRegistryError(f"{reader.uri}: {problem}; `serin runs list` shows them")
    return matching[0]


def read_run(reader: Reader, name: str, *, public_key: bytes = b"") -> StoredRun:
    """Read manifest and report of a run by any of its names (see resolve_name). Raises RegistryError."""
    return read_run_files(reader, name, (REPORT,), public_key=public_key)[0]


def read_run_files(
    reader: Reader, name: str, files: Iterable[str], *, public_key: bytes = b""
) -> tuple[StoredRun, dict[str, bytes]]:
    """Read a run by any of its names, and some of its files, REPORT among them. Raises RegistryError."""
    name = resolve_name(reader, name)
    with _naming(name):
        found = read_manifest(reader, name, public_key=public_key)
        contents = read_files(reader, found, files)
        return StoredRun(name, found.digest, Report.parse(contents[REPORT]), found.manifest), contents


def verify_run(reader: Reader, name: str, *, public_key: bytes = b"") -> StoredRun:
    """Check every file of a run against its manifest. Raises RegistryError with every difference.

    With a public key the manifest's signature is checked first; a run without signature is refused then.
    """
    run = read_run(reader, name, public_key=public_key)
    with _naming(run.name):
        found = {file: _entry(reader, run.name, file, entry) for file, entry in run.manifest.files.items()}
    wrong = differences(run.manifest, found)
    if wrong:
        raise RunRefusedError(f"{run.name}: {'; '.join(wrong)}", digest=run.digest)
    return run


def _manifest_text(reader: Reader, run: str, required_digest: str | None, cache: Cache) -> bytes:
    try:
        return reader.read(run, MANIFEST, max_bytes=MAX_MANIFEST_BYTES)
    except NotInRegistryError as error:
        if reader.is_remote or not error.file:
            raise NotInRegistryError(f"{run} is not in the registry {reader.uri}") from None
        raise _incomplete(reader, run, error) from None
    except RegistryUnavailableError:
        cached = required_digest and cache.find(_hex(required_digest), max_bytes=MAX_MANIFEST_BYTES)
        if not cached:
            raise
        # The digest names these very bytes, wherever they come from.
        return cached


def _incomplete(reader: Reader, run: str, error: NotInRegistryError) -> NotInRegistryError:
    return NotInRegistryError(f"{run} is not complete in the registry {reader.uri}: {error}")


def _file(reader: Reader, manifest: Manifest, name: str, cache: Cache) -> bytes:
    entry = manifest.files.get(name)
    if entry is None:
        raise RunError(f"{name}: the manifest does not name it")
    if entry.size > MAX_FILE_BYTES:
        raise RunError(f"{name}: it is larger than {MAX_FILE_BYTES} bytes")
    cached = cache.find(entry.sha256, max_bytes=entry.size)
    try:
        return reader.read(manifest.run, name, max_bytes=entry.size) if cached is None else cached
    except FileTooLargeError as error:
        raise RunError(f"{name}: it has {error.size} bytes, the manifest says {entry.size}") from None


def _entry(reader: Reader, run: str, file: str, expected: FileEntry) -> FileEntry:
    try:
        return FileEntry.of(reader.read(run, file, max_bytes=min(expected.size, MAX_OTHER_FILE_BYTES)))
    except NotInRegistryError as error:
        raise _incomplete(reader, run, error) from None
    except FileTooLargeError as error:
        return FileEntry(sha256=expected.sha256, size=error.size)


def _check_signature(reader: Reader, run: str, manifest: bytes, public_key: bytes) -> None:
    try:
        signature = reader.read(run, SIGNATURE, max_bytes=MAX_MANIFEST_BYTES)
    except NotInRegistryError:
        raise RunError(f"{SIGNATURE}: the run is not signed, and a signature is required") from None
    verify_signature(manifest, signature, public_key)


@contextmanager
def _naming(run: str) -> Iterator[None]:
    """Put the run's name before the messages of errors about it."""
    try:
        yield
    except (RunError, RunRefusedError) as error:
        if str(error).startswith(run):
            raise RunRefusedError(str(error)) from None
        raise RunRefusedError(f"{run}: {error}") from None


def _hex(found: str) -> str:
    return found.removeprefix("sha256:")
