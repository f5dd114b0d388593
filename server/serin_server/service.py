"""All parts of one server process, put together, and their life from start to end.

Nothing here is global: tests build as many as they like.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from serin_core.contract.documents import DocumentError, ModelDocument
from serin_core.contract.pod_report import PodReport
from serin_registry.cache import NO_CACHE, DirectoryCache
from serin_server.clock import Clock
from serin_server.metrics.counters import Counters
from serin_server.metrics.exposition import Identity, RunOnScrape, Scrape
from serin_server.metrics.user_agreement import UserCounts
from serin_server.readiness import Readiness
from serin_server.retention import Retention
from serin_server.routing.latest_watcher import LatestFollower
from serin_server.routing.mounted_files import PodFiles, SeenRevision, read_model
from serin_server.routing.routing_watcher import RoutingFollower
from serin_server.routing.serving_state import Switch
from serin_server.rule_matcher import KeywordMatcher, read_rules
from serin_server.runs.loaded_runs import Read, Runs
from serin_server.runs.loader import RegistryReader, open_registry
from serin_server.settings import FromOperator, FromRegistry, Settings, SettingsError
from serin_server.stores.factory import open_store
from serin_server.stores.store import SharedUsers, Store, StoreError
from serin_server.suggester import Suggester
from serin_server.tokens import Tokens

_AGAIN_AFTER: Final = 1.0
_PROCESS_BYTES: Final = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one server process."""

    settings: Settings
    identity: Identity
    clock: Clock
    counters: Counters
    switch: Switch
    runs: Runs
    model: ModelDocument
    follower: RoutingFollower | LatestFollower
    tokens: Tokens
    store: Store
    users: UserCounts
    suggester: Suggester
    readiness: Readiness
    retention: Retention

    def obstacle(self) -> str | None:
        """Answer why requests must not be sent here, None when they may."""
        return self.readiness.obstacle(
            self.runs.reports(),
            stable=self.switch.current.stable,
            has_looked=self.follower.has_looked,
            now=self.clock.monotonic(),
        )

    def report(self) -> PodReport:
        """Answer what this process serves at this moment."""
        serving = self.switch.current
        return PodReport(
            uid=self.identity.uid,
            process=self.identity.process,
            revision=serving.revision,
            hash=serving.hash,
            attempt=self.model.attempt,
            runs=self.runs.reports(),
        )

    def scrape(self) -> Scrape:
        """Answer copies of all that was counted, taken between two transactions."""
        now = self.clock.monotonic()
        runs = tuple(
            RunOnScrape(run, f1=loaded.predictor.f1, breaker_open=loaded.breaker.is_open(now))
            for run, loaded in self.runs.loaded().items()
        )
        return Scrape(
            self.identity,
            stages=self.counters.stages(),
            revision=self.switch.current.revision,
            refused=dict(self.counters.refused),
            runs=runs,
            run_refused=self.runs.refused(),
        )

    async def reload(self) -> None:
        """Read the named runs again, beside those in use."""
        await self.runs.reload()
        match self.follower:
            case LatestFollower() as latest:
                latest.serve_loaded()
            case RoutingFollower():
                pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow routing, load runs and count users until the block ends; then let go of everything."""
        if isinstance(self.follower, RoutingFollower):
            await self.follower.look()
        tasks = [
            asyncio.create_task(_keep_going("loading", self.runs.run)),
            asyncio.create_task(_keep_going("following", self.follower.run)),
            asyncio.create_task(_keep_going("counting users", self.users.run)),
            asyncio.create_task(_keep_going("erasing what is old", self.retention.run)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.store.close()


def build_service(settings: Settings, *, clock: Clock, read: Read | None = None, store: Store | None = None) -> Service:
    """Put a process together from its settings. Raises SettingsError.

    `read` and `store` take the places of those that the settings name.
    """
    model = _model(settings)
    counters = Counters()
    switch = Switch(counters)
    runs = Runs(read or _reader(settings, model.registry), changed=switch.load)
    tokens = Tokens(
        settings.tokens_dir, uid=settings.uid, allow_anonymous=settings.allow_anonymous, monotonic=clock.monotonic
    )
    rules = KeywordMatcher(read_rules(settings.rules_file))
    kept = store or _store(settings)
    users = UserCounts(kept if isinstance(kept, SharedUsers) else None)
    runs.name(model.runs)
    return Service(
        settings=settings,
        identity=Identity(
            model=settings.model, uid=settings.uid, pod=settings.pod, process=secrets.token_hex(_PROCESS_BYTES)
        ),
        clock=clock,
        counters=counters,
        switch=switch,
        runs=runs,
        model=model,
        follower=_follower(settings, runs=runs, switch=switch, counters=counters),
        tokens=tokens,
        store=kept,
        users=users,
        suggester=Suggester(rules, users=users, tokens=tokens, clock=clock),
        readiness=Readiness(started=clock.monotonic()),
        retention=Retention(kept, age=settings.retention, clock=clock),
    )


def _model(settings: Settings) -> ModelDocument:
    match settings.source:
        case FromRegistry(registry=registry):
            return ModelDocument(uid=settings.uid, registry=registry)
        case FromOperator(model_dir=model_dir, registry=registry):
            try:
                model = read_model(model_dir)
            except DocumentError as error:
                raise SettingsError(f"SERIN_MODEL_DIR: {error}") from None
            if model.uid != settings.uid:
                raise SettingsError(f"SERIN_MODEL_DIR: model.json is of uid {model.uid}, SERIN_UID is {settings.uid}")
            return model.model_copy(update={"registry": registry}) if registry else model


def _reader(settings: Settings, registry: str) -> RegistryReader:
    at = settings.cache
    cache = NO_CACHE if at is None else DirectoryCache(at.directory, max_bytes=at.most_bytes)
    return RegistryReader(registry, cache=cache, public_key=settings.public_key)


def _store(settings: Settings) -> Store:
    try:
        return open_store(settings.store, uid=settings.uid)
    except StoreError as error:
        raise SettingsError(f"SERIN_STORE: {error}") from None


def _follower(
    settings: Settings, *, runs: Runs, switch: Switch, counters: Counters
) -> RoutingFollower | LatestFollower:
    match settings.source:
        case FromRegistry() as source:
            registry = open_registry(source.registry)
            return LatestFollower(source, registry=registry, uid=settings.uid, runs=runs, switch=switch)
        case FromOperator(routing_dir=routing_dir, pod_dir=pod_dir, state_dir=state_dir):
            return RoutingFollower(
                PodFiles(routing_dir, pod_dir),
                uid=settings.uid,
                seen=SeenRevision(state_dir),
                switch=switch,
                counters=counters,
            )


async def _keep_going(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do background work to its end; a fault in it must not end the process, which can still answer."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - the one place where a fault of our own is caught
            _log.exception("%s failed and begins anew", name)
            await asyncio.sleep(_AGAIN_AFTER)
        else:
            return
