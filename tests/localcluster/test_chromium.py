"""The Chromium of the tests: from the PATH, else unpacked; a machine that has neither gets one clear error."""

import pytest

from serin_localcluster import chromium
from serin_localcluster.build import BuildError


def test_one_on_the_path_is_taken(monkeypatch, tmp_path):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.find_chromium() == program


def test_without_apt_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BuildError, match="no Chromium on the PATH, and no apt-get to fetch it: install chromium"):
        chromium.find_chromium()


def test_a_failed_download_leaves_nothing_that_looks_finished(monkeypatch, tmp_path):
    for name in ("apt-get", "dpkg"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'E: Temporary failure resolving' >&2\nexit 100\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(chromium, "_COMMANDS", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BuildError, match="apt-get failed while Chromium was fetched: E: Temporary failure resolving"):
        chromium.find_chromium()
    assert not (tmp_path / "cache/serin/chromium/start").exists()
