"""kopf as the informer: events wake keys up, and do nothing else.

Only `on.event` handlers: kopf's timers, daemons, indexes and per-object handlers would write finalizers and annotations
onto people's objects (docs/decisions/0003). A wake-up carries only the key; the reconcile reads everything anew.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import kopf

from serin_core.contract import names
from serin_operator.event_filter import EventFilter
from serin_operator.reconcile import Key

CHILDREN = (
    ("v1", "pods"),
    ("v1", "services"),
    ("v1", "serviceaccounts"),
    ("apps", "v1", "deployments"),
    ("policy", "v1", "poddisruptionbudgets"),
)
"""What is watched by our label alone. The API server sends no others, and kopf remembers no others."""


def build_registry(wake: Callable[[Key], None], record_watch_event: Callable[[], None]) -> kopf.OperatorRegistry:
    """Answer the handlers: our resources by themselves, what we make by the label that names its resource.

    ConfigMaps come whole: the rules are people's own and carry no label (docs/decisions/0031).
    """
    registry, news = kopf.OperatorRegistry(), EventFilter()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        if os.environ.get("KUBECONFIG"):
            return kopf.login_with_kubeconfig(**kwargs)
        return kopf.login_with_service_account(**kwargs)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def resource_event(namespace: str | None, name: str, body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002 - kopf's own name
        record_watch_event()
        key = Key(namespace or "", name)
        if news.note(key, body, is_deleted=type == "DELETED"):
            wake(key)

    async def child_event(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
        record_watch_event()
        wake(Key(namespace or "", labels[names.LABEL_MODEL]))

    for child in CHILDREN:
        kopf.on.event(*child, labels={names.LABEL_MODEL: kopf.PRESENT}, registry=registry)(child_event)

    @kopf.on.event("v1", "configmaps", registry=registry)
    async def config_map_event(namespace: str | None, name: str, labels: kopf.Labels, **_: Any) -> None:
        record_watch_event()
        for key in news.readers(namespace or "", name):
            wake(key)
        if names.LABEL_MODEL in labels:
            wake(Key(namespace or "", labels[names.LABEL_MODEL]))

    return registry


def build_settings() -> kopf.OperatorSettings:
    """Answer kopf's settings: nothing posted, nothing persisted, short waits."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.queueing.idle_timeout = 1
    for child in CHILDREN:
        settings.watching.label_selectors[child] = names.LABEL_MODEL
    settings.persistence.finalizer = f"{names.GROUP}/unused"
    return settings


async def watch(
    wake: Callable[[Key], None],
    *,
    record_watch_event: Callable[[], None],
    namespaces: tuple[str, ...],
    ready: asyncio.Event,
) -> None:
    """Watch until cancelled. Raises whatever ends kopf; the process then ends too, and is started anew."""
    await kopf.operator(
        registry=build_registry(wake, record_watch_event),
        settings=build_settings(),
        ready_flag=ready,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
