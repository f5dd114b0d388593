"""Without an operator: serves the run that `latest` of a registry names, with the routing from the environment.

The latest run is the candidate for the configured share of users; the rules are the control. `latest` is only read.
"""

import asyncio
import logging
from typing import Final

from serin_core.contract import environment
from serin_core.contract.documents import CandidateRun, LoadedRun, RoutingDocument
from serin_core.contract.routing import salt
from serin_registry.errors import RegistryError
from serin_registry.reader import Reader
from serin_server.routing.serving_state import Switch
from serin_server.runs.loaded_runs import InUse, Refused, Runs
from serin_server.settings import StandaloneMode

_EVERY_SECONDS: Final = 1.0
_EVERY_SECONDS_REMOTE: Final = 10.0

_log = logging.getLogger(__name__)


class LatestWatcher:
    """Serves the latest run as soon as it is loaded and checked."""

    def __init__(self, mode: StandaloneMode, *, registry: Reader, uid: str, runs: Runs, switch: Switch) -> None:
        """`mode` is the routing from the environment, `registry` the registry to watch."""
        self._mode, self._registry, self._uid, self._runs, self._switch = mode, registry, uid, runs, switch
        self._last_error = ""
        self._latest_run: str | None = None
        self._served: str | None = None
        self._revision = 0
        self.has_checked = False
        """Whether `latest` has been checked at least once."""
        switch.set_routing(self._document(candidate=None), announced=self._revision)

    async def check(self) -> None:
        """Read `latest`, and load and serve that run if it has changed."""
        run = await self._latest()
        if run is not None and run != self._latest_run:
            await self._load(run)
        elif isinstance(self._runs.state(self._latest_run or ""), InUse):
            # It may have been loaded since, if the registry was unavailable when `latest` changed.
            self.serve_loaded()
        self.has_checked = True

    async def _latest(self) -> str | None:
        try:
            # In a thread: a remote registry or a volume that hangs must not delay requests.
            run = await asyncio.to_thread(self._registry.latest)
        except RegistryError as error:
            if str(error) != self._last_error:
                _log.warning("cannot read latest, still serving %s: %s", self._served or "rules", error)
            self._last_error = str(error)
            return None
        self._last_error = ""
        return run

    async def _load(self, run: str) -> None:
        self._latest_run = run
        kept = [] if self._served in {None, run} else [LoadedRun(run=self._served)]
        self._runs.set_wanted([*kept, LoadedRun(run=run)])
        await self._runs.load()
        self.serve_loaded()

    def serve_loaded(self) -> None:
        """Serve the latest run if it is loaded and not served yet."""
        run = self._latest_run
        if run is None or run == self._served:
            return
        match self._runs.state(run):
            case InUse(loaded=loaded):
                self._revision += 1
                self._switch.set_routing(
                    self._document(
                        candidate=CandidateRun(
                            run=run,
                            digest=loaded.predictor.digest,
                            percent=self._mode.percent,
                            thresholds=self._mode.thresholds,
                            calibration=self._mode.calibration,
                        )
                    ),
                    announced=self._revision,
                )
                self._served = run
                self._runs.set_wanted([LoadedRun(run=run)])
                _log.info("serving %s to %g %% of users (%s)", run, self._mode.percent, environment.CANARY.name)
            case Refused() | None:
                _log.warning("latest is %s, which was refused; still serving %s", run, self._served or "rules")

    async def run(self) -> None:
        """Watch `latest` until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(_EVERY_SECONDS_REMOTE if self._registry.is_remote else _EVERY_SECONDS)

    def _document(self, *, candidate: CandidateRun | None) -> RoutingDocument:
        run = "" if candidate is None else candidate.run
        return RoutingDocument(
            uid=self._uid,
            revision=self._revision,
            stage=self._revision,
            salt=salt(self._uid, run),
            shadow=self._mode.shadow,
            candidate=candidate,
        )
