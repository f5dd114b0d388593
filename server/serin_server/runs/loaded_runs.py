"""The runs of this process, and the load state of each.

A run is loaded in a thread; the one in use stays until its replacement is checked. While the registry is unavailable,
or does not have the run, loading is retried. Only wanted runs are loaded.

RunRefusedError             the run must not be used; it is read again only on request
RegistryUnavailableError    the registry could not be read; reading is retried
NotInRegistryError          the run is absent: not copied yet, or its volume is not mounted yet; reading is retried
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serin_core.contract.documents import LoadedRun
from serin_core.contract.pod_report import LoadState, RunOnPod
from serin_registry.errors import NotInRegistryError, RegistryUnavailableError, RunRefusedError
from serin_server.runs.predictor import Loaded, Predictor

FIRST_PAUSE: Final = 3.0
"""Seconds until an unavailable registry, or one without the run, is read again; doubled after each failure."""
MAX_PAUSE: Final = 30.0

_log = logging.getLogger(__name__)


RunReader = Callable[[LoadedRun], Predictor]
"""Reads and checks one run, in a thread. Raises RunRefusedError, RegistryUnavailableError, NotInRegistryError."""


@dataclass(frozen=True, slots=True)
class Loading:
    """Neither loaded nor refused yet; `reason` is why it could not be read, "" before the first try."""

    reason: str = ""
    is_absent: bool = False
    """Whether the registry was read, and does not have the run."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Read, and not to be used."""

    reason: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class InUse:
    """Loaded; `reload_error` is why the last reload failed, "" if none did."""

    loaded: Loaded
    reload_error: str = ""
    is_refused: bool = False
    """Whether the reload failed because of the run in the registry, not because it is absent or unavailable."""


RunState = Loading | Refused | InUse


class Runs:
    """The wanted runs of one process, in the order of the list."""

    def __init__(
        self,
        read: RunReader,
        *,
        changed: Callable[[Mapping[str, Loaded]], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`changed` is called on the event loop with the loaded runs, whenever these change."""
        self._read, self._changed, self._sleep = read, changed, sleep
        self._states: dict[str, RunState] = {}
        self._wanted: dict[str, LoadedRun] = {}
        self._one_at_a_time = asyncio.Lock()

    def set_wanted(self, wanted: Sequence[LoadedRun]) -> None:
        """Set the runs to load; the state of all others is dropped."""
        self._wanted = {run.run: run for run in wanted}
        self._states = {run: self._states.get(run, Loading()) for run in self._wanted}
        self._changed(self.loaded())

    def state(self, run: str) -> RunState | None:
        """Return the state of a run, None if it is not wanted."""
        return self._states.get(run)

    @property
    def is_loading(self) -> bool:
        """Whether a wanted run has been neither loaded nor refused yet."""
        return any(isinstance(state, Loading) for state in self._states.values())

    def loaded(self) -> Mapping[str, Loaded]:
        """Return the loaded runs by name."""
        return {run: state.loaded for run, state in self._states.items() if isinstance(state, InUse)}

    def refused(self) -> Mapping[str, bool]:
        """Return for each wanted run whether it was refused when last read; a loaded one stays in use all the same."""
        return {
            run: isinstance(state, Refused) or (isinstance(state, InUse) and state.is_refused)
            for run, state in self._states.items()
        }

    def reports(self) -> tuple[RunOnPod, ...]:
        """Return the state of each run as the pod reports it."""
        return tuple(_report(run, state) for run, state in self._states.items())

    async def run(self) -> None:
        """Load wanted runs, and retry those that are absent or in an unavailable registry, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            await self.load()
            if not self.is_loading:
                pause = FIRST_PAUSE
            await self._sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    async def load(self) -> None:
        """Try once to load each wanted run that was neither loaded nor refused."""
        async with self._one_at_a_time:
            for run, wanted in tuple(self._wanted.items()):
                if isinstance(self._states.get(run), Loading):
                    await self._load_one(wanted)

    async def reload(self) -> None:
        """Read every wanted run again, and replace those in use by the ones that pass the checks."""
        async with self._one_at_a_time:
            for wanted in tuple(self._wanted.values()):
                await self._load_one(wanted)

    async def _load_one(self, wanted: LoadedRun) -> None:
        state = await self._read_one(wanted, before=self._states.get(wanted.run, Loading()))
        if wanted.run in self._wanted:
            self._states[wanted.run] = state
            self._changed(self.loaded())

    async def _read_one(self, wanted: LoadedRun, *, before: RunState) -> RunState:
        match before:
            case InUse(loaded=loaded):
                # Other bytes under the same name would be another run: routing contains this digest.
                pinned = wanted.model_copy(update={"digest": loaded.predictor.digest})
            case _:
                pinned = wanted
        try:
            predictor = await asyncio.to_thread(self._read, pinned)
        except (RegistryUnavailableError, NotInRegistryError) as error:
            now = Loading(str(error), is_absent=isinstance(error, NotInRegistryError))
            return _after_registry_error(wanted.run, before, now)
        except RunRefusedError as error:
            refused = Refused(str(error), error.digest)
        except Exception as error:  # noqa: BLE001 - the files are untrusted: any failure refuses the run
            refused = Refused(" ".join(f"{type(error).__name__}: {error}".split()), None)
        else:
            _log.info("run %s loaded, %s", predictor.run, predictor.digest)
            return InUse(Loaded(predictor))
        _log.warning("run %s refused: %s", wanted.run, refused.reason)
        if isinstance(before, InUse):
            return InUse(before.loaded, reload_error=refused.reason, is_refused=True)
        return refused


def _after_registry_error(run: str, before: RunState, now: Loading) -> RunState:
    """Return the state of a run that could not be read: what was known before stays known."""
    if before != now:
        _log.warning("run %s cannot be read now, will retry: %s", run, now.reason)
    match before:
        case InUse(loaded=loaded):
            return InUse(loaded, reload_error=now.reason)
        case Refused():
            return before
        case Loading():
            return now


def _report(run: str, state: RunState) -> RunOnPod:
    match state:
        case Loading(reason=reason, is_absent=is_absent):
            return RunOnPod(run=run, state=LoadState.LOADING, reason=reason, absent=is_absent)
        case Refused(reason=reason, digest=digest):
            return RunOnPod(run=run, state=LoadState.REFUSED, digest=digest, reason=reason)
        case InUse(loaded=loaded, reload_error=reload_error):
            predictor = loaded.predictor
            return RunOnPod(
                run=run,
                state=LoadState.LOADED,
                digest=predictor.digest,
                reason=reload_error,
                quality=predictor.quality,
            )
