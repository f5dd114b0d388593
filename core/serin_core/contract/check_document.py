"""The documents of a check: what the operator sends to an endpoint by POST, and what it takes as an answer.

docs/checks has them as JSON schemas.
"""

import json
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from serin_core.api.check_status import CheckVerdict
from serin_core.api.gate_status import GateStatus

MAX_MESSAGE: Final = 300
"""Characters of a message that are kept."""
_EXPECTED: Final = 'expected {"verdict": "Pass"}, "Fail" or "Wait"'


class _Document(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, serialize_by_alias=True
    )


class CheckedResource(_Document):
    """The SuggestionModel."""

    namespace: str = Field(description="Its namespace.")
    name: str = Field(description="Its name.")
    uid: str = Field(description="Its uid.")


class CheckedRun(_Document):
    """The run that is rolled out."""

    name: str = Field(description="Its name.")
    digest: str = Field(description="The sha256 of its manifest.")
    attempt: int = Field(description="Number of this attempt to roll it out.")


class CheckedStep(_Document):
    """The step that is to begin."""

    current_percent: float = Field(description="Percent of users that the run serves now; 0 in the shadow.")
    percent: float = Field(description="Percent of users that it serves once the step has begun.")
    stage: int = Field(description="The stage that the evidence is from, as in the label serin_stage of the metrics.")


class CheckRequest(_Document):
    """A question to an endpoint: may this step begin?"""

    api_version: Literal["serin.dev/v1alpha1"] = Field("serin.dev/v1alpha1", description="Version of this document.")
    kind: Literal["CheckRequest"] = Field("CheckRequest", description="Kind of this document.")
    id: str = Field(description="Id of the question: the same in each request for this check, run, stage and attempt.")
    number: int = Field(description="Number of the request with this id, from 1. It may be sent twice after a crash.")
    check: str = Field(description="Name of the check in spec.gates.checks.")
    resource: CheckedResource = Field(description="The SuggestionModel.")
    run: CheckedRun = Field(description="The run that is rolled out.")
    step: CheckedStep = Field(description="The step that is to begin.")
    sent_at: AwareDatetime = Field(description="Time of the request.")
    evidence: tuple[GateStatus, ...] = Field(description="The gates of the current stage at the last check.")


class CheckResponse(_Document):
    """The answer of an endpoint. Other fields are ignored."""

    verdict: CheckVerdict = Field(
        description="Pass: the step may begin. Fail: the run is rolled back. Wait: ask again later."
    )
    message: str = Field("", description=f"Why, in one line. {MAX_MESSAGE} characters are kept.")


class CheckResponseError(ValueError):
    """A body that is no answer. The message is one sentence, and never repeats the body."""


def parse_response(body: bytes) -> CheckResponse:
    """Parse the body of a response. Raises CheckResponseError."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, CheckResponseError) else "returned something that is not JSON"
        raise CheckResponseError(f"{why}; {_EXPECTED}") from None
    try:
        return CheckResponse.model_validate(found)
    except ValidationError as error:
        fields = {str(part) for one in error.errors(include_url=False) for part in one["loc"][:1]}
        what = "a message that is not text" if fields == {"message"} else "no verdict"
        raise CheckResponseError(f"returned {what}; {_EXPECTED}") from None


def one_line(text: str) -> str:
    """Return a text of someone else as at most MAX_MESSAGE printable characters in one line."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * MAX_MESSAGE])
    line = " ".join(printable.split())
    return line if len(line) <= MAX_MESSAGE else f"{line[: MAX_MESSAGE - 1]}…"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise CheckResponseError("returned JSON in which a key is given twice")
    return found
