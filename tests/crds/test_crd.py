"""The CRD and the models say the same, and the schema is one that an API server takes."""

import importlib.util
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from kubernetes.utils.quantity import parse_quantity
from pydantic import ValidationError

from serin_core.api.crd import definition, schema
from serin_core.api.durations import format_duration, parse_duration
from serin_core.api.gate_names import DEFAULT_AT_LEAST, DEFAULT_AT_MOST, NOT_IN_SHADOW, GateName
from serin_core.api.spec import SuggestionModelSpec

ROOT = Path(__file__).parents[2]
MINIMAL = {"runID": "run_1a2b3c4d_1767225600", "server": {"token": {"secretName": "tokens"}}}
FORBIDDEN = {"$ref", "$defs", "definitions", "dependencies", "deprecated", "id", "patternProperties", "readOnly"}
FORBIDDEN |= {"writeOnly", "xml", "anyOf", "oneOf", "allOf", "title", "const", "propertyNames"}


def nodes(node, path="spec"):
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


SPEC = schema()["properties"]["spec"]
STATUS = schema()["properties"]["status"]
ALL = [*nodes(SPEC), *nodes(STATUS, "status")]


def test_the_file_is_what_the_models_say():
    loader = importlib.util.spec_from_file_location("generate", ROOT / "crds" / "generate.py")
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    written = (ROOT / "crds" / "suggestionmodels.yaml").read_text(encoding="utf-8")
    assert written == module.text(), "run `make crds`"


@pytest.mark.parametrize(("path", "node"), ALL, ids=[path for path, _ in ALL])
def test_every_node_is_structural(path, node):
    assert "type" in node, path
    assert not FORBIDDEN & node.keys()
    assert node["type"] != "array" or "items" in node
    assert not ("properties" in node and "additionalProperties" in node)


@pytest.mark.parametrize("path", [path for path, node in ALL if "[]" not in path.split(".")[-1]])
def test_every_field_has_a_description(path):
    node = dict(ALL)[path]
    assert 8 <= len(node["description"]) <= 250
    assert "\n" not in node["description"]


@pytest.mark.parametrize("path", [path for path, node in nodes(SPEC) if node["type"] in ("string", "array")])
def test_whatever_a_person_may_write_is_bounded(path):
    node = dict(nodes(SPEC))[path]
    assert {"maxLength", "maxItems", "enum", "pattern"} & node.keys()


def test_no_status_field_has_a_default():
    assert not [path for path, node in nodes(STATUS, "status") if "default" in node]


def test_no_default_is_inside_an_atomic_list():
    """With server-side apply, Argo CD would show such an object as OutOfSync for good."""
    lists = [node for _, node in nodes(SPEC) if node["type"] == "array"]
    atomic = [node for node in lists if node.get("x-kubernetes-list-type", "atomic") == "atomic"]
    assert atomic
    assert not [path for node in atomic for path, inner in nodes(node["items"]) if "default" in inner]


def test_a_step_without_a_soak_has_that_of_the_description():
    soak = dict(nodes(SPEC))["spec.canary.steps[].soak"]
    written = MINIMAL | {"canary": {"steps": [{"percent": 10}, {"percent": 100, "soak": "1h"}]}}
    assert fill_defaults(SPEC, yaml.safe_load(yaml.safe_dump(written)))["canary"]["steps"] == written["canary"]["steps"]
    steps = SuggestionModelSpec.model_validate(written).model_dump(mode="json")["canary"]["steps"]
    assert [step["soak"] for step in steps] == ["24h", "1h"]
    assert soak["description"].endswith("Default: 24h.")


def test_messages_of_rules_are_one_line():
    for path, node in ALL:
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["message"], path
            assert "\n" not in rule["message"] + rule["rule"]


def fill_defaults(node, value):
    """Defaulting as the API server does it."""
    if node["type"] == "object" and "properties" in node:
        for name, child in node["properties"].items():
            if name not in value and "default" in child:
                value[name] = yaml.safe_load(yaml.safe_dump(child["default"]))
            if name in value:
                fill_defaults(child, value[name])
    if node["type"] == "array":
        for item in value:
            fill_defaults(node["items"], item)
    return value


