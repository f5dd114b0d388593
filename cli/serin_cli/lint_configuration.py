"""Errors of a spec that only the operator's configuration shows: names that it does not have. Pure.

Only the names of the configuration are read; `serin-operator` itself checks the rest of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from serin_cli.finding import Finding
from serin_cli.lint_schema import did_you_mean
from serin_core.api.spec import SuggestionModelSpec


def configuration_findings(spec: SuggestionModelSpec, configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield an error for each name in a valid spec that an operator's configuration does not have."""
    endpoint, known = spec.analysis.prometheus, _names(configuration, "prometheus")
    if endpoint not in known:
        yield Finding("spec.analysis.prometheus", _unknown("Prometheus endpoint", endpoint, known))
    known = _names(configuration, "checks")
    for index, check in enumerate(spec.gates.checks):
        if check.endpoint not in known:
            path = f"spec.gates.checks[{index}].endpoint"
            yield Finding(path, _unknown("check endpoint", check.endpoint, known))
    known = _names(configuration, "notifications")
    for index, name in enumerate(spec.notifications):
        if name not in known:
            yield Finding(f"spec.notifications[{index}]", _unknown("destination of notifications", name, known))
    yield from _prefixes(spec, configuration.get("server"))


def _prefixes(spec: SuggestionModelSpec, server: Any) -> Iterator[Finding]:
    """Yield an error for an image and for each annotation that the configuration does not allow."""
    allowed = server if isinstance(server, Mapping) else {}
    image = spec.server.image
    if image is not None and image != allowed.get("image") and not _is_allowed(image, allowed, "allowedImagePrefixes"):
        yield Finding("spec.server.image", f"{image!r} has none of the prefixes in server.allowedImagePrefixes")
    for key, value in (spec.server.pod.service_account_annotations or {}).items():
        if not _is_allowed(f"{key}={value}", allowed, "allowedServiceAccountAnnotations"):
            path = f"spec.server.pod.serviceAccountAnnotations.{key}"
            yield Finding(path, "has none of the prefixes in server.allowedServiceAccountAnnotations")


def _is_allowed(text: str, server: Mapping[str, Any], key: str) -> bool:
    prefixes = server.get(key)
    return isinstance(prefixes, list) and any(text.startswith(str(one)) for one in prefixes)


def _names(configuration: Mapping[str, Any], key: str) -> tuple[str, ...]:
    named = configuration.get(key)
    return tuple(sorted(map(str, named))) if isinstance(named, Mapping) else ()


def _unknown(kind: str, name: str, known: tuple[str, ...]) -> str:
    hint = did_you_mean(name, known)
    return f"{name!r} is no {kind} of the operator's configuration (known: {', '.join(known) or 'none'}){hint}"
