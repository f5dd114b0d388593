"""The model ConfigMap and the pod template are rendered again exactly when something they are made from changes."""

import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.api.resource import Resource
from serin_core.api.spec import Registry, SuggestionModelSpec
from serin_core.api.status import Candidate, CandidateState, Status, TemplateRun
from serin_core.kubernetes import manifests, pod_objects, pod_template
from serin_core.kubernetes.inputs import RulesText, ServerImage

SPECS = [
    SuggestionModelSpec.model_validate(
        {"runID": "run_aaaaaaaa_1", "registry": {"uri": uri}, "server": {"token": {"secretName": secret}}}
    )
    for uri in ("s3://a", "s3://b")
    for secret in ("tokens", "others")
]
RUNS = [
    (),
    (TemplateRun(run_id="run_aaaaaaaa_1"),),
    (TemplateRun(run_id="run_aaaaaaaa_1", digest=f"sha256:{'a' * 64}"),),
]
DRAINING = Candidate(
    run_id="run_aaaaaaaa_1", state=CandidateState.DRAINING, attempt_started_at=datetime(2026, 1, 1, tzinfo=UTC)
)
STATUSES = [
    Status(pod_runs=runs, pod_attempt=attempt, candidate=candidate, pod_registry=Registry(uri="s3://former"))
    for runs in RUNS
    for attempt in (0, 1)
    for candidate in (None, DRAINING)
]
RULES = [RulesText(""), RulesText("classes: {A: [a]}")]
IMAGES = [ServerImage("server:1"), ServerImage("server:2"), ServerImage("server:1", ids={"runAsUser": 1000})]
RESOURCES = [
    Resource("shop", name, uid, 1, "1", spec, None) for name in ("a", "b") for uid in ("u-1", "u-2") for spec in SPECS
]


@given(
    st.lists(
        st.tuples(*map(st.sampled_from, (RESOURCES, STATUSES, RULES, IMAGES)), st.booleans()), min_size=1, max_size=12
    )
)
def test_what_is_kept_is_what_would_be_rendered_now(passes):
    for resource, status, rules, image, is_parsed_again in passes:
        spec = copy.deepcopy(resource.spec) if is_parsed_again else resource.spec
        seen = replace(resource, spec=spec, resource_version="2")
        model = manifests.model(seen, status, rules)
        assert pod_objects.model(seen, status, rules) == model
        assert pod_objects.template(seen, status, rules, image) == pod_template.render(
            seen, status, model_name=model["metadata"]["name"], image=image
        )


def test_it_is_rendered_once_for_equal_inputs_and_again_for_others():
    kept, rendered = pod_objects.Kept(), []

    def at(inputs):
        return kept.get("u-1", inputs, lambda: rendered.append(inputs) or {"of": inputs})

    assert [at(inputs) for inputs in ("a", "a", "b", "b", "a")] == [
        {"of": inputs} for inputs in ("a", "a", "b", "b", "a")
    ]
    assert rendered == ["a", "b", "a"]


@pytest.mark.parametrize(("used_last", "expected"), [("u-1", ["u-2"]), ("u-2", ["u-1"])])
def test_the_resource_that_was_rendered_first_is_forgotten_first(used_last, expected):
    kept, rendered = pod_objects.Kept(limit=2), []
    for uid in ("u-1", "u-2", used_last, "u-3"):
        kept.get(uid, 1, dict)
    for uid in (used_last, *expected):
        kept.get(uid, 1, lambda uid=uid: rendered.append(uid) or {})
    assert rendered == expected