def test_defaults_of_the_schema_are_those_of_the_models():
    filled = fill_defaults(SPEC, yaml.safe_load(yaml.safe_dump(MINIMAL)))
    model = SuggestionModelSpec.model_validate(MINIMAL)
    assert filled == model.model_dump(mode="json", exclude_none=True)


REGISTRIES = [
    "/r",
    "/registry",
    "/registry/team",
    "/registry2",
    "file:///registry",
    "file:///r",
    "ftp://r",
    "s3://b",
    "gs://b/runs",
    "az://c/",
    "https://h:8443/r",
    "http://h/r",
]
REGISTRIES += ["https://me:secret@h/r", "https://h/r?token=secret", "s3:///runs", "s3://b/two words"]

quantity = st.sampled_from(["100m", "1", "1.5", "256Mi", "2Gi", "3e3", "", "much"])
amounts = st.dictionaries(st.sampled_from(["cpu", "memory", "ephemeral-storage", "gpu"]), quantity, max_size=3)
RETAINED = [{"retention": "400d"}]
RETAINED += [{"postgres": {"secretName": "db"}, "retention": one} for one in ("400d", "0d", "1h", "123456d", "d")]
autoscaling = st.fixed_dictionaries(
    {"maxReplicas": st.sampled_from([0, 1, 2, 9, 1001, "ten"])},
    optional={
        "minReplicas": st.sampled_from([0, 1, 3, 9]),
        "cpuUtilization": st.sampled_from([0, 60, 1000, 1001, 0.5]),
    },
)
server = st.fixed_dictionaries(
    {"token": st.just({"secretName": "tokens"})},
    optional={
        "replicas": st.sampled_from([-1, 0, 2, 1001, "two"]),
        "autoscaling": autoscaling,
        "resources": st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts}),
        "rules": st.sampled_from([{"configMapName": "rules"}, {"configMapName": "Rules"}, {}]),
        "store": st.sampled_from([{}, {"postgres": {"secretName": "db"}}, {"sqlite": {}}, *RETAINED]),
    },
)
category = st.sampled_from(["Dining", "", "D" * 128, "D" * 129])
number = st.sampled_from([-1, 0, 0.5, 0.7, 1, 10, 50, 100, 101, "ten"])
duration = st.sampled_from(["24h", "90s", "1h30m", "250ms", "0s", "24", "1 day", "", "99999h", 7])
approval = st.sampled_from(["Automatic", "Manual", "Maybe"])
step = st.fixed_dictionaries({"percent": number}, optional={"soak": duration, "approval": approval, "weight": number})
clock = st.sampled_from(["00:00", "09:00", "16:30", "24:00", "9:00", "24:30", 540])
window = st.fixed_dictionaries(
    {"from": clock, "to": clock},
    optional={
        "days": st.sampled_from([["Mon"], ["Mon", "Sun"], ["Mon", "Mon"], [], ["Montag"]]),
        "timeZone": st.sampled_from(["UTC", "Europe/Berlin", "Europe/Berln", "+02:00", ""]),
    },
)
share = st.sampled_from([0, 0.2, 0.7, 1, "ten"])
GOOD_SELECTORS = ('orders_total{code="200"}', "orders_total", 'o{path="/{id}"}', '{"http.server.requests",code="200"}')
own = st.sampled_from([*GOOD_SELECTORS, '{code="200"}', "rate(x[1m])", 7])
OPTIONS = {
    "mode": st.sampled_from(["Enforce", "DryRun", "Off", False, "off"]),
    "stages": st.lists(number, max_size=3, unique_by=repr),
    "margin": share,
    "designEffect": number,
    "initialDelay": duration,
    "atLeast": share,
}
BUILT_IN_OPTIONS = OPTIONS | {
    "atMost": share,
    "required": st.booleans(),
    "oddsRatio": st.sampled_from([1, 1.5, 3, 21]),
}
built_in_gate = st.fixed_dictionaries({}, optional=BUILT_IN_OPTIONS)
custom_gate = st.fixed_dictionaries(
    {"name": st.sampled_from(["agreement", "feedback", "beauty", "orders", "Beauty"])},
    optional=OPTIONS
    | {
        "atMost": share,
        "within": st.fixed_dictionaries({"low": share, "high": share}),
        "good": own,
        "total": own,
        "histogram": st.fixed_dictionaries({"metric": own, "le": number}),
        "control": st.fixed_dictionaries({"good": own, "total": own}),
        "oddsRatio": st.sampled_from([1, 1.5, 3, 21]),
    },
)
query = st.fixed_dictionaries(
    {"name": st.sampled_from(["saturation", "agreement", "beauty", "Pool"]), "query": st.sampled_from(["up", "", 7])},
    optional={
        "atLeast": number,
        "atMost": number,
        "for": duration,
        "mode": st.sampled_from(["Enforce", "DryRun", "Off", "Hope"]),
        "stages": st.lists(number, max_size=3, unique_by=repr),
    },
)
check = st.fixed_dictionaries(
    {"name": st.sampled_from(["smoke", "load", "Smoke"]), "endpoint": st.sampled_from(["ci", "CI", ""])},
    optional={"before": st.lists(number, max_size=3, unique_by=repr), "timeout": duration},
)
spec = st.fixed_dictionaries(
    {"runID": st.sampled_from(["run_1a2b3c4d_1", "run_xyz", ""]), "server": server},
    optional={
        "digest": st.sampled_from(["sha256:" + "a" * 64, "sha256:1"]),
        "shadow": st.sampled_from([True, False, "yes"]),
        "canary": st.fixed_dictionaries(
            {},
            optional={
                "percent": number,
                "shadowSoak": duration,
                "supervisionTimeout": duration | st.sampled_from(["0s", "59s", "1m"]),
                "steps": st.lists(step, max_size=3),
                "approval": approval,
                "windows": st.lists(window, max_size=2),
            },
        ),
        "thresholds": st.fixed_dictionaries(
            {}, optional={"default": number, "perClass": st.dictionaries(category, number)}
        ),
        "gates": st.fixed_dictionaries(
            {},
            optional={gate.value: built_in_gate for gate in GateName}
            | {
                "custom": st.lists(custom_gate, max_size=2),
                "queries": st.lists(query, max_size=2),
                "checks": st.lists(check, max_size=2),
            },
        ),
        "analysis": st.fixed_dictionaries(
            {},
            optional={
                "alphaPromote": number,
                "interval": duration,
                "maxDuration": duration,
                "onInconclusive": st.sampled_from(["Hold", "Rollback", "Promote", "Hope"]),
                "noDataTimeout": duration,
                "onNoData": st.sampled_from(["Hold", "Rollback", "Promote"]),
            },
        ),
        "progressDeadline": duration,
        "onProgressDeadline": st.sampled_from(["Hold", "Rollback", "Promote"]),
        "bake": st.fixed_dictionaries(
            {}, optional={"duration": duration, "holdback": st.sampled_from([-1, 0, 5, 50, 51, 90, 100, "ten"])}
        ),
        "rollback": st.fixed_dictionaries({}, optional={"to": st.sampled_from(["Stable", "Rules", "Hope"])}),
        "registry": st.fixed_dictionaries(
            {},
            optional={
                "uri": st.sampled_from(REGISTRIES),
                "volume": st.sampled_from([{"claimName": "registry"}, {"image": "registry:1"}]),
                "secretName": st.sampled_from(["s3", "S3"]),
            },
        ),
    },
)


