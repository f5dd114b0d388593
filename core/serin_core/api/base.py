"""What every part of the spec is made of: its base model, its CEL rules, and types that several fields share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Rate = Annotated[float, Strict(), Field(gt=0, lt=1)]
Percent = Annotated[float, Strict(), Field(ge=0, le=100)]


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Attach CEL rules, each with its one-line message, to a schema node."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


class SpecModel(BaseModel):
    """Whatever stands in `spec`: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, serialize_by_alias=True
    )
