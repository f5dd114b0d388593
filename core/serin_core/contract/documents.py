"""The two documents that the operator writes and every server pod reads.

`RoutingDocument` (ConfigMap `<name>-routing`) names the run that serves each share of users; it changes often, and its
revision only increases. `ModelDocument` (ConfigMap `<name>-model-<hash>`, immutable) names the runs that a pod loads.
A reader refuses fields that it does not know, so each new field raises the version of the documents that have it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from serin_core.api.base import shortened
from serin_core.api.format_versions import Format, newer_version
from serin_core.api.revisions import MAX_REVISION
from serin_core.api.spec import Thresholds as SpecThresholds

_MAX_PROBLEM: Final = 1000
"""Characters of a problem: it is written into a status, and repeats names and values of the document."""


class DocumentError(ValueError):
    """A document that does not fit its schema. The message is one line that names the field."""


class NewerDocumentError(DocumentError):
    """A document of a version that this program does not know."""


class _Document(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, serialize_by_alias=True
    )


Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Thresholds(_Document):
    """The minimum calibrated confidence, in 0 to 1, at which a run's prediction is used."""

    default: Share = 0.70
    per_class: dict[str, Share] = Field(default_factory=dict)

    @classmethod
    def from_spec(cls, thresholds: SpecThresholds) -> Self:
        """Return the thresholds of a spec in the form of a routing document."""
        return cls(default=thresholds.default, per_class=dict(thresholds.per_class))

    def of(self, label: str) -> float:
        """Return the threshold of a class."""
        return self.per_class.get(label, self.default)


class ServedRun(_Document):
    """A run that serves users: exactly these bytes, with these thresholds."""

    run: str
    digest: Digest
    thresholds: Thresholds = Thresholds()
    calibration: bool = True


class CandidateRun(ServedRun):
    """The run being rolled out, and its share of users in percent."""

    percent: Annotated[float, Field(ge=0, le=100)]
    supervision_seconds: Annotated[float, Field(gt=0)] | None = None
    """How long it may serve users without a status request of the operator; None: without a limit.

    Left out of the document if it is None, so that servers of an older version, which refuse unknown fields, read it.
    """

    @model_serializer(mode="wrap")
    def _without_absent(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = fields(self)
        return {name: value for name, value in written.items() if name != "supervisionSeconds" or value is not None}


class _Versioned(_Document):
    """A whole document, with the version of its format; a document of version 1 does not name it."""

    FORMAT: ClassVar[Format[Any]]

    # First, so that it is checked first: what else is wrong follows from it.
    version: int = 1

    @field_validator("version", mode="before")
    @classmethod
    def _is_known(cls, version: Any) -> int:
        return cls.FORMAT.check(version)

    @model_serializer(mode="wrap")
    def _without_first_version(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = fields(self)
        return {name: value for name, value in written.items() if name != "version" or value > 1}

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Parse a document. Raises DocumentError, and NewerDocumentError for one of a newer version."""
        try:
            # Strict: "10" is not accepted as a number.
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            kind = NewerDocumentError if newer_version(error) else DocumentError
            raise kind(one_line(error)) from None

    def versioned(self) -> Self:
        """Return the document with the lowest version that holds what it says."""
        return self.model_copy(update={"version": self.FORMAT.lowest(self)})

    def text(self) -> str:
        """Return the canonical form: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def hash(self) -> str:
        """Return the sha256 of the canonical form, in hex."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return hash_of(self.text())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, see pydantic; the hash is not copied, since the copy may say something else."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_hash", None)
        return copied


class RoutingDocument(_Versioned):
    """Which run serves which users.

    `stage` is the revision at which the present stage began. Every count is labelled with it, so that no evidence is
    carried from one stage into the next.
    """

    FORMAT: ClassVar[Format["RoutingDocument"]] = Format("the routing document")

    uid: str
    revision: Annotated[int, Field(ge=0, le=MAX_REVISION)]
    stage: Annotated[int, Field(ge=0, le=MAX_REVISION)]
    salt: str
    shadow: bool = True
    candidate: CandidateRun | None = None
    stable: ServedRun | None = None


class LoadedRun(_Document):
    """A run that a pod loads; without a digest, the pod loads what it finds and reports its digest."""

    run: str
    digest: Digest | None = None


class ModelDocument(_Versioned):
    """The runs that a pod loads when it starts, and their registry. A new `attempt` makes a retry read them again.

    The pod becomes ready once it has loaded the stable run. The routing document names it, not this one, because a
    promotion changes the stable run and must not replace pods.
    """

    FORMAT: ClassVar[Format["ModelDocument"]] = Format("the model document")

    uid: str
    attempt: Annotated[int, Field(ge=0)] = 0
    registry: str
    runs: tuple[LoadedRun, ...] = ()


def hash_of(text: str) -> str:
    """Return the sha256 of a document's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def one_line(error: ValidationError) -> str:
    """Return the first problem and its location, in one line; of a newer version only that it is one."""
    return newer_version(error) or first_of(error.errors(include_url=False))


def first_of(errors: Sequence[ErrorDetails]) -> str:
    """Return the first of the problems that pydantic found and its location, in one line."""
    where = ".".join(str(part) for part in errors[0]["loc"]) or "document"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    message = " ".join(errors[0]["msg"].removeprefix("Value error, ").split())
    # The name of a field may contain line breaks and lone surrogates, which UTF-8 cannot encode.
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in shortened(f"{where}: {message}", _MAX_PROBLEM) + more
    )
