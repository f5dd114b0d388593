"""The operator's configuration: one YAML file, read once in main. Unknown keys are refused.

Addresses and credentials of Prometheus are here and nowhere else: otherwise, a user who may edit a SuggestionModel
could make the operator send a secret anywhere.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from serin_core.api.base import NAME_PATTERN
from serin_core.api.durations import format_duration, parse_duration
from serin_core.contract import environment, names
from serin_core.contract.addresses import unambiguous
from serin_core.contract.documents import one_line
from serin_core.counting.stage_query import MIN_STALE
from serin_core.kubernetes.inputs import ServerImage
from serin_core.kubernetes.label_selector import LabelSelector
from serin_core.yaml_text import load_yaml
from serin_operator.freeze_settings import FreezeTime
from serin_operator.leadership.settings import LeaderElection
from serin_operator.notifications.settings import Destination, DestinationName
from serin_operator.settings_model import BasicAuth, Headers, SettingsModel

Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""A user or group id other than root's."""
MAX_SCRAPE_INTERVAL: Final = timedelta(minutes=1)


class SettingsError(ValueError):
    """A configuration that cannot be used. The message is one line that names the file and the field."""


class Endpoint(SettingsModel):
    """How another system is reached over HTTP."""

    url: Annotated[str, Field(pattern=r"^https?://"), AfterValidator(unambiguous)]
    """Its base URL."""
    bearer_token_file: Path | None = None
    """A file with the bearer token to send; read at every request, so that the token can be rotated."""
    basic_auth: BasicAuth | None = None
    """User name and password, instead of a token."""
    headers: Headers = Field(default_factory=dict)
    """Headers to send with every request, such as X-Scope-OrgID, the tenant of Mimir and Cortex."""
    ca_file: Path | None = None
    """Certificate authorities to trust instead of those of the system; read again when the file changes."""
    client_certificate_file: Path | None = None
    """A certificate to present to the server; read again when the file changes."""
    client_key_file: Path | None = None
    """The key of that certificate."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        address = urlsplit(self.url)
        ways = {
            "bearerTokenFile": self.bearer_token_file is not None,
            "basicAuth": self.basic_auth is not None,
            "a user in url": "@" in address.netloc,
        }
        if len(used := [way for way, is_used in ways.items() if is_used]) > 1:
            raise ValueError(f"{' and '.join(used)} exclude each other: each sets the header Authorization")
        if (self.client_certificate_file is None) is not (self.client_key_file is None):
            raise ValueError("clientCertificateFile and clientKeyFile belong together")
        if address.scheme == "http" and (self.ca_file or self.client_certificate_file):
            raise ValueError("caFile and clientCertificateFile need an https address in url")
        return self


class PrometheusEndpoint(Endpoint):
    """A Prometheus server that gates can be evaluated with."""

    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Timeout of a query."""
    max_concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    """The number of queries that are sent at the same time; as many as there are workers by default."""
    replica_labels: tuple[str, ...] = ("prometheus_replica", "__replica__")
    """Labels that distinguish replicas of Prometheus: series that differ in these only are counted once."""
    partial_response: Literal["Refuse", "Warn"] = "Refuse"
    """Results with warnings, as where a store of Thanos is down: Refuse holds rollouts, Warn counts what there is."""


