"""The informer, made of kopf: an event puts a key into the work queue and does nothing else.

Only `on.event` handlers are used: kopf's timers, daemons, indexes and per-object handlers would write finalizers and
annotations onto the user's objects (docs/decisions/0003). A key is all that is passed on; the reconcile reads the
current state itself.
"""

import asyncio
import dataclasses
import os
import ssl
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
"""Kinds that are watched by our label only, so that neither the API server sends nor kopf keeps any other object."""


class _Connection(kopf.ConnectionInfo):
    """A connection that verifies certificates as Python did before 3.13.

    Since then `ssl.create_default_context` also demands extensions that the certificate authorities of many clusters
    lack (an authority key identifier, a key usage). Chain, host name and expiry are still verified.
    """

    def as_ssl_context(self) -> ssl.SSLContext:
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """Log in as kubectl does where KUBECONFIG is set, and as the pod's service account elsewhere."""
    use = kopf.login_with_kubeconfig if os.environ.get("KUBECONFIG") else kopf.login_with_service_account
    found = use(**kwargs)
    if not isinstance(found, kopf.ConnectionInfo):
        return None
    return _Connection(**{field.name: getattr(found, field.name) for field in dataclasses.fields(found)})


def build_registry(enqueue: Callable[[Key], None], record_watch_event: Callable[[], None]) -> kopf.OperatorRegistry:
    """Return the handlers: for our resources themselves, and for their children by the label that names the resource.

    ConfigMaps are watched without a label: rules are the user's own objects (docs/decisions/0031).
    """
    registry, event_filter = kopf.OperatorRegistry(), EventFilter()

    kopf.on.login(registry=registry)(login)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def resource_event(namespace: str | None, name: str, body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002 - kopf's own name
        record_watch_event()
        key = Key(namespace or "", name)
        if event_filter.record(key, body, is_deleted=type == "DELETED"):
            enqueue(key)

    async def child_event(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
        record_watch_event()
        enqueue(Key(namespace or "", labels[names.LABEL_MODEL]))

    for child in CHILDREN:
        kopf.on.event(*child, labels={names.LABEL_MODEL: kopf.PRESENT}, registry=registry)(child_event)

    @kopf.on.event("v1", "configmaps", registry=registry)
    async def config_map_event(namespace: str | None, name: str, labels: kopf.Labels, **_: Any) -> None:
        record_watch_event()
        for key in event_filter.resources_with_rules_in(namespace or "", name):
            enqueue(key)
        if names.LABEL_MODEL in labels:
            enqueue(Key(namespace or "", labels[names.LABEL_MODEL]))

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
    settings.networking.connect_timeout = 5
    settings.queueing.idle_timeout = 1
    settings.scanning.disabled = is_namespaced
    for child in CHILDREN:
        settings.watching.label_selectors[child] = names.LABEL_MODEL
    settings.persistence.finalizer = f"{names.GROUP}/unused"
    return settings


async def watch(
    enqueue: Callable[[Key], None],
    *,
    record_watch_event: Callable[[], None],
    namespaces: tuple[str, ...],
    ready: asyncio.Event,
) -> None:
    """Watch until cancelled. Raises what ends kopf; the process then ends too, and Kubernetes restarts it."""
    # Without an identity kopf asks for the name of the process's user, which a pod's uid need not have. Only peering,
    # which is not used, would compare identities.
    identity: Any = names.FIELD_MANAGER
    await kopf.operator(
        registry=build_registry(enqueue, record_watch_event),
        settings=build_settings(is_namespaced=bool(namespaces)),
        identity=identity,
        ready_flag=ready,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
