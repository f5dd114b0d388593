"""Whatever others have written: every parser of core raises the errors that it documents, and no other."""

import base64
import contextlib
import json
import zlib
from pathlib import Path

import pytest
import yaml
from foreign_input import HOSTILE_TEXTS, HOSTILE_VALUES, damaged_json, damaged_texts, damaged_values
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serin_core.api import packing
from serin_core.api.durations import parse_duration
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Status
from serin_core.contract.check_document import CheckResponseError, parse_response
from serin_core.contract.documents import DocumentError, ModelDocument, RoutingDocument, one_line
from serin_core.contract.pod_report import PodReport
from serin_core.contract.pushed_routing import PushedRouting
from serin_core.counting.number import number_of
from serin_core.kubernetes.label_selector import LabelSelector, SelectorError
from serin_core.model.calibration import Calibration, CalibrationError
from serin_core.model.encoder import Encoder, EncoderError
from serin_core.model.keyword_rules import Rules, RulesError
from serin_core.model.manifest import Manifest, RunError, parse_classes
from serin_core.model.parity import parse_parity
from serin_core.model.report import Report
from serin_core.model.signing import SignatureError, check_public_key
from serin_core.model.signing_keys import KeyFormatError, SigningKey
from serin_core.model.values import parse_amount, parse_timestamp
from serin_core.rollout import recording
from serin_core.rollout.recording import RecordError
from serin_core.rollout.requests import requests_on
from serin_core.yaml_text import load_all_yaml, load_yaml

ROOT = Path(__file__).parents[2]
RUN = "run_1a2b3c4d_1767225600"
DIGEST = f"sha256:{'a' * 64}"
SERVED = {
    "run": RUN,
    "digest": DIGEST,
    "thresholds": {"default": 0.7, "perClass": {"Dining": 0.8}},
    "calibration": True,
}
QUALITY = {
    "f1Macro": 0.8, "f1Min": 0.6, "classes": ["A", "B"], "calibrationError": 0.02, "uncalibratedError": 0.04,
    "coverage": {"A": {"share": 0.5, "by_threshold": {"0.70": {"coverage": 0.9, "precision": 0.95}}}},
}  # fmt: skip
ROUTING = {
    "uid": "u", "revision": 7, "stage": 5, "salt": "s", "shadow": True, "stable": SERVED,
    "candidate": SERVED | {"percent": 10, "supervisionSeconds": 3600},
}  # fmt: skip
MODEL = {"uid": "u", "attempt": 1, "registry": "s3://bucket/runs", "runs": [{"run": RUN, "digest": DIGEST}]}
REPORT = {
    "run_id": "run_1a2b3c4d", "run_directory": RUN, "created_at": "2026-01-01T00:00:00Z", "val_f1_macro": 0.8,
    "val_f1_min": 0.6, "val_f1_per_class": {"A": 0.8}, "val_accuracy": 0.8, "passed_acceptance_gate": True,
    "deployed": False, "deploy_reason": "r", "calibration_enabled": True, "rows": {"fit": 10}, "features": 3,
    "trees": 2, "coverage_by_threshold": {"0.70": {"coverage": 0.9, "precision": 0.95}},
    "coverage_by_class": QUALITY["coverage"],
    "data_from": "2025-01-01", "data_to": "2026-01-01", "known_to": "2026-01-01T00:00:00Z", "aging_rate": 0.1,
    "seed": 1,
    "profile": {"rows": 1, "categories": {"A": 1}, "answers": {"A": 1}, "confidence": [1], "new_merchants": 0,
                "numbers": {"amount": [1]}, "edges": {"amount": [0.5]}, "monthly": {"2026-01": [1, 1]}},
}  # fmt: skip
MANIFEST = {"schema_version": 1, "run": RUN, "files": {"model.txt": {"sha256": "a" * 64, "size": 3}}}
PARITY = [
    {"merchant": "m", "description": "d", "amount": 1.5, "channel": "pos", "timestamp": "2026-01-01T00:00:00Z",
     "scores": [0.5], "numbers": [1.0], "corrections": [0.1], "label": "A", "confidence": 0.9}
]  # fmt: skip
CALIBRATION = {"A": {"raw": [0.1, 0.5], "right": [0.2, 0.6]}}
ENCODER = {"classes": ["A", "B"], "channels": ["pos"], "bias": [0.1, 0.2], "words": ["m:cafe"]}
RECORD = {
    "version": 1, "trial": 1, "namespace": "n", "name": "c", "uid": "u", "runID": RUN, "digest": DIGEST, "attempt": 1,
    "startedAt": "2026-01-01T00:00:00Z", "outcome": "Running", "spec": {"runID": RUN},
    "curves": {"agreement": [[1.0, 10.0, 5.0, 6.0, 0.1, None]]}, "shares": [[1.0, 10.0, 9.5, None]],
    "transitions": [{"at": "2026-01-01T00:00:00Z", "event": "StageStarted", "message": "m", "percent": 10}],
    "rollbacks": [{"runID": RUN, "event": "GateFailed", "at": "2026-01-01T00:00:00Z", "revision": 3}],
}  # fmt: skip
POD = {
    "uid": "u", "process": "p", "revision": 7, "hash": "h", "attempt": 1, "routingKey": "k", "refusal": "",
    "runs": [{"run": RUN, "state": "loaded", "digest": DIGEST, "quality": QUALITY}],
    "supervision": {"silenceSeconds": 1.0, "isLapsed": False, "lapsedSeconds": 0.0},
}  # fmt: skip
PUSH = {"document": json.dumps(ROUTING), "signature": f"{'A' * 86}=="}
STATUS = json.loads((ROOT / "tests" / "recorded" / "2026-11-27T1358.json").read_text())[1]["status"]
SPEC = yaml.safe_load((ROOT / "examples" / "gates.yaml").read_text())["spec"]
RULES = b"classes:\n  Groceries: [loblaws, 'no frills']\n  Dining: &a [pizza, caf\xc3\xa9]\n"

