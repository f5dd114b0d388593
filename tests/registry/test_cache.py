"""Files kept by their hash: never a wrong byte, never more than the bound, never a fault of its own."""

import logging
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin_core.model.manifest import sha256
from serin_registry.cache import Cache, DirectoryCache, NoCache

MOST = 1 << 20


class Clock:
    """Moves on by a second whenever it is asked."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        self.time += 1
        return self.time


def cache(root: Path, max_bytes: int = MOST) -> DirectoryCache:
    return DirectoryCache(root / "cache", max_bytes=max_bytes, now=Clock())


def entries(root: Path) -> list[Path]:
    return list((root / "cache" / "sha256").iterdir())


def test_what_is_kept_is_found_by_its_hash(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.keep(b"content")
    assert kept.find(sha256(b"content"), max_bytes=7) == b"content"
    assert kept.find(sha256(b"another"), max_bytes=7) is None
    assert [path.name for path in entries(tmp_path)] == [sha256(b"content")]


@pytest.mark.parametrize(
    "damage",
    [b"", b"conten", b"contenT", b"content and more", b"content" * 1000],
    ids=["emptied", "cut", "flipped", "longer", "much longer"],
)
def test_a_damaged_entry_is_dropped_and_kept_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    kept = cache(tmp_path)
    kept.keep(b"content")
    entries(tmp_path)[0].write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert kept.find(sha256(b"content"), max_bytes=7) is None
    assert "damaged" in caplog.text
    assert entries(tmp_path) == []
    kept.keep(b"content")
    assert kept.find(sha256(b"content"), max_bytes=7) == b"content"


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    kept = cache(tmp_path, max_bytes=20)
    for content in (b"first 00", b"second 0"):
        kept.keep(content)
    assert kept.find(sha256(b"first 00"), max_bytes=8)
    kept.keep(b"third 00")
    assert kept.find(sha256(b"second 0"), max_bytes=8) is None
    assert kept.find(sha256(b"first 00"), max_bytes=8)
    assert kept.find(sha256(b"third 00"), max_bytes=8)


def test_what_is_larger_than_the_bound_is_not_kept_and_drops_nothing(tmp_path: Path) -> None:
    kept = cache(tmp_path, max_bytes=10)
    kept.keep(b"small")
    kept.keep(b"too large to be kept")
    assert kept.find(sha256(b"small"), max_bytes=5)
    assert len(entries(tmp_path)) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(0, 100))
def test_it_never_holds_more_than_its_bound(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], most: int
) -> None:
    root = tmp_path_factory.mktemp("bounded")
    kept = cache(root, max_bytes=most)
    for content in contents:
        kept.keep(content)
        assert sum(path.stat().st_size for path in (root / "cache").glob("sha256/*")) <= most
        assert kept.find(sha256(content), max_bytes=40) in (content, None)


def test_what_a_killed_process_left_half_written_is_removed_after_an_hour(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.keep(b"content")
    old, new = (tmp_path / "cache" / "sha256" / name for name in (".old", ".new"))
    for path, at in ((old, 900_000), (new, 1_000_000)):
        path.write_bytes(b"half")
        os.utime(path, (at, at))
    kept.keep(b"another")
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("place", ["a file where the directory should be", "a directory where an entry should be"])
def test_a_cache_that_cannot_be_used_is_said_once_and_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    kept = cache(tmp_path)
    if place.startswith("a file"):
        (tmp_path / "cache").write_text("in the way")
    else:
        (tmp_path / "cache" / "sha256" / sha256(b"content")).mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            kept.keep(b"content")
            assert kept.find(sha256(b"content"), max_bytes=7) is None
    assert len(caplog.records) == 1


def test_without_a_cache_nothing_is_kept() -> None:
    kept: Cache = NoCache()
    kept.keep(b"content")
    assert kept.find(sha256(b"content"), max_bytes=7) is None


def work(root: Path, seed: int) -> int:
    kept = DirectoryCache(root, max_bytes=3000)
    wrong = 0
    for turn in range(300):
        content = bytes([(turn * 7 + seed * turn) % 16]) * 500
        kept.keep(content)
        wrong += kept.find(sha256(content), max_bytes=500) not in (content, None)
    return wrong


def test_two_processes_share_one_directory(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.starmap(work, [(tmp_path / "cache", 1), (tmp_path / "cache", 2)]) == [0, 0]
    # Each may have counted before the other wrote its last.
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 3000 + 500
