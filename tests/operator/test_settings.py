from datetime import UTC, datetime
from pathlib import Path

import pytest

from serin_core.rollout.holds import Freeze
from serin_operator.settings import ServerDefaults, Settings, SettingsError

ROOT = Path(__file__).parents[2]
GIVEN = "prometheus: {}\nserver: {image: i}"


def test_the_shipped_configuration_is_valid():
    settings = Settings.load(ROOT / "manifests" / "base" / "config.yaml")
    assert settings.prometheus.keys() == {"default"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected keys such as prometheus and server"),
        ("- a", "expected keys such as prometheus and server"),
        ("prometheus: {}", "server: Field required"),
        ("prometheus: {default: {url: ftp://x}}\nserver: {image: i}", "prometheus.default.url"),
        ("prometheus: {}\nserver: {image: i}\nworker: 3", "worker: Extra inputs are not permitted"),
        ("prometheus: [", "while parsing"),
        (f"{GIVEN}\nmonitoring: {{podMonitor: Sometimes}}", "monitoring.podMonitor: Input should be 'Auto', 'Always'"),
        (f"{GIVEN}\nmonitoring: {{interval: often}}", "monitoring.interval: 'often' is not a duration"),
        (f"{GIVEN}\nmonitoring: {{interval: 2m}}", "must be at most 1m: where the newest sample is older than 2m"),
        (f"{GIVEN}\nmonitoring: {{interval: 0s}}", "must be at most 1m"),
        (f"{GIVEN}\nnotifications: {{a: {{}}}}", "notifications.a: a destination has either apprise or cloudEvents"),
        (f"{GIVEN}\nnotifications: {{A: {{apprise: {{urlFile: x}}}}}}", "notifications.A"),
        (f"{GIVEN}\nnotifications: {{a: {{cloudEvents: {{}}}}}}", "cloudEvents needs either url or urlFile"),
        (f"{GIVEN}\nnotifications: {{a: {{cloudEvents: {{url: 'ftp://x'}}}}}}", "notifications.a.cloudEvents.url"),
        (
            f"{GIVEN}\nnotifications: {{a: {{cloudEvents: {{url: 'http://u:p@x', bearerTokenFile: t}}}}}}",
            "bearerTokenFile and a user in url exclude each other",
        ),
        (f"{GIVEN}\nnotifications: {{a: {{apprise: {{urlFile: x}}, kinds: [Promote]}}}}", "did you mean Promoted?"),
        (f"{GIVEN}\nnotifications: {{a: {{apprise: {{urlFile: x}}, kinds: [Qqq]}}}}", "there is no kind Qqq"),
        (f"{GIVEN}\nmonitoring: {{labels: {{serin.dev/uid: x}}}}", "serin.dev/uid is set by the operator"),
        (
            f"{GIVEN}\nfreezes: [{{from: 2026-12-20, to: 2027-01-02, reason: x}}]",
            "2026-12-20 is not a time with its zone",
        ),
        (
            f"{GIVEN}\nfreezes: [{{from: 2026-12-20T00:00:00, to: soon, reason: x}}]",
            "is not a time with its zone: write",
        ),
        (
            f"{GIVEN}\nfreezes: [{{from: 2027-01-02T00:00:00Z, to: 2026-12-20T00:00:00Z, reason: x}}]",
            "freezes.0: from is not before to, so nothing would be frozen",
        ),
        (
            f"{GIVEN}\nfreezes: [{{from: 2026-12-20T00:00:00Z, to: 2027-01-02T00:00:00Z, reason: ''}}]",
            "freezes.0.reason: String should have at least 1 character",
        ),
        (
            f"{GIVEN}\nleaderElection: {{renewDeadlineSeconds: 15}}",
            "leaderElection: renewDeadlineSeconds must be less than leaseDurationSeconds",
        ),
        (
            f"{GIVEN}\nleaderElection: {{retryPeriodSeconds: 9}}",
            "renewDeadlineSeconds must be more than 1.2 times retryPeriodSeconds",
        ),
        (f"{GIVEN}\nleaderElection: {{leaseName: Serin_1}}", "leaderElection.leaseName"),
        (f"{GIVEN}\nselector: team in a", "selector: 'team in a' in 'team in a': expected requirements such as team=a"),
    ],
)
def test_an_invalid_configuration_is_reported_in_one_line_with_its_place(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"config\.yaml") as raised:
        Settings.load(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        Settings.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("wanted", "image", "refused"),
    [(None, "d:1", False), ("d:1", "d:1", False), ("ok/x:2", "ok/x:2", False), ("evil/x:2", "d:1", True)],
)
def test_only_allowed_images_are_used(wanted, image, refused):
    chosen = ServerDefaults(image="d:1", allowed_image_prefixes=("ok/",)).choose(wanted)
    assert (chosen.reference, bool(chosen.refusal)) == (image, refused)


ROLE = "eks.amazonaws.com/role-arn"
ALLOWED = (f"{ROLE}=arn:aws:iam::1:role/serin-", "azure.workload.identity/client-id")


@pytest.mark.parametrize(
    ("annotations", "refused"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({ROLE: "arn:aws:iam::1:role/serin-x"}, "", id="a value with the prefix"),
        pytest.param({ROLE: "arn:aws:iam::2:role/serin-x"}, f"{ROLE}=arn:aws:iam::2", id="another value"),
        pytest.param({"azure.workload.identity/client-id": "any"}, "", id="a prefix without a value"),
        pytest.param({"iam.gke.io/gcp-service-account": "x"}, "iam.gke.io/gcp-service-account=x", id="another key"),
        pytest.param(
            {"azure.workload.identity/client-id": "x", "b": "y"},
            "spec.server.pod.serviceAccountAnnotations b=y",
            id="one of two",
        ),
    ],
)
def test_only_allowed_annotations_of_the_service_account_are_used(annotations, refused):
    server = ServerDefaults(image="d:1", allowed_service_account_annotations=ALLOWED)
    chosen = server.choose(None, annotations=annotations)
    assert refused in chosen.annotation_refusal
    assert bool(chosen.annotation_refusal) == bool(refused)
    assert chosen.is_allowed is not bool(refused)
    assert ServerDefaults(image="d:1").choose(None, annotations=annotations).is_allowed is not bool(annotations)


def test_pods_have_the_ids_of_the_configuration_and_no_others():
    assert ServerDefaults(image="d:1").choose(None).ids == {}
    assert ServerDefaults(image="d:1", run_as_user=1000, fs_group=2000).choose("d:1").ids == {
        "runAsUser": 1000,
        "fsGroup": 2000,
    }


def test_pods_never_run_as_root(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("prometheus: {}\nserver: {image: i, runAsUser: 0}")
    with pytest.raises(SettingsError, match=r"server\.runAsUser"):
        Settings.load(path)


@pytest.mark.parametrize("quote", ["", '"'], ids=["a time of YAML", "text"])
def test_a_freeze_is_a_time_in_utc_with_its_reason(tmp_path, quote):
    path = tmp_path / "config.yaml"
    starts, ends = (f"{quote}{one}{quote}" for one in ("2026-12-20T00:00:00+01:00", "2027-01-02T00:00:00Z"))
    path.write_text(f"{GIVEN}\nfreezes: [{{from: {starts}, to: {ends}, reason: 'year end'}}]")
    (found,) = Settings.load(path).freezes
    assert found.as_freeze() == Freeze(
        datetime(2026, 12, 19, 23, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC), "year end"
    )