own_key = st.sampled_from(["kubernetes.io/hostname", ""])
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
KEYS = ["team", "example.com/team", "serin.dev/model", "request.serin.dev/retry", "prometheus.io/scrape"]
KEYS += ["app.kubernetes.io/name", "app.kubernetes.io/component", "pod-template-hash", "k" * 317, "k" * 318]
texts = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["payments", "", "Two Words", "v" * 64]), max_size=2)
toleration = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from(["gpu", ""]),
        "operator": st.sampled_from(["Exists", "Equal", "Is"]),
        "tolerationSeconds": st.sampled_from([-1, 0, 60, "60"]),
    },
)
term = st.fixed_dictionaries(
    {},
    optional={"labelSelector": st.sampled_from([{}, {"matchLabels": {"a": "b"}}, {"a": "b"}]), "topologyKey": own_key},
)
spread = st.fixed_dictionaries(
    {"maxSkew": st.sampled_from([0, 1, 1001, "one"]), "topologyKey": st.just("zone")},
    optional={"whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway", "Wait"])},
)
pod = st.fixed_dictionaries(
    {},
    optional={
        "labels": texts,
        "annotations": texts,
        "serviceAccountAnnotations": texts,
        "imagePullSecrets": st.lists(st.sampled_from([{"name": "pull"}, {"name": "Pull"}, {}]), max_size=2),
        "priorityClassName": st.sampled_from(["high", "High"]),
        "nodeSelector": texts,
        "tolerations": st.lists(toleration, max_size=2),
        "affinity": st.fixed_dictionaries(
            {}, optional={"podAntiAffinity": st.fixed_dictionaries({}, optional={REQUIRED: st.lists(term, max_size=2)})}
        ),
        "topologySpreadConstraints": st.lists(spread, max_size=2),
        "hostNetwork": st.booleans(),
    },
)
proxy = st.fixed_dictionaries(
    {},
    optional={
        "https": st.sampled_from(["http://proxy:3128", "https://p/", "http://me:secret@proxy", "proxy:3128"]),
        "noProxy": st.lists(st.sampled_from([".svc", "10.0.0.0/8", "a,b", ""]), max_size=2),
        "secretName": st.sampled_from(["proxy", "Proxy"]),
    },
)
bundle = st.fixed_dictionaries(
    {},
    optional={
        "configMapName": st.just("ca"),
        "secretName": st.just("ca"),
        "key": st.sampled_from(["ca.crt", "../ca", ""]),
    },
)
pods = st.fixed_dictionaries(
    {"token": st.just({"secretName": "tokens"})},
    optional={
        "pod": pod,
        "proxy": proxy,
        "caBundle": bundle,
        "keepAliveSeconds": st.sampled_from([0, 1, 650, 3601, "75"]),
        "replicas": st.sampled_from([0, 2]),
        "autoscaling": autoscaling,
    },
)


