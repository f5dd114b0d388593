"""Base models of spec and status, CEL rules, and types that several fields share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, Strict
from pydantic.alias_generators import to_camel

Json = dict[str, Any]
"""A Kubernetes object, or a part of one."""
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Rate = Annotated[float, Strict(), Field(gt=0, lt=1)]
Percent = Annotated[float, Strict(), Field(ge=0, le=100)]
NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
Name = Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_PATTERN)]
"""Name of another object in the namespace."""


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the schema extension for CEL rules, given as pairs of a rule and its one-line message."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; a longer one ends with dots."""
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


class SpecModel(BaseModel):
    """Base of all models of the spec: camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, serialize_by_alias=True
    )


def _to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Moment = Annotated[AwareDatetime, PlainSerializer(_to_text, return_type=str)]
"""A time, in JSON in UTC with microseconds."""


class StatusModel(BaseModel):
    """Base of all parts of a status: camelCase in JSON; fields of a later version are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, serialize_by_alias=True
    )

    def _copy(self, changes: Mapping[str, object]) -> Self:
        return self.model_copy(update=dict(changes))
