"""What is watched: SuggestionModels by kopf, and everything else by informers. A change puts keys into the work queue.

Of kopf only an `on.event` handler is used: its timers, daemons, indexes and per-object handlers would write finalizers
and annotations onto the user's objects (docs/decisions/0003).
"""

import asyncio
import signal
from collections.abc import Collection
from typing import Any, Final

import kopf

from serin_core.contract import names
from serin_operator.changes import Changes
from serin_operator.connection import login
from serin_operator.heartbeat import Heartbeat

PAUSE: Final = 5.0
"""Seconds between an end of kopf and its next start."""
GRACE: Final = 3.0
"""Seconds that kopf's tasks have to end before they are cancelled again."""


class _NothingCompared(kopf.DiffBaseStorage):
    """Keeps no earlier state to compare with: no handler asks kopf what has changed.

    kopf would copy the whole object for each event, a quarter of what an operator that stands by does.
    """

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's
        """Return nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - kopf's
        """Return that nothing is known."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def build_registry(changes: Changes) -> kopf.OperatorRegistry:
    """Return kopf's handlers: the one of SuggestionModels, and the login."""
    registry = kopf.OperatorRegistry()

    kopf.on.login(registry=registry)(login)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def resource_event(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002 - kopf's own name
        # Items of a list have neither field.
        live = dict(body) | {"apiVersion": names.API_VERSION, "kind": names.KIND}
        changes.resource_changed(live, is_deleted=type == "DELETED")

    return registry


def build_settings(*, is_namespaced: bool = False) -> kopf.OperatorSettings:
    """Return kopf's settings: it posts nothing, persists nothing and waits briefly.

    With namespaces given, it does not list or watch namespaces and CRDs either: RoleBindings do not allow that, and
    kopf would retry for about a minute before it watched anything.
    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.networking.request_timeout = 30
    # An error that lasts longer ends kopf, and `watch` starts it again. Its own retries never log in again.
    settings.networking.error_backoffs = (1, 2, 4, 5)
    settings.process.ultimate_exiting_timeout = None
    settings.networking.connect_timeout = 5
    settings.queueing.idle_timeout = 1
    settings.scanning.disabled = is_namespaced
    settings.persistence.diffbase_storage = _NothingCompared()
    settings.persistence.finalizer = f"{names.GROUP}/unused"
    return settings


def cancel_on_signals(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task on signals that end a process. Without handlers, the first process of a container ignores them."""
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def watch(
    changes: Changes, *, namespaces: tuple[str, ...], heartbeat: Heartbeat, process: asyncio.Task[Any] | None
) -> None:
    """Watch until cancelled. Signals that end a process cancel its task `process`."""
    follow = changes.objects.watched.follow
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(namespaces, changed=changes.object_changed, heartbeat=heartbeat))
        await _watch_resources(changes, namespaces, heartbeat, process)


async def _watch_resources(
    changes: Changes, namespaces: tuple[str, ...], heartbeat: Heartbeat, process: asyncio.Task[Any] | None
) -> None:
    """Keep kopf running: it starts once the API server responds, and again after an outage or an end of its own.

    Each start lists all SuggestionModels and logs in with the credentials of then, so that no error of the API server
    lasts longer than its cause (docs/decisions/0073).
    """
    while True:
        await heartbeat.connected.wait()
        heartbeat.renewed.clear()
        changes.begin()
        running = asyncio.create_task(_run_kopf(build_registry(changes), namespaces, process))
        renewed = asyncio.create_task(heartbeat.renewed.wait())
        try:
            await asyncio.wait({running, renewed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (running, renewed):
                one.cancel()
            await asyncio.wait({running, renewed})
        if not running.cancelled():
            error = running.exception()
            heartbeat.record_watch_end(_describe(error))
            await asyncio.sleep(PAUSE)


async def _run_kopf(
    registry: kopf.OperatorRegistry, namespaces: tuple[str, ...], caller: asyncio.Task[Any] | None
) -> None:
    """Run kopf until it ends. Raises what ended it."""
    # Without an identity kopf asks for the name of the process's user, which a pod's uid need not have. Only peering,
    # which is not used, would compare identities.
    identity: Any = names.FIELD_MANAGER
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=build_settings(is_namespaced=bool(namespaces)),
        identity=identity,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
    # kopf has set its own, which would only end this run of it.
    cancel_on_signals(caller)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _stop(tasks)
    for task in done:
        task.result()


async def _stop(tasks: Collection[asyncio.Task[None]]) -> None:
    """End these tasks of kopf, and those that it leaves behind where one fails; some ignore a first cancellation.

    kopf.run_tasks would also wait for the tasks of other parts of this process, and cancel them.
    """
    while tasks:
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks, timeout=GRACE)
        # An exception that nobody looks at would be logged with its traceback.
        for task in ended:
            task.cancelled() or task.exception()
        tasks = [task for task in asyncio.all_tasks() if _module(task).startswith("kopf.")]


def _describe(error: BaseException | None) -> str:
    """Return what ended kopf. Its advice on a login that is refused is left out: it does not fit here."""
    first = error.__cause__ or error if isinstance(error, kopf.LoginError) else error
    return type(first).__name__ + (f": {first.args[0]}" if first is not None and first.args else "")


def _module(task: asyncio.Task[Any]) -> str:
    """Return the module of a task's coroutine."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return "" if frame is None else str(frame.f_globals["__name__"])