def openapi_to_json_schema(node):
    """What of OpenAPI 3.0 differs, and the CEL rules that a field states about itself."""
    out = {key: value for key, value in node.items() if not key.startswith("x-kubernetes")}
    for bound, key in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if out.pop(key, None) is True:
            out[key] = out.pop(bound)
    if "properties" in out:
        out["properties"] = {name: openapi_to_json_schema(child) for name, child in out["properties"].items()}
        out["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = openapi_to_json_schema(out[key])
    return out


DEFAULT_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}


def amount(text):
    try:
        return parse_quantity(text)
    except ValueError:
        return Decimal(0)


BUILT_IN = {gate.value for gate in GateName}


def margin_is_refused(gate, *, at_least=None):
    margin, low, high = gate.get("margin", 0), gate.get("atLeast", at_least), gate.get("atMost")
    if "ten" in (margin, low, high):
        return True
    return (low is not None and margin >= low) or (high is not None and high + margin >= 1)


def built_in_is_refused(name, gate):
    """The CEL rules of a built-in gate, in Python; where a field has the wrong type, the schema refuses it anyway."""
    return margin_is_refused({"atMost": DEFAULT_AT_MOST.get(name)} | gate, at_least=DEFAULT_AT_LEAST.get(name))


def control_is_refused(gate):
    plain = {"margin": 0, "designEffect": 1, "initialDelay": "0s"}
    is_corrected = any(gate.get(key, one) != one for key, one in plain.items())
    return "good" not in gate or 0 in gate.get("stages", []) or is_corrected


def has_no_control_group(body):
    gates = body.get("gates", {})
    compared = [gates.get("feedback", {}), *(one for one in gates.get("custom", []) if "control" in one)]
    holdback = body.get("bake", {}).get("holdback", 0)
    return any(100 in one.get("stages", []) for one in compared) and (holdback == "ten" or holdback <= 0)


