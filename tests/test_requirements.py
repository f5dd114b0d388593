"""Locks name versions and hashes, and no address to download from: that is the user's choice."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted(path for path in (ROOT / "requirements").rglob("*") if path.suffix in {".lock", ".json"})


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_hashes_and_no_address(lock):
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert lock.name == "package.json" or "sha256:" in text or "sha512-" in text


def test_every_environment_is_locked():
    names = {"dev.lock", "operator.lock", "server.lock", "training.lock", "moto.lock", "azurite.lock", "build.lock"}
    names |= {"dashboard.lock", "package-lock.json"}
    assert names <= {lock.name for lock in LOCKS}
