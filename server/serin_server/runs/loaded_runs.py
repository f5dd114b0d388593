"""Which runs this process loads, and how far each has come.

Loading happens in a thread, beside what is in use; a run that is in use stays until its successor was checked. A
registry that is away says nothing about a run: it is asked again until it answers. Never loads a run that was not
named.

RunRefusedError             the run must not be used; not read again until asked to
RegistryUnavailableError    the registry could not be read; tried again
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from serin_core.contract.documents import LoadedRun
from serin_core.contract.pod_report import LoadState, RunOnPod
from serin_registry.errors import RegistryUnavailableError, RunRefusedError
from serin_server.runs.predictor import Loaded, Predictor

FIRST_PAUSE: Final = 3.0
"""Seconds until a registry that was away is asked again; doubled every time that it is still away."""
LONGEST_PAUSE: Final = 30.0

_log = logging.getLogger(__name__)


class Read(Protocol):
    """Reads and checks one run. Called in a thread."""

    def __call__(self, wanted: LoadedRun) -> Predictor:
        """Answer the run, ready to be asked. Raises RunRefusedError, RegistryUnavailableError."""


@dataclass(frozen=True, slots=True)
class Loading:
    """Neither loaded nor refused yet; `reason` says why the registry could not be read, "" if it was not tried."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Looked at and not to be used."""

    reason: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class InUse:
    """Loaded; `complaint` says why a later reload was not taken, "" if there is nothing to say."""

    loaded: Loaded
    complaint: str = ""
    is_refused: bool = False
    """Whether the complaint is one about what lies in the registry now."""


RunState = Loading | Refused | InUse


class Runs:
    """The runs of one process, in the order in which they were named."""

    def __init__(
        self,
        read: Read,
        *,
        changed: Callable[[Mapping[str, Loaded]], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take how a run is read, whom to tell, on the event loop, which runs can be asked, and how to wait."""
        self._read = read
        self._changed = changed
        self._sleep = sleep
        self._states: dict[str, RunState] = {}
        self._wanted: dict[str, LoadedRun] = {}
        self._one_at_a_time = asyncio.Lock()

    def name(self, wanted: Sequence[LoadedRun]) -> None:
        """Say which runs are wanted from now on; what is known of others is forgotten."""
        self._wanted = {run.run: run for run in wanted}
        self._states = {run: self._states.get(run, Loading()) for run in self._wanted}
        self._changed(self.loaded())

    def state(self, run: str) -> RunState | None:
        """Answer how far a run has come, None if it was never named."""
        return self._states.get(run)

    @property
    def is_loading(self) -> bool:
        """Answer whether a named run has been neither loaded nor refused yet."""
        return any(isinstance(state, Loading) for state in self._states.values())

    def loaded(self) -> Mapping[str, Loaded]:
        """Answer the runs that can be asked, by name."""
        return {run: state.loaded for run, state in self._states.items() if isinstance(state, InUse)}

    def refused(self) -> Mapping[str, bool]:
        """Answer, by named run, whether it was refused when it was last read; one in use goes on all the same."""
        return {
            run: isinstance(state, Refused) or (isinstance(state, InUse) and state.is_refused)
            for run, state in self._states.items()
        }

    def reports(self) -> tuple[RunOnPod, ...]:
        """Answer what this process says of its runs."""
        return tuple(_report(run, state) for run, state in self._states.items())

    async def run(self) -> None:
        """Load what is named, and again what the registry could not give, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            await self.load()
            if not self.is_loading:
                pause = FIRST_PAUSE
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def load(self) -> None:
        """Try once to load each named run that was neither loaded nor refused."""
        async with self._one_at_a_time:
            for run, wanted in tuple(self._wanted.items()):
                if isinstance(self._states.get(run), Loading):
                    await self._take(wanted)

    async def reload(self) -> None:
        """Read every named run again, each beside the one in use, and swap those that can be used."""
        async with self._one_at_a_time:
            for wanted in tuple(self._wanted.values()):
                await self._take(wanted)

    async def _take(self, wanted: LoadedRun) -> None:
        state = await self._read_one(wanted, before=self._states.get(wanted.run, Loading()))
        if wanted.run in self._wanted:
            self._states[wanted.run] = state
            self._changed(self.loaded())

    async def _read_one(self, wanted: LoadedRun, *, before: RunState) -> RunState:
        match before:
            case InUse(loaded=loaded):
                # Other bytes under the same name would be another run: routing names this digest.
                pinned = wanted.model_copy(update={"digest": loaded.predictor.digest})
            case _:
                pinned = wanted
        try:
            predictor = await asyncio.to_thread(self._read, pinned)
        except RegistryUnavailableError as error:
            return _still(wanted.run, before, str(error))
        except RunRefusedError as error:
            refused = Refused(str(error), error.digest)
        except Exception as error:  # noqa: BLE001 - a run's files come from elsewhere; whatever they provoke refuses them
            refused = Refused(" ".join(f"{type(error).__name__}: {error}".split()), None)
        else:
            _log.info("run %s loaded, %s", predictor.run, predictor.digest)
            return InUse(Loaded(predictor))
        _log.warning("run %s not loaded: %s", wanted.run, refused.reason)
        if isinstance(before, InUse):
            return InUse(before.loaded, complaint=refused.reason, is_refused=True)
        return refused


def _still(run: str, before: RunState, why: str) -> RunState:
    """Answer what is known of a run after a try that the registry did not answer: no less than before."""
    if before != Loading(why):
        _log.warning("run %s not read, the registry is asked again: %s", run, why)
    match before:
        case InUse(loaded=loaded):
            return InUse(loaded, complaint=why)
        case Refused():
            return before
        case Loading():
            return Loading(why)


def _report(run: str, state: RunState) -> RunOnPod:
    match state:
        case Loading(reason=reason):
            return RunOnPod(run=run, state=LoadState.LOADING, reason=reason)
        case Refused(reason=reason, digest=digest):
            return RunOnPod(run=run, state=LoadState.REFUSED, digest=digest, reason=reason)
        case InUse(loaded=loaded, complaint=complaint):
            predictor = loaded.predictor
            return RunOnPod(
                run=run,
                state=LoadState.LOADED,
                digest=predictor.digest,
                reason=complaint,
                quality=predictor.quality,
            )