def has_too_long_a_delay(body, custom, bad):
    """The CEL rule in Python; a duration or percent of a wrong form is refused anyway."""
    canary = body.get("canary", {})
    steps = [(one["percent"], one.get("soak", "24h")) for one in canary.get("steps", [])]
    steps = steps or [(percent, "24h") for percent in (10, 50, 100)]
    listed = [(name, one) for name, one in body.get("gates", {}).items() if name not in ("custom", "queries", "checks")]
    for name, gate in [*listed, *((one["name"], one) for one in custom if "control" not in one)]:
        stages = steps if name in NOT_IN_SHADOW else [(0, canary.get("shadowSoak", "24h")), *steps]
        delay = gate.get("initialDelay", "0s")
        for percent, soak in stages:
            is_judged = percent in gate.get("stages", [percent]) and not bad(delay) and not bad(soak)
            if is_judged and parse_duration(delay) > parse_duration(soak):
                return True
    return False


def custom_is_refused(gate):
    """The CEL rules of a custom gate, in Python."""
    bounds = [name for name in ("atLeast", "atMost", "within", "control") if name in gate]
    control = gate.get("control", {})
    within = gate.get("within")
    selectors = (gate.get("good"), gate.get("total"), gate.get("histogram", {}).get("metric"), *control.values())
    return (
        any(one is not None and one not in GOOD_SELECTORS for one in selectors)
        or gate["name"] in BUILT_IN
        or ("good" in gate) != ("total" in gate)
        or ("good" in gate) == ("histogram" in gate)
        or len(bounds) != 1
        or margin_is_refused(gate)
        or ("control" not in gate and gate.get("oddsRatio", 1.5) != 1.5)
        or ("control" in gate and control_is_refused(gate))
        or (within is not None and (gate.get("margin", 0) > 0 or "ten" in within.values()))
        or (within is not None and within["low"] >= within["high"])
    )


VALIDATOR = Draft202012Validator(openapi_to_json_schema(SPEC))


def is_on_volume(uri):
    return uri.removeprefix("file://").split("/")[:2] == ["", "registry"]


def pod_is_refused(server):
    """The CEL rules of pod settings, in Python."""
    pod, bundle = server.get("pod", {}), server.get("caBundle")
    kept = ("labels", "annotations", "serviceAccountAnnotations")
    reserved = {"serin.dev/model", "request.serin.dev/retry", "prometheus.io/scrape"}
    reserved |= {"app.kubernetes.io/name", "pod-template-hash"}
    return (
        any(reserved & set(pod.get(one, {})) for one in kept)
        or any(len(key) > 317 for one in (*kept, "nodeSelector") for key in pod.get(one, {}))
        or (bundle is not None and ("configMapName" in bundle) == ("secretName" in bundle))
    )


def scaling_is_refused(server):
    """The CEL rules of the number of pods, in Python."""
    found = server.get("autoscaling")
    if found is None or found["maxReplicas"] == "ten":
        return False  # refused by the schema
    return "replicas" in server or found.get("minReplicas", 2) > found["maxReplicas"]


def window_is_refused(window):
    """The CEL rules of a window, in Python; x-kubernetes-list-type is one of them."""
    days = window.get("days", [])
    return window["from"] == window["to"] or len(set(days)) < len(days) or window.get("timeZone") == "Europe/Berln"


