from pathlib import Path

import pytest

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
        (f"{GIVEN}\nmonitoring: {{labels: {{serin.dev/uid: x}}}}", "serin.dev/uid is set by the operator"),
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
