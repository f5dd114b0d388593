"""All parts of one server process, and their start and stop. Nothing here is global."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from serin_core.contract.documents import DocumentError, ModelDocument
from serin_core.contract.pod_report import PodReport
from serin_core.contract.pushed_routing import PushedRouting, key_id
from serin_registry.cache import NO_CACHE, DirectoryCache
from serin_server.admission import Admission, connections_for, raised_file_limit
from serin_server.clock import Clock
from serin_server.metrics.counters import Counters
from serin_server.metrics.exposition import Identity, RunOnScrape, Scrape
from serin_server.metrics.user_agreement import UserCounts
from serin_server.rate_limit import FEEDBACK_AT_ONCE, FEEDBACK_PER_SECOND, RELOAD_EVERY, RELOADS_AT_ONCE, RateLimit
from serin_server.readiness import Readiness
from serin_server.retention import Retention
from serin_server.routing.latest_watcher import LatestWatcher
from serin_server.routing.mounted_files import PodFiles, SeenRevision, read_model
from serin_server.routing.routing_watcher import NoRoutingKeyError, RoutingWatcher, Source
from serin_server.routing.serving_state import Switch
from serin_server.routing.supervision import SharedRecord, Supervision, boot_id
from serin_server.rule_matcher import KeywordMatcher, read_rules
from serin_server.runs.loaded_runs import RunReader, Runs
from serin_server.runs.loader import RegistryReader, open_registry
from serin_server.settings import (
    NoStoreSettings,
    OperatorMode,
    PostgresSettings,
    Settings,
    SettingsError,
    SqliteSettings,
    StandaloneMode,
)
from serin_server.stores.memory import Memory
from serin_server.stores.store import SharedUsers, Store, StoreError
from serin_server.suggester import Suggester
from serin_server.tokens import Tokens

_RESTART_SECONDS: Final = 1.0
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
    watcher: RoutingWatcher | LatestWatcher
    supervision: Supervision
    tokens: Tokens
    store: Store
    users: UserCounts
    rules: KeywordMatcher
    suggester: Suggester
    readiness: Readiness
    retention: Retention
    feedback_limit: RateLimit
    reload_limit: RateLimit
    admission: Admission

    def not_ready_reason(self) -> str | None:
        """Return why requests must not be sent to this process, None if they may."""
        return self.readiness.not_ready_reason(
            self.runs.reports(),
            stable=self.switch.current.stable,
            has_checked=self.watcher.has_checked,
            now=self.clock.monotonic(),
        )

    def report(self) -> PodReport:
        """Return what this process serves now."""
        serving = self.switch.current
        return PodReport(
            uid=self.identity.uid,
            process=self.identity.process,
            revision=serving.revision,
            hash=serving.hash,
            attempt=self.model.attempt,
            runs=self.runs.reports(),
            supervision=self.supervision.report(),
            refusal=self.watcher.refusal if isinstance(self.watcher, RoutingWatcher) else "",
            routing_key=key_id(self._routing_key),
        )

    @property
    def _routing_key(self) -> str:
        return self.watcher.routing_key if isinstance(self.watcher, RoutingWatcher) else ""

    async def receive(self, pushed: PushedRouting) -> None:
        """Apply routing that was sent to this process. Raises ForgedPushError, NoRoutingKeyError."""
        if not isinstance(self.watcher, RoutingWatcher):
            raise NoRoutingKeyError("this server runs without an operator, and accepts no routing")
        await self.watcher.receive(pushed)

    def classes_for(self, run: str) -> frozenset[str]:
        """Return the labels that feedback on a suggestion of this run's stage may have.

        Empty if that is not known: without a run, or for one that is not loaded here any more.
        """
        loaded = self.runs.loaded()
        if run not in loaded:
            return frozenset()
        return self.rules.classes.union(*(one.predictor.classes for one in loaded.values()))

    def scrape(self) -> Scrape:
        """Return copies of all counters, taken between two transactions."""
        now = self.clock.monotonic()
        runs = tuple(
            RunOnScrape(
                run,
                f1=loaded.predictor.f1,
                class_shares={label: coverage.share for label, coverage in loaded.predictor.quality.coverage.items()},
                breaker_open=loaded.breaker.is_open(now),
                recalibration=loaded.predictor.recalibration,
                input_rows={} if inputs is None else inputs.bins.reference,
                inputs={} if inputs is None else inputs.counted(),
            )
            for run, loaded in self.runs.loaded().items()
            for inputs in [self.counters.inputs(run)]
        )
        return Scrape(
            self.identity,
            stages=self.counters.stages(),
            revision=self.switch.current.revision,
            refused=dict(self.counters.refused),
            runs=runs,
            run_refused=self.runs.refused(),
            is_unsupervised=self.switch.current.is_unsupervised,
            silence=self.supervision.silence(),
            overloads=self.admission.refused,
        )

    async def reload(self) -> None:
        """Read the wanted runs again; each stays in use until its replacement is checked."""
        await self.runs.reload()
        if isinstance(self.watcher, LatestWatcher):
            self.watcher.serve_loaded()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch routing, load runs and count users until the block ends; then close everything."""
        if isinstance(self.watcher, RoutingWatcher):
            await self.watcher.check()
        tasks = [
            asyncio.create_task(_restart_on_error("loading of runs", self.runs.run)),
            asyncio.create_task(_restart_on_error("watching of routing", self.watcher.run)),
            asyncio.create_task(_restart_on_error("supervision", self.supervision.run)),
            asyncio.create_task(_restart_on_error("counting of users", self.users.run)),
            asyncio.create_task(_restart_on_error("retention", self.retention.run)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.store.close()


def build_service(
    settings: Settings, *, clock: Clock, read: RunReader | None = None, store: Store | None = None
) -> Service:
    """Build the parts of a process from its settings. Raises SettingsError.

    `read` and `store` replace those of the settings.
    """
    model = _model(settings)
    counters = Counters()
    switch = Switch(counters)
    runs = Runs(read or _reader(settings, model.registry), changed=switch.set_runs)
    tokens = Tokens(
        settings.tokens_dir, uid=settings.uid, allow_anonymous=settings.allow_anonymous, monotonic=clock.monotonic
    )
    rules = KeywordMatcher(read_rules(settings.rules_file))
    opened = store or _store(settings)
    users = UserCounts(opened if isinstance(opened, SharedUsers) else None)
    runs.set_wanted(model.runs)
    return Service(
        settings=settings,
        identity=Identity(settings.model, settings.uid, settings.pod, process=secrets.token_hex(_PROCESS_BYTES)),
        clock=clock,
        counters=counters,
        switch=switch,
        runs=runs,
        model=model,
        watcher=_watcher(settings, runs=runs, switch=switch, counters=counters),
        supervision=_supervision(settings, switch=switch, clock=clock),
        tokens=tokens,
        store=opened,
        users=users,
        rules=rules,
        suggester=Suggester(rules, users=users, tokens=tokens, clock=clock),
        readiness=Readiness(started=clock.monotonic()),
        retention=Retention(opened, age=settings.retention, clock=clock),
        feedback_limit=RateLimit(
            "requests with feedback",
            interval=timedelta(seconds=1 / FEEDBACK_PER_SECOND),
            burst=FEEDBACK_AT_ONCE,
            monotonic=clock.monotonic,
        ),
        reload_limit=RateLimit("reloads", interval=RELOAD_EVERY, burst=RELOADS_AT_ONCE, monotonic=clock.monotonic),
        admission=Admission(max_connections=connections_for(raised_file_limit()), monotonic=clock.monotonic),
    )


def _model(settings: Settings) -> ModelDocument:
    match settings.mode:
        case StandaloneMode(registry=registry):
            return ModelDocument(uid=settings.uid, registry=registry)
        case OperatorMode(model_dir=model_dir, registry=registry):
            try:
                model = read_model(model_dir)
            except DocumentError as error:
                raise SettingsError(f"SERIN_MODEL_DIR: {error}") from None
            if model.uid != settings.uid:
                raise SettingsError(f"SERIN_MODEL_DIR: model.json is for uid {model.uid}, SERIN_UID is {settings.uid}")
            return model.model_copy(update={"registry": registry}) if registry else model


def _reader(settings: Settings, registry: str) -> RegistryReader:
    kept = settings.cache
    cache = NO_CACHE if kept is None else DirectoryCache(kept.directory, max_bytes=kept.max_bytes)
    return RegistryReader(registry, cache=cache, public_key=settings.public_key)


def _store(settings: Settings) -> Store:
    """Return the store; its driver is imported only if it is used, and a database is connected later."""
    match settings.store:
        case NoStoreSettings():
            return Memory()
        case SqliteSettings(path=path):
            from serin_server.stores.sqlite import Sqlite  # noqa: PLC0415

            try:
                return Sqlite(path)
            except StoreError as error:
                raise SettingsError(f"SERIN_STORE: {error}") from None
        case PostgresSettings(url=url):
            from serin_server.stores.postgres import Postgres  # noqa: PLC0415

            return Postgres(url, uid=settings.uid)


def _watcher(settings: Settings, *, runs: Runs, switch: Switch, counters: Counters) -> RoutingWatcher | LatestWatcher:
    match settings.mode:
        case StandaloneMode() as mode:
            registry = open_registry(mode.registry)
            return LatestWatcher(mode, registry=registry, uid=settings.uid, runs=runs, switch=switch)
        case OperatorMode(routing_dir=routing_dir, pod_dir=pod_dir, state_dir=state_dir, routing_key=routing_key):
            return RoutingWatcher(
                PodFiles(routing_dir, pod_dir),
                source=Source(settings.uid, routing_key),
                seen=SeenRevision(state_dir),
                switch=switch,
                counters=counters,
            )


def _supervision(settings: Settings, *, switch: Switch, clock: Clock) -> Supervision:
    match settings.mode:
        case StandaloneMode():
            shared = None
        case OperatorMode(state_dir=state_dir):
            shared = SharedRecord(state_dir, boot_id())
    return Supervision(shared, switch=switch, monotonic=clock.monotonic)


async def _restart_on_error(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run background work, again after an unexpected error: the process can still serve requests."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - the one place that catches internal errors of background work
            _log.exception("%s failed, starting it again", name)
            await asyncio.sleep(_RESTART_SECONDS)
        else:
            return
