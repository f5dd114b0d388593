"""The base of all parts of the operator's configuration, and parts that several of them share."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

_RESERVED: Final = frozenset(
    {"authorization", "host", "content-type", "content-length", "transfer-encoding", "connection"}
)
"""Headers that the operator itself writes."""


class SettingsModel(BaseModel):
    """Base of all settings: camelCase in the file, unknown keys are refused."""

    # Docstrings of fields become the descriptions in the schema and the table of the Helm chart.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )


class Header(SettingsModel):
    """The value of a header that is sent with every request: exactly one of the two."""

    value: Annotated[str, Field(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")] = ""
    """The value itself, for what is no secret: a tenant, for instance."""
    file: Path | None = None
    """A file with the value; read at every request."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if bool(self.value) is bool(self.file):
            raise ValueError("a header has either a value or a file")
        return self


class BasicAuth(SettingsModel):
    """A user name and a password."""

    username: Annotated[str, Field(pattern=r"^[^:\x00-\x1f]+$")]
    """The user name."""
    password_file: Path
    """A file with the password; read at every request, so that the password can be rotated."""


def _are_not_reserved(headers: dict[str, Header]) -> dict[str, Header]:
    if reserved := [name for name in headers if name.lower() in _RESERVED]:
        raise ValueError(f"{reserved[0]} cannot be set here; for credentials, there are bearerTokenFile and basicAuth")
    return headers


Headers = Annotated[dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], Header], AfterValidator(_are_not_reserved)]