class CheckEndpoint(Endpoint):
    """A system that is asked before a step begins (spec.gates.checks), by POST to its URL."""

    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Timeout of a request, unless the check has its own."""
    max_concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    """The number of requests that are sent at the same time."""


class ServerDefaults(SettingsModel):
    """Defaults and limits of server pods."""

    image: str
    """The image used unless spec.server.image is set."""
    allowed_image_prefixes: tuple[str, ...] = ()
    """Prefixes allowed for spec.server.image; the default image is always allowed."""
    image_pull_policy: Annotated[str, Field(pattern="^(Always|IfNotPresent|Never)$")] = "IfNotPresent"
    """imagePullPolicy of server pods."""
    public_key: str = ""
    """Public keys in PEM (`serin runs keygen`): server pods then refuse runs that none of the keys has signed."""
    allowed_service_account_annotations: tuple[str, ...] = ()
    """Prefixes of `key=value` allowed for spec.server.pod.serviceAccountAnnotations; none by default."""
    run_as_user: Id | None = None
    """runAsUser of server pods; that of the image, or the one that OpenShift assigns, if unset."""
    run_as_group: Id | None = None
    """runAsGroup of server pods."""
    fs_group: Id | None = None
    """fsGroup of server pods, for registries whose files are readable for one group only."""

    def choose(self, wanted: str | None, *, annotations: Mapping[str, str] = MappingProxyType({})) -> ServerImage:
        """Return what a resource gets that asks for an image and for annotations of its pods' service account.

        What is not allowed is not in it, but the reason why.
        """
        ids = {"runAsUser": self.run_as_user, "runAsGroup": self.run_as_group, "fsGroup": self.fs_group}
        refusal = "" if wanted in (None, self.image) else _refusal("image", str(wanted), self.allowed_image_prefixes)
        refusals = (
            _refusal("pod.serviceAccountAnnotations", f"{key}={value}", self.allowed_service_account_annotations)
            for key, value in sorted(annotations.items())
        )
        return ServerImage(
            self.image if refusal or wanted is None else wanted,
            self.image_pull_policy,
            refusal=refusal,
            annotation_refusal=next(filter(None, refusals), ""),
            public_key=self.public_key,
            ids={field: number for field, number in ids.items() if number is not None},
        )


def _refusal(field: str, wanted: str, prefixes: tuple[str, ...]) -> str:
    """Return why a setting is not allowed, "" if it has one of the prefixes."""
    if any(map(wanted.startswith, prefixes)):
        return ""
    allowed = ", ".join(prefixes) or "none"
    return f"spec.server.{field} {wanted} is not allowed by the operator's configuration (prefixes: {allowed})"


def _is_scraped_often_enough(interval: str) -> str:
    if interval and not timedelta() < parse_duration(interval) <= MAX_SCRAPE_INTERVAL:
        raise ValueError(
            f"must be at most {format_duration(MAX_SCRAPE_INTERVAL)}: where the newest sample is older than "
            f"{format_duration(MIN_STALE)}, gates hold the rollout"
        )
    return interval


def _are_not_ours(labels: dict[str, str]) -> dict[str, str]:
    if ours := [key for key in labels if key.startswith(f"{names.GROUP}/")]:
        raise ValueError(f"{ours[0]} is set by the operator")
    return labels


def _is_selector(text: str) -> str:
    LabelSelector.parse(text)
    return text


class Monitoring(SettingsModel):
    """How a Prometheus of the Prometheus Operator finds the server pods."""

    pod_monitor: Literal["Auto", "Always", "Never"] = "Auto"
    """When SuggestionModels get a PodMonitor: Auto (where the cluster serves PodMonitors), Always or Never."""
    labels: Annotated[dict[str, str], AfterValidator(_are_not_ours)] = Field(default_factory=dict)
    """Labels of the PodMonitors, such as those that your Prometheus selects (release: kube-prometheus-stack)."""
    interval: Annotated[str, AfterValidator(_is_scraped_often_enough)] = ""
    """Time between two scrapes, at most 1m; that of Prometheus if empty."""


class Settings(SettingsModel):
    """The whole configuration."""

    prometheus: dict[str, PrometheusEndpoint]
    """Prometheus servers by name; spec.analysis.prometheus names one."""
    server: ServerDefaults
    """Defaults and limits of server pods."""
    checks: dict[Annotated[str, Field(pattern=NAME_PATTERN, max_length=253)], CheckEndpoint] = Field(
        default_factory=dict
    )
    """Systems that can be asked before a step begins, by name; spec.gates.checks names them."""
    monitoring: Monitoring = Monitoring()
    """PodMonitors of server pods, for the Prometheus Operator."""
    notifications: dict[DestinationName, Destination] = Field(default_factory=dict)
    """Destinations of notifications by name; spec.notifications names some of them."""
    freezes: Annotated[tuple[FreezeTime, ...], Field(max_length=64)] = ()
    """Times in which no step of any rollout begins, each with from, to and reason; rollbacks happen at any time."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty means all."""
    selector: Annotated[str, AfterValidator(_is_selector)] = ""
    """Labels of the SuggestionModels to work on, such as `team in (a,b)`; empty means all."""
    leader_election: LeaderElection = LeaderElection()
    """Which of several operators works."""
    workers: Annotated[int, Field(ge=1, le=64)] = 4
    """The number of resources that are reconciled at the same time."""
    host: str = "::"
    """The address for /healthz, /readyz and /metrics; `::` is every address, of IPv4 too."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8081
    """The port for the same."""
    tls_dir: Path | None = None
    """A directory with tls.crt and tls.key: the port then serves HTTPS. Read again when they change."""
    json_logs: bool = False
    """Log JSON lines instead of text."""

    def addresses(self) -> list[str]:
        """Return all addresses, which may hold secrets that no log line may have."""
        receivers = [one.cloud_events.url for one in self.notifications.values() if one.cloud_events is not None]
        endpoints = (*self.prometheus.values(), *self.checks.values())
        return [*(endpoint.url for endpoint in endpoints), *filter(None, receivers)]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; the environment variable SERIN_HOST overrides `host`. Raises SettingsError."""
        try:
            found = load_yaml(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingsError(f"{path}: {' '.join(str(error).split())}") from None
        if not isinstance(found, dict):
            raise SettingsError(f"{path}: expected keys such as prometheus and server, found {type(found).__name__}")
        if host := os.environ.get(environment.HOST.name):
            found["host"] = host
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise SettingsError(f"{path}: {one_line(error)}") from None
