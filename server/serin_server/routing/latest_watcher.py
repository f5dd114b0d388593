"""Without an operator: follows `latest` of a registry, and makes the routing that the environment asks for.

The latest run is the candidate at the share that was set; rules are the control. Never moves `latest`.
"""

import asyncio
import logging
from typing import Final

from serin_core.contract.documents import CandidateRun, LoadedRun, RoutingDocument
from serin_registry.errors import RegistryError
from serin_registry.reader import Reader
from serin_server.routing.serving_state import Switch
from serin_server.runs.loaded_runs import InUse, Refused, Runs
from serin_server.settings import FromRegistry
from serin_server.stores.users import salt

_EVERY_SECONDS: Final = 1.0
_EVERY_SECONDS_FROM_FAR: Final = 10.0

_log = logging.getLogger(__name__)


class LatestFollower:
    """Brings the registry's latest run into service as soon as it was loaded and checked."""

    def __init__(self, source: FromRegistry, *, registry: Reader, uid: str, runs: Runs, switch: Switch) -> None:
        """Take what the environment asks for, and the registry that is followed."""
        self._source, self._registry, self._uid, self._runs, self._switch = source, registry, uid, runs, switch
        self._complaint = ""
        self._looked_at: str | None = None
        self._served: str | None = None
        self._revision = 0
        self._has_looked = False
        switch.route_by(self._document(candidate=None), announced=self._revision)

    @property
    def has_looked(self) -> bool:
        """Answer whether it has been looked at least once."""
        return self._has_looked

    async def look(self) -> None:
        """Look where `latest` points, and serve that run if it is another one and can be used."""
        run = await self._latest()
        if run is not None and run != self._looked_at:
            await self._take(run)
        elif isinstance(self._runs.state(self._looked_at or ""), InUse):
            # It may have been loaded since, from a registry that was away when `latest` moved.
            self.serve_loaded()
        self._has_looked = True

    async def _latest(self) -> str | None:
        try:
            # In a thread: a registry that is far, or a volume that hangs, must not hold up an answer.
            run = await asyncio.to_thread(self._registry.latest)
        except RegistryError as error:
            if str(error) != self._complaint:
                _log.warning("latest cannot be read, %s goes on: %s", self._served or "rules", error)
            self._complaint = str(error)
            return None
        self._complaint = ""
        return run

    async def _take(self, run: str) -> None:
        self._looked_at = run
        kept = [] if self._served in {None, run} else [LoadedRun(run=self._served)]
        self._runs.name([*kept, LoadedRun(run=run)])
        await self._runs.load()
        self.serve_loaded()

    def serve_loaded(self) -> None:
        """Serve the latest run, if it is loaded and not served yet."""
        run = self._looked_at
        if run is None or run == self._served:
            return
        match self._runs.state(run):
            case InUse(loaded=loaded):
                self._revision += 1
                self._switch.route_by(
                    self._document(
                        candidate=CandidateRun(
                            run=run,
                            digest=loaded.predictor.digest,
                            percent=self._source.percent,
                            thresholds=self._source.thresholds,
                            calibration=self._source.calibration,
                        )
                    ),
                    announced=self._revision,
                )
                self._served = run
                self._runs.name([LoadedRun(run=run)])
                _log.info("latest is %s, at %g %% of users", run, self._source.percent)
            case Refused() | None:
                _log.warning("latest is %s, which was refused; %s goes on", run, self._served or "rules")
            case _:
                pass

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_SECONDS_FROM_FAR if self._registry.is_remote else _EVERY_SECONDS)

    def _document(self, *, candidate: CandidateRun | None) -> RoutingDocument:
        run = "" if candidate is None else candidate.run
        return RoutingDocument(
            uid=self._uid,
            revision=self._revision,
            stage=self._revision,
            salt=salt(self._uid, run),
            shadow=self._source.shadow,
            candidate=candidate,
        )
