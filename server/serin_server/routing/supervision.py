"""When the operator last asked for the status of this pod (docs/contracts.md, rule 11).

All processes of a pod agree: the record is one file in the state directory. It also survives restarts of the container,
so that a candidate which restarts its pod again and again is not served for ever. Its times are of the monotonic clock,
which all processes of a node share until the node restarts; a record of an earlier boot is not used.
"""

import asyncio
import json
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serin_core.contract.pod_report import SupervisionReport
from serin_server.routing.mounted_files import content_of
from serin_server.routing.serving_state import Switch

_FILE: Final = "supervision"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_EVERY_SECONDS: Final = 1.0
_WRITE_AFTER: Final = 1.0
"""Seconds between two writes, unless a lapse has ended."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """What the processes of a pod share."""

    heard: float
    """Monotonic time of the operator's last request, or of the pod's start."""
    lapsed: float = 0.0
    """Seconds without the candidate up to `heard`, since the pod's start."""


@dataclass(frozen=True, slots=True)
class SharedRecord:
    """The file that holds the record."""

    directory: Path
    boot: str
    """Id of the node's boot, "" where it is not known."""

    def read(self, now: float) -> Record | None:
        """Return the record; None without one, and for one of another boot."""
        try:
            found = json.loads(content_of(self.directory / _FILE) or b"")
            record = Record(float(found["heard"]), float(found["lapsed"]))
            is_mine = found["boot"] == self.boot
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None
        is_sane = math.isfinite(record.heard) and record.heard <= now and 0 <= record.lapsed < math.inf
        return record if is_mine and is_sane else None

    def write(self, record: Record) -> None:
        """Write the record atomically. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f".{_FILE}.{os.getpid()}"
        text = json.dumps({"boot": self.boot, "heard": record.heard, "lapsed": record.lapsed})
        temporary.write_text(text, encoding="ascii")
        temporary.replace(self.directory / _FILE)


def boot_id() -> str:
    """Return the id of this boot of the node, "" where it is not known."""
    return (content_of(_BOOT) or b"").decode(errors="replace").strip()


class Supervision:
    """Whether an operator watches this pod; the switch is told when that changes."""

    def __init__(self, shared: SharedRecord | None, *, switch: Switch, monotonic: Callable[[], float]) -> None:
        """`shared` is None without an operator: then nothing is ever missed."""
        self._shared, self._switch, self._monotonic = shared, switch, monotonic
        found = None if shared is None else shared.read(monotonic())
        self._record = found or Record(monotonic())
        self._is_writable = True
        self._asked = asyncio.Lock()
        if shared is not None and found is None:
            self._write(self._record)
        self._written = self._record
        switch.set_silence(self.silence)

    def silence(self) -> float:
        """Return the seconds since the operator's last request, or since the pod's start."""
        return 0.0 if self._shared is None else self._monotonic() - self._record.heard

    def report(self) -> SupervisionReport:
        """Return the present state."""
        lapse = self._lapse()
        return SupervisionReport(
            silence_seconds=self.silence(), is_lapsed=lapse > 0, lapsed_seconds=self._record.lapsed + lapse
        )

    async def hear(self) -> SupervisionReport:
        """Record a request of the operator, and return the state before it."""
        if self._shared is None:
            return self.report()
        async with self._asked:
            await asyncio.to_thread(self._adopt)
            before = self.report()
            self._record = Record(self._monotonic(), before.lapsed_seconds)
            if before.is_lapsed or self._record.heard - self._written.heard >= _WRITE_AFTER:
                await asyncio.to_thread(self._write, self._record)
        self._switch.check_supervision()
        return before

    def check(self) -> None:
        """Take over what other processes of the pod have heard, and tell the switch."""
        self._adopt()
        self._switch.check_supervision()

    async def run(self) -> None:
        """Check until cancelled."""
        while self._shared is not None:
            self.check()
            await asyncio.sleep(_EVERY_SECONDS)

    def _lapse(self) -> float:
        limit = self._switch.supervision_seconds
        return 0.0 if limit is None else max(0.0, self.silence() - limit)

    def _adopt(self) -> None:
        found = None if self._shared is None else self._shared.read(self._monotonic())
        if found is not None and found.heard > self._record.heard:
            self._record = self._written = found

    def _write(self, record: Record) -> None:
        try:
            if self._shared is not None:
                self._shared.write(record)
        except OSError as error:
            if self._is_writable:
                _log.warning(
                    "cannot write to the state directory, other processes of this pod do not see it: %s", error
                )
            self._is_writable = False
            return
        self._written, self._is_writable = record, True
