"""The last routing that the operator has sent to this pod, kept in the state directory (docs/contracts.md, rule 18).

All processes of a pod read it, and a container that restarts goes on with it, whatever its kubelet has mounted.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from serin_core.contract.pushed_routing import PushedRouting
from serin_server.routing.mounted_files import content_of

_FILE: Final = "pushed.json"


@dataclass(frozen=True, slots=True)
class PushedFile:
    """The file; whoever reads it verifies the signature again."""

    directory: Path

    def read(self) -> PushedRouting | None:
        """Return what was sent last, None if nothing was, or if it cannot be read."""
        content = content_of(self.directory / _FILE)
        try:
            return None if content is None else PushedRouting.model_validate_json(content)
        except ValidationError:
            return None

    def write(self, pushed: PushedRouting) -> None:
        """Write it atomically and durably. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f".{_FILE}.{os.getpid()}"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(pushed.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.directory / _FILE)
