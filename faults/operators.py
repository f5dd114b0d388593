"""Operator processes, each behind a proxy of its own. One that ends is started again, as a Deployment does."""

import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import yaml

from faults.history import History
from faults.proxies import ApiProxy
from serin_localcluster import processes
from serin_localcluster.controlplane import free_port
from serin_localcluster.pki import write_kubeconfig

NAMESPACE = "serin-system"
ENTRY = "from serin_operator.main import main; main()"
_MaybeProcess = Process | None
LEASE = {"leaseDurationSeconds": 4, "renewDeadlineSeconds": 3, "retryPeriodSeconds": 0.5}
ZONES = ("UTC", "America/St_Johns", "Australia/Lord_Howe")
"""Time zones of processes after each other: local time must mean nothing."""


class Operator:
    """One operator, which is started again whenever it ends."""

    def __init__(
        self, name: str, *, folder: Path, proxy: ApiProxy, configuration: dict[str, Any], history: History, entry: str
    ) -> None:
        self.name, self.proxy, self._history, self._folder = name, proxy, history, folder
        self._process: _MaybeProcess = None
        self.log = folder / f"{name}.log"
        self._settings = configuration | {"host": "127.0.0.1"}
        self._entry = entry
        self.is_away = False
        """Whether it is stopped for long, and gets no other signals."""

    async def run(self) -> None:
        """Run the operator until cancelled."""
        kubeconfig = write_kubeconfig(
            self._folder / f"{self.name}.kubeconfig", name=self.name, cluster={"server": self.proxy.url}, user={}
        )
        file, number = self._folder / f"{self.name}.yaml", 0
        variables = {
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": NAMESPACE,
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        try:
            while True:
                number += 1
                file.write_text(yaml.safe_dump(self._settings | {"port": free_port()}), encoding="utf-8")
                self._process = await processes.start(
                    [sys.executable, "-c", self._entry, "--config", str(file)],
                    log=self.log,
                    environment=os.environ
                    | variables
                    | {"POD_NAME": f"{self.name}-{number}", "TZ": ZONES[number % len(ZONES)]},
                )
                self._history.add("operator", what="started", name=self.name)
                code = await self._process.wait()
                self._history.add("operator", what="ended", name=self.name, code=code)
        finally:
            if self._process is not None:
                self.send(signal.SIGCONT)
                await processes.end(self._process, grace=5)

    def tracebacks(self) -> list[str]:
        """Return the last line of each traceback in the log: internal errors."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        begins = [number for number, line in enumerate(lines) if line.startswith("Traceback ")]
        ends = (next((line for line in lines[begin + 1 :] if line[:1] not in (" ", "")), "") for begin in begins)
        return list(ends)

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; return whether there was a process."""
        if self._process is None or self._process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        return True
