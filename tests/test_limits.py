"""docs/limits.md has the limits that the code has."""

import re
from pathlib import Path

import pytest
import yaml

from serin_core.api.spec import MAX_NAME_LENGTH
from serin_core.contract.request_values import MAX_VALUE
from serin_core.counting.custom_counters import MAX_SERIES
from serin_core.model.keyword_rules import MAX_KEYWORDS
from serin_core.model.values import MAX_CHARACTERS
from serin_core.rollout.decide import HISTORY
from serin_core.rollout.forgotten_requests import MAX_HANDLED
from serin_core.rollout.requests import MAX_REQUESTS
from serin_core.rollout.rollback import MAX_REJECTED
from serin_core.yaml_text import MAX_DEPTH
from serin_operator.work_queue import MAX_RETRY
from serin_registry.limits import MAX_FILE_BYTES, MAX_OTHER_FILE_BYTES
from serin_server.admission import MAX_CONNECTIONS, MAX_HELD_BYTES, MAX_OPEN_REQUESTS
from serin_server.event_ids import MAX_AGE
from serin_server.http.middleware import MAX_BODY_BYTES
from serin_server.http.protocol import MAX_HEAD_BYTES, MAX_WAITING
from serin_server.http.schemas import MAX_ITEMS
from serin_server.metrics.counters import MAX_USERS
from serin_server.rate_limit import FEEDBACK_PER_SECOND
from serin_server.stores.memory import MAX_EVENTS
from serin_training.data.csv_records import MAX_LINE
from serin_training.splits import MAX_CLASSES

ROOT = Path(__file__).parents[1]
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
ROW = re.compile(r"^\| ([^|]+) \| (?:at most )?([\d,]+) ?(KiB|MiB|GiB)?[^|]*\|", re.MULTILINE)
LIMITS = {
    what: int(many.replace(",", "")) * UNITS.get(unit, 1)
    for what, many, unit in ROW.findall((ROOT / "docs/limits.md").read_text())
}
CRD = yaml.safe_load((ROOT / "crds" / "suggestionmodels.yaml").read_text())
SPEC = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
EXPECTED = {
    "name of a SuggestionModel": MAX_NAME_LENGTH,
    "body of a request": MAX_BODY_BYTES,
    "transactions in a request": MAX_ITEMS,
    "request line and headers": MAX_HEAD_BYTES,
    "requests that wait on one connection": MAX_WAITING,
    "connections of one server process": MAX_CONNECTIONS,
    "open requests of one process": MAX_OPEN_REQUESTS,
    "bodies of requests of one process that are not answered, together": MAX_HELD_BYTES,
    "feedback per second and process": FEEDBACK_PER_SECOND,
    "age of a suggestion that feedback is sent on, in days": MAX_AGE.days,
    "file of a run that a server reads": MAX_FILE_BYTES,
    "any other file of a run": MAX_OTHER_FILE_BYTES,
    "keywords in the rules": MAX_KEYWORDS,
    "nested levels of a YAML file, values that its aliases repeat": MAX_DEPTH,
    "classes that training learns": MAX_CLASSES,
    "name of a class in rules and runs": MAX_CHARACTERS["category"],
    "line of a CSV file that training reads": MAX_LINE,
    "steps of a rollout": SPEC["canary"]["properties"]["steps"]["maxItems"],
    "custom gates in `spec.gates.custom`": SPEC["gates"]["properties"]["custom"]["maxItems"],
    "series that a selector of a gate may match": MAX_SERIES,
    "users counted per stage and pod": MAX_USERS,
    "events kept by the store in memory": MAX_EVENTS,
    "transitions in the history": HISTORY,
    "runs that were rolled back": MAX_REJECTED,
    "handled requests that are not on the object any more": MAX_HANDLED,
    "annotations with requests on one object": MAX_REQUESTS,
    "value of a request": MAX_VALUE,
    "retries of an operation that fails": MAX_RETRY,
}


@pytest.mark.parametrize("what", EXPECTED)
def test_the_page_has_the_limit_of_the_code(what):
    assert LIMITS[what] == EXPECTED[what]


def test_the_page_has_the_default_requests_of_server_and_operator():
    page = (ROOT / "docs" / "limits.md").read_text()
    server = SPEC["server"]["properties"]["resources"]["properties"]
    assert server["requests"]["default"] == {"cpu": "100m", "memory": "256Mi"}
    deployment = yaml.safe_load((ROOT / "manifests" / "base" / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
    assert "| operator | 50m CPU, 128 MiB | 512 MiB |" in page
    assert "| server pod | 100m CPU, 256 MiB | 1 GiB |" in page
