"""The files in the mounted directories of a pod, and the one file that it writes itself.

A file is opened by its path for each read, because the kubelet replaces the directory. routing_watcher.py watches.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serin_core.api.revisions import MAX_REVISION
from serin_core.contract import names
from serin_core.contract.documents import DocumentError, ModelDocument

_ANNOTATIONS: Final = "annotations"
_REVISION: Final = "revision"
_MAX_BYTES: Final = 2 << 20
"""Twice the maximum size of a ConfigMap."""


def read_model(directory: Path) -> ModelDocument:
    """Read the document with the runs to load. Raises DocumentError, which names the file."""
    file = directory / names.MODEL_KEY
    try:
        return ModelDocument.parse(file.read_bytes())
    except OSError as error:
        raise DocumentError(f"{file}: {os.strerror(error.errno or 0)}") from None
    except DocumentError as error:
        raise DocumentError(f"{file}: {error}") from None


def announced_revision(annotations: str) -> int | None:
    """Return the revision last announced to this pod, from the lines key="quoted value" of the downward API."""
    for line in annotations.splitlines():
        key, equals, quoted = line.partition("=")
        if equals and key.strip() == names.ANNOTATION_REVISION:
            try:
                value = int(json.loads(quoted))
            except (ValueError, TypeError, OverflowError, RecursionError):
                return None
            return value if 0 <= value <= MAX_REVISION else None
    return None


@dataclass(frozen=True, slots=True)
class PodFiles:
    """The two files that change while a pod runs."""

    routing_dir: Path
    pod_dir: Path

    def routing(self) -> bytes | None:
        """Return the content of the routing document, None while there is none."""
        return content_of(self.routing_dir / names.ROUTING_KEY)

    def announced(self) -> int | None:
        """Return the revision in the pod's annotation, None while there is none."""
        content = content_of(self.pod_dir / _ANNOTATIONS)
        return None if content is None else announced_revision(content.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class SeenRevision:
    """The highest revision that this pod has served, kept across restarts of its container."""

    directory: Path

    def read(self) -> int:
        """Return the revision, -1 before the first one and for a number that is none."""
        content = content_of(self.directory / _REVISION)
        try:
            found = -1 if content is None else int(content)
        except ValueError:
            return -1
        return found if found <= MAX_REVISION else -1

    def write(self, revision: int) -> None:
        """Write the revision atomically and durably. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f".{_REVISION}.{os.getpid()}"
        with temporary.open("w", encoding="ascii") as file:
            file.write(str(revision))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.directory / _REVISION)


def content_of(file: Path) -> bytes | None:
    """Return the content of a file; None if it does not exist, is not a regular file or is too large."""
    try:
        # Without O_NONBLOCK, opening a pipe would block the event loop for ever.
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(opened, "rb") as found:  # noqa: PTH123 - a descriptor
            is_file = stat.S_ISREG(os.fstat(opened).st_mode)
            content = found.read(_MAX_BYTES + 1) if is_file else b""
    except OSError:
        return None
    return content if is_file and len(content) <= _MAX_BYTES else None