def cel_refuses(body):
    """The CEL rules of the fields that the strategy varies, in Python."""

    def bad(text):
        try:
            parse_duration(text)
        except ValueError:
            return True
        return False

    canary, analysis = body.get("canary", {}), body.get("analysis", {})
    gates = dict(body.get("gates", {}))
    custom, queries, made = (gates.pop(one, []) for one in ("custom", "queries", "checks"))
    lengths = [analysis.get(name) for name in ("interval", "maxDuration", "noDataTimeout")]
    lengths.append(body.get("progressDeadline"))
    watched = canary.get("supervisionTimeout")
    is_hasty = watched is not None and not bad(watched) and 0 < parse_duration(watched).total_seconds() < 60
    durations = [canary.get("shadowSoak"), watched, *lengths, *(s.get("soak") for s in canary.get("steps", []))]
    bake = body.get("bake", {})
    durations += [one.get("initialDelay") for one in (*gates.values(), *custom)]
    durations += [one.get("for") for one in queries]
    durations.append(bake.get("duration"))
    timeouts = [one["timeout"] for one in made if "timeout" in one]
    percents = [s["percent"] for s in canary.get("steps", []) if s["percent"] != "ten"]
    too_short = any(one is not None and not bad(one) and parse_duration(one).total_seconds() < 1 for one in lengths)
    names, checked = [gate["name"] for gate in custom], [query["name"] for query in queries]
    registry, store = body.get("registry", {}), body["server"].get("store", {})
    is_directory = registry.get("uri", "/registry").startswith(("/", "file:"))
    resources = DEFAULT_RESOURCES | body["server"].get("resources", {})
    return (
        any(one is not None and bad(one) for one in durations)
        or any(map(window_is_refused, canary.get("windows", [])))
        or any(a >= b for a, b in pairwise(percents))
        or too_short
        or bake_is_refused(bake, percents or [10, 50])
        or any(built_in_is_refused(name, one) for name, one in gates.items())
        or any(custom_is_refused(one) for one in custom)
        or has_no_control_group(body)
        or has_too_long_a_delay(body, custom, bad)
        or is_hasty
        or (is_directory and "secretName" in registry)
        or (not is_directory and "volume" in registry)
        or (is_directory and "volume" in registry and not is_on_volume(registry.get("uri", "/registry")))
        or pod_is_refused(body["server"])
        or scaling_is_refused(body["server"])
        or ("retention" in store and "postgres" not in store)
        or len(set(names)) < len(names)
        or len(set(checked)) < len(checked)
        or len({one["name"] for one in made}) < len(made)
        or any(bad(one) or not 1 <= parse_duration(one).total_seconds() <= 300 for one in timeouts)
        or bool(set(checked) & (BUILT_IN | set(names)))
        or any(("atLeast" in one) == ("atMost" in one) for one in queries)
        or any(len(name) > 128 for name in body.get("thresholds", {}).get("perClass", {}))
        or any(name not in ("cpu", "memory", "ephemeral-storage") for amounts in resources.values() for name in amounts)
        or any(amount(resources["requests"].get(one, "0")) > amount(most) for one, most in resources["limits"].items())
    )


def bake_is_refused(bake, percents):
    """The CEL rules of a bake, in Python; where a field has the wrong type, the schema refuses it anyway."""
    holdback, length = bake.get("holdback", 0), bake.get("duration", "0s")
    if holdback in ("ten", 0) or not isinstance(length, str):
        return False
    has_none = length == "0s" or "duration" not in bake
    return has_none or any(percent > 100 - holdback for percent in percents if percent != 100)


def refused_by_model(body):
    try:
        SuggestionModelSpec.model_validate(body)
    except ValidationError:
        return True
    return False


def assert_the_same(body):
    refused_by_schema = not VALIDATOR.is_valid(body) or cel_refuses(body)
    assert refused_by_model(body) == refused_by_schema, list(VALIDATOR.iter_errors(body))


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec)
def test_the_schema_and_the_models_accept_and_refuse_the_same(body):
    assert_the_same(body)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(pods)
def test_the_schema_and_the_models_accept_and_refuse_the_same_settings_of_pods(server):
    assert_the_same(MINIMAL | {"server": server})


@given(st.integers(0, 8760 * 3600 * 1000))
def test_a_duration_survives_being_written(milliseconds):
    text = format_duration(parse_duration(f"{milliseconds // 3_600_000}h{milliseconds % 3_600_000 // 1000}s"))
    assert format_duration(parse_duration(text)) == text


def test_the_paths_of_the_scale_subresource_are_fields():
    (version,) = definition()["spec"]["versions"]
    kinds = []
    for path in version["subresources"]["scale"].values():
        node = schema()
        for name in path.removeprefix(".").split("."):
            node = node["properties"][name]
        assert "default" not in node
        kinds.append(node["type"])
    assert kinds == ["integer", "integer", "string"]


def test_the_definition_names_what_people_type():
    wanted = definition()["spec"]
    assert wanted["names"]["shortNames"] == ["sgm"]
    assert wanted["names"]["categories"] == ["serin"]
    columns = [column["name"] for column in wanted["versions"][0]["additionalPrinterColumns"] if not column["priority"]]
    assert columns == ["Stable", "Candidate", "Percent", "Phase", "Ready", "Age"]