TEXTS = {
    "routing": (ROUTING, RoutingDocument.parse, DocumentError),
    "model document": (MODEL, ModelDocument.parse, DocumentError),
    "manifest": (MANIFEST, Manifest.parse, RunError),
    "report": (REPORT, lambda text: Report.parse(text).aging, RunError),
    "classes": (["A", "B"], parse_classes, RunError),
    "parity rows": (PARITY, parse_parity, RunError),
    "record": (RECORD, recording.read, RecordError),
    "check response": ({"verdict": "Pass", "message": "m"}, parse_response, CheckResponseError),
    "pod report": (POD, PodReport.model_validate_json, ValidationError),
    "pushed routing": (PUSH, PushedRouting.model_validate_json, ValidationError),
}
VALUES = {
    "spec": (SPEC, SuggestionModelSpec.model_validate, ValidationError),
    "status": (packing.expanded(STATUS), Status.model_validate, ValidationError),
    "calibration": (CALIBRATION, Calibration.from_json, CalibrationError),
    "encoder": (ENCODER, lambda found: Encoder.from_files(found, b""), EncoderError),
    "rules": (yaml.safe_load(RULES), Rules.parse, RulesError),
    "number of a query": ([{"value": [1.0, "5"]}], lambda found: number_of("vector", found), ()),
}
WORDS = {
    "duration": ("1h30m", parse_duration, ValueError),
    "time": ("2026-01-31T12:00:00+00:00", parse_timestamp, ValueError),
    "amount": ("-12.50", parse_amount, ValueError),
    "label selector": ("team=a,tier in (x, y),!z", LabelSelector.parse, SelectorError),
    "signing key": (SigningKey.generate().pem, SigningKey.parse, KeyFormatError),
    "public key": (SigningKey.generate().public_pem, lambda text: check_public_key(text.encode("utf-8", "replace")),
                   SignatureError),
}  # fmt: skip


