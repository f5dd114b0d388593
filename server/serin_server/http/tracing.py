"""Tracing: one span for each request, sent to an OpenTelemetry collector.

Imported only if a collector is configured; otherwise neither the SDK nor the exporter is loaded. A span has the route,
the status and the pod; never the content of a request, its user or an event id.
"""

from typing import Any, Final

from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serin_server.metrics.exposition import Identity

_FEEDBACK: Final = "/agent/suggestions/{event_id}/feedback"
_KNOWN: Final = frozenset(
    {
        *("/agent/suggestions", "/transactions", "/ml/status", "/ml/thresholds", "/ml/v2/reload"),
        *("/metrics", "/healthz", "/readyz", "/", "/docs", "/openapi.json"),
    }
)
_SERVER_ERROR: Final = 500


def trace(app: ASGIApp, identity: Identity, *, processor: SpanProcessor | None = None) -> "Traced":
    """Return the application with tracing. OpenTelemetry's own variables configure the collector and its headers."""
    resource = Resource.create(
        {"service.name": "serin-server", "service.instance.id": identity.pod, "serin.model": identity.model}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor or _to_collector())
    return Traced(app, provider)


def _to_collector() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - slow to import

    return BatchSpanProcessor(OTLPSpanExporter())


class Traced:
    """Wraps each HTTP request in a span."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        self._app = app
        self._tracer = provider.get_tracer("serin_server")
        self._parent = TraceContextTextMapPropagator()
        self._provider = provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request within a span; the end of the lifespan sends the last spans."""
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                self._provider.shutdown()
            return
        route = _route(scope["path"])
        attributes = {"http.request.method": scope["method"], "http.route": route}
        context = self._parent.extract(scope["headers"], getter=_HEADERS)
        name = f"{scope['method']} {route}"
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= _SERVER_ERROR:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            await self._app(scope, receive, noting)


def _route(path: str) -> str:
    """Return the route of a path, never a part of the path that the client chose."""
    if path in _KNOWN:
        return path
    return _FEEDBACK if path.startswith("/agent/suggestions/") and path.endswith("/feedback") else "other"


class _Headers(Getter[Any]):
    def get(self, carrier: Any, key: str) -> list[str] | None:
        wanted = key.encode()
        return [value.decode("latin-1") for name, value in carrier if name == wanted] or None

    def keys(self, carrier: Any) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


_HEADERS: Final = _Headers()
