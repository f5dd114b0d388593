"""The documents of checks: their schemas in docs/, and what is no answer."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from serin_core.api.check_status import CheckVerdict
from serin_core.api.gate_status import GateStatus
from serin_core.contract.check_document import (
    CheckedResource,
    CheckedRun,
    CheckedStep,
    CheckRequest,
    CheckResponse,
    CheckResponseError,
    one_line,
    parse_response,
)

DOCS = Path(__file__).parents[3] / "docs"
SCHEMAS = {"request": CheckRequest, "response": CheckResponse}
REQUEST = CheckRequest(
    id="1",
    number=1,
    check="smoke",
    resource=CheckedResource(namespace="shop", name="categories", uid="u"),
    run=CheckedRun(name="run_aaaaaaaa_1", digest="sha256:a", attempt=1),
    step=CheckedStep(current_percent=0, percent=10, stage=4),
    sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    evidence=(GateStatus(name="agreement", at_least=0.7, good=5, total=6, estimate=0.83, reason="Proven"),),
)


def schema(name):
    found = SCHEMAS[name].model_json_schema(by_alias=True, mode="serialization" if name == "request" else "validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_in_the_documentation_is_that_of_the_models(name):
    """To write the files again: python tests/core/contract/test_check_document.py."""
    written = json.loads((DOCS / "checks" / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert written == schema(name)


def test_a_request_fits_its_schema():
    document = REQUEST.model_dump(mode="json", exclude_none=True)
    Draft202012Validator(schema("request")).validate(document)
    assert document["step"] == {"currentPercent": 0.0, "percent": 10.0, "stage": 4}
    assert document["sentAt"] == "2026-01-01T00:00:00Z"


def test_the_example_of_the_page_has_the_fields_of_a_request():
    page = (DOCS / "checks.md").read_text(encoding="utf-8")
    example = json.loads(page.split("```json\n")[1].split("```")[0])
    CheckRequest.model_validate(example | {"evidence": []})
    assert example.keys() == REQUEST.model_dump(mode="json").keys()


def test_an_answer_may_have_more_fields():
    found = parse_response(b'{"verdict": "Wait", "message": "soon", "url": "x"}')
    assert (found.verdict, found.message) == (CheckVerdict.WAIT, "soon")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"verdict": 1}', b'{"verdict": "Pass", "message": 3}'])
def test_what_is_no_answer_is_refused_without_repeating_it(body):
    with pytest.raises(CheckResponseError) as error:
        parse_response(body)
    assert "\n" not in str(error.value)
    assert "expected" in str(error.value)


def test_a_line_keeps_its_words():
    assert one_line("  a\r\n b\x00c ") == "a b c"
    assert one_line("") == ""


if __name__ == "__main__":
    (DOCS / "checks").mkdir(exist_ok=True)
    for one in SCHEMAS:
        (DOCS / "checks" / f"{one}.schema.json").write_text(json.dumps(schema(one), indent=1) + "\n", encoding="utf-8")