def check(parse, given_input, errors):
    """Parse; an error is a documented one, and its text one line of bounded length."""
    try:
        parse(given_input)
    except errors as error:
        text = one_line(error) if isinstance(error, ValidationError) else str(error)
        assert "\n" not in text
        assert len(text) < 4200
        text.encode()


@pytest.mark.parametrize("name", TEXTS)
@given(data=st.data())
def test_a_text_is_parsed_or_refused_as_documented(name, data):
    valid, parse, errors = TEXTS[name]
    check(parse, data.draw(damaged_json(valid)), errors)


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_valid_is_taken_and_what_is_known_to_be_hostile_is_refused_as_documented(name):
    valid, parse, errors = TEXTS[name]
    parse(json.dumps(valid).encode())
    for text in HOSTILE_TEXTS:
        check(parse, text, errors)


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_values_are_parsed_or_refused_as_documented(name, data):
    valid, parse, errors = VALUES[name]
    check(parse, data.draw(damaged_values(valid)), errors)


@pytest.mark.parametrize("name", VALUES)
def test_values_that_are_known_to_be_hostile_are_refused_as_documented(name):
    _, parse, errors = VALUES[name]
    for value in HOSTILE_VALUES:
        check(parse, value, errors)


@pytest.mark.parametrize("name", WORDS)
@given(data=st.data())
def test_a_word_is_parsed_or_refused_as_documented(name, data):
    valid, parse, errors = WORDS[name]
    parse(valid)
    damaged = damaged_texts(valid.encode()).map(lambda text: text.decode("utf-8", "surrogateescape"))
    check(parse, data.draw(st.one_of(damaged, st.text(max_size=40))), errors)


@given(
    st.one_of(
        damaged_texts(json.dumps(packing.expanded(STATUS)).encode()), damaged_texts(STATUS["operatorState"].encode())
    )
)
def test_a_state_is_unpacked_or_refused_with_a_value_error(text):
    for packed in (text.decode("latin-1"), base64.b64encode(zlib.compress(text)).decode()):
        check(packing.expanded, {packing.STATE: packed}, ValueError)


@given(damaged_texts(RULES))
def test_rules_and_other_yaml_are_read_or_refused_as_documented(text):
    decoded = text.decode("utf-8", "replace")
    with contextlib.suppress(yaml.YAMLError, RulesError):
        Rules.parse(load_yaml(decoded))
    with contextlib.suppress(yaml.YAMLError):
        list(load_all_yaml(decoded))


@given(
    st.dictionaries(
        st.sampled_from(
            [f"request.serin.dev/{one}" for one in ("promote", "abort", "undo", "retry", "pause", "x", "")]
        ),
        st.one_of(
            damaged_texts(f"{RUN}@10/{DIGEST} 2026-01-01T00:00:00Z by alice: because".encode()).map(
                lambda text: text.decode("utf-8", "replace")
            ),
            st.text(max_size=60),
        ),
        max_size=4,
    )
)
def test_requests_of_any_content_are_read(annotations):
    resource = Resource("n", "c", "u", 1, "1", SuggestionModelSpec.model_validate(SPEC), None, annotations)
    for one in requests_on(resource):
        assert all(isinstance(text, str) for text in (one.run_id, one.digest, one.by, one.reason, one.note, one.author))
        assert one.percent is None or one.percent == one.percent
        _ = one.time, one.names_bake, one.origin


@pytest.mark.parametrize("classes", [{"a\nb": 1}, {"a\nb": [1]}, {"a\u2028b": []}, {"a": ["x"], "a\nb": ["x"]}])
def test_a_class_with_a_line_break_is_named_in_one_line(classes):
    with pytest.raises(RulesError) as caught:
        Rules.parse({"classes": classes})
    assert str(caught.value).isprintable()
