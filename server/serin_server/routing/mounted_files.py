"""What a pod finds in its mounted directories, and what it keeps in its own.

Reads whole files through the directory, never a file that was opened before: the kubelet swaps the directory.
Never waits and never watches: that is following.py's work.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serin_core.contract import names
from serin_core.contract.documents import DocumentError, ModelDocument

_ANNOTATIONS: Final = "annotations"
_REVISION: Final = "revision"
_MOST_BYTES: Final = 2 << 20
"""Of a ConfigMap's key there can be one MiB."""


def read_model(directory: Path) -> ModelDocument:
    """Read what this pod is to load. Raises DocumentError with the file in its message."""
    file = directory / names.MODEL_KEY
    try:
        return ModelDocument.parse(file.read_bytes())
    except OSError as error:
        raise DocumentError(f"{file}: {os.strerror(error.errno or 0)}") from None
    except DocumentError as error:
        raise DocumentError(f"{file}: {error}") from None


def announced_revision(annotations: str) -> int | None:
    """Find the revision that was last announced to this pod in the downward API's lines of key="quoted value"."""
    for line in annotations.splitlines():
        key, equals, quoted = line.partition("=")
        if equals and key.strip() == names.ANNOTATION_REVISION:
            try:
                value = json.loads(quoted)
                return int(value) if int(value) >= 0 else None
            except (ValueError, TypeError):
                return None
    return None


@dataclass(frozen=True, slots=True)
class PodFiles:
    """The two files that change while a pod runs."""

    routing_dir: Path
    pod_dir: Path

    def routing(self) -> bytes | None:
        """Answer the routing document as it lies there, None while there is none."""
        return _content(self.routing_dir / names.ROUTING_KEY)

    def announced(self) -> int | None:
        """Answer the revision on the pod's own annotation, None while there is none."""
        content = _content(self.pod_dir / _ANNOTATIONS)
        return None if content is None else announced_revision(content.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class SeenRevision:
    """The highest revision that this pod has ever served, kept over restarts of its container."""

    directory: Path

    def read(self) -> int:
        """Answer it, -1 before the first one."""
        content = _content(self.directory / _REVISION)
        try:
            return -1 if content is None else int(content)
        except ValueError:
            return -1

    def write(self, revision: int) -> None:
        """Keep it, atomically and durably. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        beside = self.directory / f".{_REVISION}.new"
        with beside.open("w", encoding="ascii") as file:
            file.write(str(revision))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.directory / _REVISION)


def _content(file: Path) -> bytes | None:
    """Answer a file as it lies there; what is no file, or larger than any of these can be, is none."""
    try:
        # Without O_NONBLOCK, a pipe in its place would hold up the event loop for ever.
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(opened, "rb") as found:  # noqa: PTH123 - a descriptor
            is_file = stat.S_ISREG(os.fstat(opened).st_mode)
            content = found.read(_MOST_BYTES + 1) if is_file else b""
    except OSError:
        return None
    return content if is_file and len(content) <= _MOST_BYTES else None
