"""The operator's configuration: one YAML file, read once in main. Unknown keys are refused.

Prometheus addresses and credentials stand here and nowhere else, so that nobody who may edit a SuggestionModel can make
the operator send a secret anywhere.
"""

import os
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from serin_core.contract.addresses import unambiguous
from serin_core.contract.documents import one_line
from serin_core.rollout.observation import ServerImage


class SettingsError(ValueError):
    """The configuration cannot be used. The message is one line: what is wrong, and where."""


class _Settings(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class PrometheusEndpoint(_Settings):
    """One Prometheus that gates may be judged by."""

    url: Annotated[str, Field(pattern=r"^https?://"), AfterValidator(unambiguous)]
    """Its base address, with scheme."""
    bearer_token_file: Path | None = None
    """A file whose contents are sent as a bearer token; read at every query, so that it may be rotated."""
    ca_file: Path | None = None
    """Certificates to trust, instead of the system's."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """The longest that one query may take."""
    replica_labels: tuple[str, ...] = ("prometheus_replica", "__replica__")
    """Labels that tell replicas of Prometheus apart: series that differ in nothing else are one."""


class ServerDefaults(_Settings):
    """What server pods are made of."""

    image: str
    """The image where spec.server.image names none."""
    allowed_image_prefixes: tuple[str, ...] = ()
    """Prefixes that spec.server.image may begin with; the default image is always allowed."""
    image_pull_policy: Annotated[str, Field(pattern="^(Always|IfNotPresent|Never)$")] = "IfNotPresent"
    """When the kubelet pulls."""
    public_key: str = ""
    """PEM keys (`serin runs keygen`): server pods then refuse every run that none of them signed."""

    def choose(self, wanted: str | None) -> ServerImage:
        """Answer the image for a resource, or why the one that it wants is refused."""
        if wanted is None or wanted == self.image or wanted.startswith(self.allowed_image_prefixes or ("\0",)):
            return ServerImage(wanted or self.image, self.image_pull_policy, public_key=self.public_key)
        allowed = ", ".join(self.allowed_image_prefixes) or "none"
        refusal = f"spec.server.image {wanted} is not allowed by the operator's configuration (prefixes: {allowed})"
        return ServerImage(self.image, self.image_pull_policy, refusal=refusal, public_key=self.public_key)


class Settings(_Settings):
    """Everything that the operator is told."""

    prometheus: dict[str, PrometheusEndpoint]
    """Endpoints by name; spec.analysis.prometheus picks one."""
    server: ServerDefaults
    """What server pods are made of."""
    namespaces: tuple[str, ...] = ()
    """The namespaces to watch; empty means all."""
    workers: Annotated[int, Field(ge=1, le=64)] = 4
    """How many resources are reconciled at once."""
    host: str = "0.0.0.0"  # noqa: S104 - a pod's own address, behind a Service
    """The address for /healthz, /readyz and /metrics."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8081
    """Their port."""
    json_logs: bool = False
    """One JSON object a line instead of text."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. Raises SettingsError. `SERIN_HOST` overrides the address."""
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingsError(f"{path}: {' '.join(str(error).split())}") from None
        if not isinstance(found, dict):
            raise SettingsError(f"{path}: expected keys such as prometheus and server, found {type(found).__name__}")
        if host := os.environ.get("SERIN_HOST"):
            found["host"] = host
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise SettingsError(f"{path}: {one_line(error)}") from None
