"""kopf as the informer: events wake keys up, and do nothing else.

Only `on.event` handlers: kopf's timers, daemons, indexes and per-object handlers would write finalizers and annotations
onto people's objects (docs/decisions/0003). A wake-up carries only the key; the reconcile reads everything anew.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import kopf

from serin_core import names
from serin_operator.reconcile import Key


def build_registry(wake: Callable[[Key], None]) -> kopf.OperatorRegistry:
    """Answer the handlers: our resources by themselves, what we make by the label that names its resource."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        if os.environ.get("KUBECONFIG"):
            return kopf.login_with_kubeconfig(**kwargs)
        return kopf.login_with_service_account(**kwargs)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def resource_event(namespace: str | None, name: str, **_: Any) -> None:
        wake(Key(namespace or "", name))

    labels = {names.LABEL_MODEL: kopf.PRESENT}

    @kopf.on.event("v1", "pods", labels=labels, registry=registry)
    @kopf.on.event("v1", "configmaps", labels=labels, registry=registry)
    @kopf.on.event("apps", "v1", "deployments", labels=labels, registry=registry)
    async def child_event(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
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
    settings.persistence.finalizer = f"{names.GROUP}/unused"
    return settings


async def watch(wake: Callable[[Key], None], *, namespaces: tuple[str, ...], ready: asyncio.Event) -> None:
    """Watch until cancelled. Raises whatever ends kopf; the process then ends too, and is started anew."""
    await kopf.operator(
        registry=build_registry(wake),
        settings=build_settings(),
        ready_flag=ready,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
