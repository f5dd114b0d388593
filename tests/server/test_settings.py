from datetime import timedelta
from pathlib import Path

import pytest

from serin_core.contract.documents import Thresholds
from serin_server.environment import pod_settings, standalone_cache, standalone_mode
from serin_server.settings import (
    NoStoreSettings,
    OperatorMode,
    PostgresSettings,
    SettingsError,
    SqliteSettings,
    parse_retention,
    parse_store,
)


def test_a_pod_needs_no_more_than_its_uid() -> None:
    settings = pod_settings({"SERIN_UID": "u"})
    assert (settings.host, settings.port, settings.uid) == ("::", 8080, "u")
    assert settings.mode == OperatorMode(
        Path("/etc/serin/model"), Path("/etc/serin/routing"), Path("/etc/serin/pod"), Path("/var/lib/serin")
    )
    assert settings.store == NoStoreSettings()
    assert settings.rules_file == Path("/etc/serin/rules/rules.yaml")
    assert not settings.allow_anonymous


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        pytest.param({}, "SERIN_UID: is not set; set it to the uid of the SuggestionModel", id="no uid"),
        pytest.param(
            {"SERIN_UID": "u", "SERIN_PORT": "http"},
            "SERIN_PORT: 'http' is not a number from 0 to 65535",
            id="a port that is no number",
        ),
        pytest.param(
            {"SERIN_UID": "u", "SERIN_GRACE_SECONDS": "-1"},
            "SERIN_GRACE_SECONDS: '-1' is not a number from 0 to 3600",
            id="a negative time",
        ),
        pytest.param(
            {"SERIN_UID": "u", "SERIN_KEEP_ALIVE_SECONDS": "0"},
            "SERIN_KEEP_ALIVE_SECONDS: '0' is not a number from 1 to 3600",
            id="connections that are closed at once",
        ),
        pytest.param(
            {"SERIN_UID": "u", "SERIN_ALLOW_ANONYMOUS": "perhaps"},
            "SERIN_ALLOW_ANONYMOUS: 'perhaps' is not valid; use true or false",
            id="an answer that is neither yes nor no",
        ),
        pytest.param(
            {"SERIN_UID": "u", "SERIN_STORE": "mysql://me:secret@host/db"},
            "SERIN_STORE: the scheme mysql is not supported; use none, sqlite:///path or postgresql://user@host/database",
            id="a store that is not known, without its password",
        ),
        pytest.param(
            {"SERIN_UID": "u", "SERIN_STORE_FILE": "/nowhere/url"},
            "SERIN_STORE_FILE: /nowhere/url: No such file or directory",
            id="a store file that is absent",
        ),
        pytest.param(
            {"SERIN_UID": "u", "SERIN_LOG": "xml"},
            "SERIN_LOG: 'xml' is not valid; use text or json",
            id="a log that is not known",
        ),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pod_settings(environ)
    assert str(caught.value) == message


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        pod_settings({"SERIN_PORT": "http", "SERIN_RETENTION": "400"})
    assert str(caught.value).splitlines() == [
        "SERIN_PORT: 'http' is not a number from 0 to 65535",
        "SERIN_UID: is not set; set it to the uid of the SuggestionModel",
        "SERIN_RETENTION: '400' is not a number of days; use one like 400d",
    ]


def test_a_store_file_takes_precedence_and_the_other_variable_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("none")
    given = {"SERIN_UID": "u", "SERIN_STORE_FILE": str(tmp_path / "url"), "SERIN_STORE": "mysql://host"}
    assert pod_settings(given).store == NoStoreSettings()


def test_the_store_url_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://host/db\n")
    settings = pod_settings({"SERIN_UID": "u", "SERIN_STORE_FILE": str(tmp_path / "url")})
    assert settings.store == PostgresSettings("postgresql://host/db")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("sqlite:///data.db", Path("data.db"), id="three slashes are relative"),
        pytest.param("sqlite:////var/data.db", Path("/var/data.db"), id="four slashes are absolute"),
    ],
)
def test_sqlite_urls(text: str, path: Path) -> None:
    assert parse_store(text) == SqliteSettings(path)


@pytest.mark.parametrize(("text", "percent"), [("0", 0.0), ("10%", 10.0), ("50%", 50.0), ("100", 100.0), ("", 0.0)])
def test_the_share_of_users_is_read_with_and_without_a_percent_sign(text: str, percent: float) -> None:
    routing = standalone_mode({"SUGGEST_USE_MODEL_CANARY": text}, registry="r")
    assert routing.percent == percent


def test_routing_of_the_environment_has_the_defaults_of_the_runbook() -> None:
    routing = standalone_mode({}, registry="r")
    assert (routing.shadow, routing.percent, routing.thresholds, routing.calibration) == (True, 0.0, Thresholds(), True)


def test_thresholds_are_read_by_class_with_a_default() -> None:
    routing = standalone_mode(
        {"SUGGEST_THRESHOLDS_JSON": '{"default": 0.6, "Dining": 0.8}', "ML_CALIBRATION_ENABLED": "false"},
        registry="r",
    )
    assert routing.thresholds == Thresholds(default=0.6, per_class={"Dining": 0.8})
    assert not routing.calibration


@pytest.mark.parametrize("text", ["[]", '{"Dining": 2}', "0.7", '{"Dining": "high"}', "{"])
def test_thresholds_that_are_none_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^SUGGEST_THRESHOLDS_JSON: use a JSON object[^\n]*$"):
        standalone_mode({"SUGGEST_THRESHOLDS_JSON": text}, registry="r")


@pytest.mark.parametrize("text", ["101", "-1", "half", "nan"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^SUGGEST_USE_MODEL_CANARY: "):
        standalone_mode({"SUGGEST_USE_MODEL_CANARY": text}, registry="r")


@pytest.mark.parametrize("text", ["400", "0d", "d", "-1d", "400 d", "1.5d", "400h", "for ever"])
def test_a_retention_is_a_number_of_days(text: str) -> None:
    assert parse_retention("") is None
    assert parse_retention("400d") == timedelta(days=400)
    with pytest.raises(SettingsError, match=r"^.* is not a number of days; use one like 400d$"):
        parse_retention(text)


def test_files_from_far_are_kept_where_the_environment_says() -> None:
    assert standalone_cache({"HOME": "/home/me"}).directory == Path("/home/me/.cache/serin/runs")
    assert standalone_cache({"XDG_CACHE_HOME": "/c", "HOME": "/home/me"}).directory == Path("/c/serin/runs")
