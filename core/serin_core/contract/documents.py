"""The two documents that the operator writes and every server pod reads: one schema for both sides.

`RoutingDocument` (ConfigMap `<name>-routing`) says which run answers whom; it changes often and its revision only
grows. `ModelDocument` (ConfigMap `<name>-model-<hash>`, immutable) says which runs a pod loads.
Never reads or writes a file.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

_T = TypeVar("_T", bound=BaseModel)


class DocumentError(ValueError):
    """A document that does not fit its schema. The message is one line and names the field."""


class _Document(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, serialize_by_alias=True
    )


Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Thresholds(_Document):
    """The least calibrated confidence, in 0 to 1, at which a run's answer is used."""

    default: Share = 0.70
    per_class: dict[str, Share] = Field(default_factory=dict)

    def of(self, label: str) -> float:
        """Answer the threshold of one class."""
        return self.per_class.get(label, self.default)


class ServedRun(_Document):
    """One run as it may answer: exactly these bytes, under these thresholds."""

    run: str
    digest: Digest
    thresholds: Thresholds = Thresholds()
    calibration: bool = True


class CandidateRun(ServedRun):
    """The run on trial, and its share of users in percent."""

    percent: Annotated[float, Field(ge=0, le=100)]


class RoutingDocument(_Document):
    """Who is answered by what.

    `stage` is the revision at which the present stage began: every count is labelled with it, so that evidence
    never crosses from one stage into the next.
    """

    uid: str
    revision: Annotated[int, Field(ge=0)]
    stage: Annotated[int, Field(ge=0)]
    salt: str
    shadow: bool = True
    candidate: CandidateRun | None = None
    stable: ServedRun | None = None

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a document. Raises DocumentError."""
        return _parse(cls, text)

    def text(self) -> str:
        """Write the one canonical form: sorted keys, no spaces."""
        return _canonical(self)

    def hash(self) -> str:
        """Answer the sha256 of the canonical form, in hex."""
        return hashlib.sha256(self.text().encode()).hexdigest()


class LoadedRun(_Document):
    """A run that a pod is to load; without a digest it takes and reports what it finds."""

    run: str
    digest: Digest | None = None


class ModelDocument(_Document):
    """What a pod loads at its start: the runs, and where they are. `attempt` makes a retry read them anew.

    Which of them must load before the pod may become ready is not said here but by the routing document, whose
    stable run it is: promotion changes that, and promotion never changes this document.
    """

    uid: str
    attempt: Annotated[int, Field(ge=0)] = 0
    registry: str
    runs: tuple[LoadedRun, ...] = ()

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a document. Raises DocumentError."""
        return _parse(cls, text)

    def text(self) -> str:
        """Write the one canonical form: sorted keys, no spaces."""
        return _canonical(self)

    def hash(self) -> str:
        """Answer the sha256 of the canonical form, in hex."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def _canonical(document: BaseModel) -> str:
    return json.dumps(document.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def _parse(kind: type[_T], text: str | bytes) -> _T:
    try:
        # Strict: "10" is no share, though it could be read as one.
        return kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise DocumentError(one_line(error)) from None


def one_line(error: ValidationError) -> str:
    """Say the first thing that is wrong, and where, in one line."""
    return first_of(error.errors(include_url=False))


def first_of(errors: Sequence[ErrorDetails]) -> str:
    """Say the first of what pydantic found wrong, and where, in one line."""
    where = ".".join(str(part) for part in errors[0]["loc"]) or "document"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    message = " ".join(errors[0]["msg"].removeprefix("Value error, ").split())
    # A field's name may be anything that JSON can hold: line breaks, and halves of characters that UTF-8 cannot.
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in f"{where}: {message}{more}"
    )
