"""lint: errors of fields in plain words, likely mistakes, and whether gates can reach a verdict in time."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from serin_cli import lint
from serin_cli.lint_advice import advice
from serin_cli.lint_schema import schema_findings
from serin_cli.lint_traffic import Traffic
from serin_core.api.delays import too_long
from serin_core.api.registry_volume import NO_VOLUME
from serin_core.api.spec import SuggestionModelSpec

spec_of = SuggestionModelSpec.model_validate
RUN = "run_1a2b3c4d_1767225600"
LIKE = (
    'shop_orders_total{code="200"}, or with the name in quotes where it has other characters: '
    '{"http.server.requests",code="200"}'
)
RESERVED = (
    "serin.dev/*, prometheus.io/*, pod-template-hash and the name, part-of and managed-by of app.kubernetes.io are set "
    "by the operator and by Kubernetes"
)
EXAMPLES = Path(__file__).parents[2] / "examples"


def manifest(**spec):
    base = {
        "runID": RUN,
        "registry": {"uri": "/registry", "volume": {"claimName": "registry"}},
        "server": {"token": {"secretName": "tokens"}},
    }
    return {
        "apiVersion": "serin.dev/v1alpha1",
        "kind": "SuggestionModel",
        "metadata": {"name": "categories"},
        "spec": base | spec,
    }


def server(**changes):
    return manifest(server={"token": {"secretName": "tokens"}} | changes)


def pod(**changes):
    return server(pod=changes)


def gates(**listed):
    return manifest(gates=listed)


ORDERS = {"name": "orders", "good": "sold", "total": "orders", "atLeast": 0.9}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            manifest(runID="model-v2"),
            "error: spec.runID: 'model-v2' is not a run: write its name as `serin runs list` prints it, for example "
            + RUN,
        ),
        (manifest(shadowSoak="3h"), "error: spec.shadowSoak: unknown field; did you mean shadow?"),
        (manifest(cannary={}), "error: spec.cannary: unknown field; did you mean canary?"),
        (
            manifest(canary={"shadowSaok": "3h"}),
            "error: spec.canary.shadowSaok: unknown field; did you mean shadowSoak?",
        ),
        (
            gates(errors={"atLest": 0.9}),
            "error: spec.gates.errors.atLest: unknown field; did you mean atLeast?",
        ),
        (
            manifest(canary={"percent": "10%"}),
            "error: spec.canary.percent: '10%' is not a number; write 10 without quotes",
        ),
        (manifest(canary={"percent": 150}), "error: spec.canary.percent: 150 is not at most 100"),
        (
            manifest(canary={"shadowSoak": "1d"}),
            "error: spec.canary.shadowSoak: '1d' is not a duration: write one like 24h, 30m or 1h30m",
        ),
        (manifest(canary={"steps": []}), "error: spec.canary.steps: must not be empty"),
        (manifest(canary={"steps": [{"percent": 150}]}), "error: spec.canary.steps[0].percent: 150 is not at most 100"),
        (
            manifest(canary={"steps": [{"percent": 50}, {"percent": 10}]}),
            "error: spec.canary.steps: steps must be strictly increasing in percent, for example 10, 50, 100",
        ),
        (manifest(analysis={"interval": "0s"}), "error: spec.analysis.interval: 0s is not at least 1s"),
        (
            manifest(analysis={"onInconclusive": "hold"}),
            "error: spec.analysis.onInconclusive: 'hold' is not one of Hold, Rollback, Promote; did you mean Hold?",
        ),
        (
            gates(errors={"atLeast": 70}),
            "error: spec.gates.errors.atLeast: 70 is not below 1; write 0.70 for 70 %",
        ),
        (
            gates(custom=[ORDERS | {"good": "sum(rate(x[5m]))"}]),
            "error: spec.gates.custom[0].good: must be a metric with label matchers and no other PromQL: " + LIKE,
        ),
        (gates(errors={"initialDelay": "48h"}), f"error: spec: {too_long('errors')}"),
        (manifest(registry={"uri": "/registry"}), f"error: spec.registry.volume: required: {NO_VOLUME}"),
        (manifest(registry={"uri": "file:///registry/team"}), f"error: spec.registry.volume: required: {NO_VOLUME}"),
        (gates(agreemnt={"atLeast": 0.7}), "error: spec.gates.agreemnt: unknown field; did you mean agreement?"),
        (
            gates(agreement={"atMost": 0.7}),
            "error: spec.gates.agreement.atMost: unknown field; did you mean atLeast?",
        ),
        (
            gates(agreement={"margin": 0.9}),
            "error: spec.gates.agreement: margin must be below atLeast",
        ),
        (
            gates(errors={"mode": False}),
            (
                'error: spec.gates.errors.mode: false is not one of Enforce, DryRun, Off; write "Off" in quotes: '
                "YAML reads Off as false"
            ),
        ),
        (
            gates(errors={"mode": "dryrun"}),
            "error: spec.gates.errors.mode: 'dryrun' is not one of Enforce, DryRun, Off; did you mean DryRun?",
        ),
        (
            gates(custom=[ORDERS | {"name": "errors"}]),
            (
                "error: spec.gates.custom[0]: a custom gate needs a name that no built-in gate has (availability, "
                "errors, latency, agreement, acceptedRatio, lowConfidence, feedback, perClass, fallback)"
            ),
        ),
        (
            gates(metrics=[{"name": "errors"}]),
            (
                "error: spec.gates.metrics: unknown field: each built-in gate is a field of its own; `serin convert` "
                "rewrites the list"
            ),
        ),
        (
            manifest(thresholds={"perClass": {"Dining": 2}}),
            "error: spec.thresholds.perClass.Dining: 2 is not at most 1; write 0.02 for 2 %",
        ),
        (manifest(bake={"holdback": 5}), "error: spec.bake: a holdback needs a duration above 0s"),
        (
            manifest(bake={"duration": "1h", "holdback": 60}),
            (
                "error: spec: bake.holdback leaves less than the step before 100 percent: it must be at most 100 minus "
                "that step, for example 5"
            ),
        ),
        (manifest(bake={"duraton": "1h"}), "error: spec.bake.duraton: unknown field; did you mean duration?"),
        (manifest(suspend="yes"), "error: spec.suspend: 'yes' is not true or false"),
        (manifest(server={}), "error: spec.server.token: required; write token: {secretName: NAME}"),
        (
            manifest(server={"token": {"secretName": "t"}, "resources": {"requests": {"cpus": "1"}}}),
            (
                "error: spec.server.resources.requests.cpus: 'cpus' is not one of cpu, memory, ephemeral-storage; did "
                "you mean cpu?"
            ),
        ),
        (pod(labels={"serin.dev/model": "x"}), f"error: spec.server.pod.labels: {RESERVED}"),
        (pod(annotations={"prometheus.io/scrape": "false"}), f"error: spec.server.pod.annotations: {RESERVED}"),
        (
            pod(serviceAccountAnnotations={"request.serin.dev/retry": "now"}),
            f"error: spec.server.pod.serviceAccountAnnotations: {RESERVED}",
        ),
        (pod(hostNetwork=True), "error: spec.server.pod.hostNetwork: unknown field"),
        (
            pod(nodeSelector={"name": "two words"}),
            (
                "error: spec.server.pod.nodeSelector.name: 'two words' is not the value of a label: use at most 63 "
                "letters, digits, -, _ and ."
            ),
        ),
        (
            pod(tolerations=[{"key": "gpu", "tolerationsSeconds": 3}]),
            "error: spec.server.pod.tolerations[0].tolerationsSeconds: unknown field; did you mean tolerationSeconds?",
        ),
        (
            server(proxy={"https": "http://me:secret@proxy:3128"}),
            (
                "error: spec.server.proxy.https: 'http://proxy:3128' is not a proxy: write http://HOST:PORT, and an "
                "address with a password into the Secret of secretName"
            ),
        ),
        (
            server(caBundle={"secretName": "ca", "configMapName": "ca"}),
            "error: spec.server.caBundle: set exactly one of configMapName and secretName",
        ),
        (
            manifest() | {"metadata": {"name": "fr_categories"}},
            (
                "error: metadata.name: 'fr_categories' is not a name: use lower-case letters, digits, - and ., and a "
                "letter or digit at both ends"
            ),
        ),
        (
            manifest() | {"metadata": {"name": "categories-.v1"}},
            (
                "error: metadata.name: 'categories-.v1' is not a name: use lower-case letters, digits, - and ., and a "
                "letter or digit at both ends"
            ),
        ),
        (manifest() | {"metadata": {}}, "error: metadata.name: required"),
        (
            manifest() | {"metadata": {"name": "n" * 45}},
            "error: metadata.name: 45 characters, at most 44: other names are made from it",
        ),
        (manifest() | {"apiVersion": "v1"}, "error: apiVersion: expected serin.dev/v1alpha1, found v1"),
        ({"kind": "Deployment"}, "error: kind: expected SuggestionModel, found Deployment"),
        ([1], "error: kind: expected SuggestionModel, found none"),
    ],
)
def test_an_error_names_the_field_and_what_would_be_right(document, expected):
    assert [str(finding) for finding in schema_findings(document)] == [expected]


WITHOUT_EFFECT = {
    "availability": ("atMost", "within", "required", "oddsRatio", "good"),
    "errors": ("atMost", "within", "required", "oddsRatio", "good"),
    "latency": ("atMost", "within", "required", "oddsRatio", "good"),
    "agreement": ("atMost", "within", "required", "oddsRatio", "good"),
    "acceptedRatio": ("atMost", "within", "required", "oddsRatio", "good"),
    "lowConfidence": ("atLeast", "within", "required", "oddsRatio", "good"),
    "fallback": ("atLeast", "within", "required", "oddsRatio", "good"),
    "feedback": ("atLeast", "atMost", "within", "margin", "designEffect", "initialDelay", "good"),
    "perClass": ("atMost", "within", "designEffect", "initialDelay", "required", "oddsRatio", "good"),
}


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_a_gate_has_no_option_that_changes_nothing(name):
    for option in WITHOUT_EFFECT[name]:
        (found,) = schema_findings(gates(**{name: {option: 0.5}}))
        assert found.path == f"spec.gates.{name}.{option}"
        assert found.message.startswith("unknown field")


NEEDS_CPU = (
    "spec.server.autoscaling: needs resources.requests.cpu, of which cpuUtilization is a percentage, "
    "unless a LimitRange sets it"
)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            manifest(registry={"uri": "/runs"}),
            (
                "warning: spec.registry.volume: missing: no volume is mounted, so the server's image must have runs in "
                "/runs"
            ),
        ),
        (
            manifest(gates={"errors": {"initialDelay": "12h"}}, analysis={"maxDuration": "12h"}),
            "warning: spec.gates.errors.initialDelay: not below analysis.maxDuration (12h)",
        ),
        (gates(errors={"stages": [33]}), "warning: spec.gates.errors.stages: there is no stage at 33 %"),
        (
            gates(custom=[ORDERS | {"stages": [33]}]),
            "warning: spec.gates.custom[0].stages: there is no stage at 33 %",
        ),
        (
            manifest(analysis={"maxDuration": "12h"}, canary={"steps": [{"percent": 10, "soak": "1h"}]}),
            "warning: spec.analysis.maxDuration: shorter than the soak of 24h in shadow",
        ),
        (
            manifest(bake={"duration": "1h"}, canary={"steps": [{"percent": 10}]}),
            "warning: spec.bake: has no effect: the last step is 10 %, so the run is never promoted",
        ),
        (
            manifest(canary={"supervisionTimeout": "0s"}),
            "warning: spec.canary.supervisionTimeout: off: without an operator, the candidate serves users for ever",
        ),
        (
            manifest(
                server={
                    "token": {"secretName": "tokens"},
                    "autoscaling": {"maxReplicas": 4},
                    "resources": {"requests": {"memory": "1Mi"}},
                }
            ),
            f"warning: {NEEDS_CPU}",
        ),
    ],
)
def test_a_likely_mistake_is_a_warning(document, expected):
    assert schema_findings(document) == []
    assert expected in [str(finding) for finding in advice(spec_of(document["spec"]), None)]


def test_a_sound_manifest_has_notes_only():
    assert [str(finding) for finding in advice(spec_of(manifest()["spec"]), None)] == [
        "note: spec.canary: a rollout takes at least 96h: 24h in shadow, 24h at 10 %, 24h at 50 %, 24h at 100 %"
    ]


def test_a_margin_is_shown_with_the_requests_after_which_a_verdict_is_certain():
    spec = gates(availability={"margin": 0.02})["spec"]
    notes = [
        finding for finding in advice(spec_of(spec), None) if "margin" in finding.path and finding.severity == "note"
    ]
    assert [str(note) for note in notes] == [
        "note: spec.gates.availability.margin: availability has a verdict after at most 14,796 requests"
    ]


def test_thin_traffic_is_a_warning_and_enough_of_it_a_note():
    thin = [str(one) for one in advice(spec_of(manifest()["spec"]), Traffic(0.0002, 5))]
    assert any(
        line.startswith(
            "warning: spec.gates.errors: counts 242 requests in shadow in 336h (analysis.maxDuration), and needs at"
        )
        for line in thin
    )
    assert any("a margin, a less strict bound or a longer maxDuration would help" in line for line in thin)
    enough = [str(one) for one in advice(spec_of(manifest()["spec"]), Traffic(2, 3000))]
    earliest = "the gates can pass after 26m15s at the earliest: errors needs 315 requests, all good"
    assert f"note: spec.gates: at 10 %, {earliest}" in enough


def run(*arguments, **settings):
    return CliRunner().invoke(lint.app, list(arguments), **settings)


def test_all_errors_of_all_documents_are_reported_with_file_and_resource(tmp_path):
    file = tmp_path / "m.yaml"
    broken = manifest(runID="x", canary={"percent": 101})
    other = manifest(suspend=1) | {"metadata": {"name": "second"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tokens"}}
    file.write_text(yaml.safe_dump_all([broken, secret, other]), encoding="utf-8")
    said = run("-f", str(file))
    assert said.exit_code == 1
    places = [line.split(": error: ")[0] + " " + line.split(": ")[3] for line in said.stdout.splitlines()]
    assert places == [
        f"{file}: suggestionmodel/categories spec.runID",
        f"{file}: suggestionmodel/categories spec.canary.percent",
        f"{file}: suggestionmodel/second spec.suspend",
    ]
    rows = json.loads(run("-f", str(file), "-o", "json").stdout)
    assert [(row["file"], row["resource"], row["path"], row["severity"]) for row in rows] == [
        (str(file), "suggestionmodel/categories", "spec.runID", "error"),
        (str(file), "suggestionmodel/categories", "spec.canary.percent", "error"),
        (str(file), "suggestionmodel/second", "spec.suspend", "error"),
    ]


@pytest.mark.parametrize("text", ["kind: Secret\n", "apiVersion: serin.dev/v1alpha1\nkind: SugestionModel\n"])
def test_a_file_without_a_suggestion_model_is_an_error(text):
    said = run("-f", "-", input=text)
    assert said.exit_code == 1
    assert "-: document 1: error: kind: expected SuggestionModel, found S" in said.stdout


def test_a_sound_manifest_is_ok():
    said = run("-f", str(EXAMPLES / "suggestionmodel.yaml"))
    assert (said.exit_code, said.stdout.splitlines()[-1]) == (0, "OK: no problems found")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "line 1, column 5: not valid YAML: mapping values are not allowed here"),
        ("", "the file is empty"),
    ],
)
def test_a_file_that_is_no_yaml_is_wrong_usage(text, message):
    said = run("-f", "-", input=text)
    assert (said.exit_code, said.stderr) == (2, f"serin: -: {message}\n")


def test_a_missing_file_is_wrong_usage():
    said = run("-f", "nofile.yaml")
    assert (said.exit_code, said.stderr) == (2, "serin: nofile.yaml: no such file or directory\n")
