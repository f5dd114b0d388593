"""A run in an object store: fetched once, checked whatever happens on the way, and readable while the store is away."""

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry.conftest import RUN, Files
from registry.s3 import Handler, always, between, serving

from serin_core.contract.documents import LoadedRun
from serin_core.model.manifest import MANIFEST, MODEL, SERVING, Manifest, digest
from serin_registry.cache import DirectoryCache
from serin_registry.errors import AddressError, NotInRegistryError, RegistryUnavailableError, RunRefusedError
from serin_registry.limits import MAX_FILE_BYTES
from serin_registry.object_store import ObjectStoreReader
from serin_registry.reader import open_reader
from serin_server.runs.loader import RegistryReader
from serin_training.registry.object_store import ObjectRegistry

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def stored(bucket: str, files: Files) -> tuple[str, LoadedRun]:
    """The run as training stores it: the registry's address, and what to ask for."""
    ObjectRegistry(bucket).publish(RUN, files)
    ObjectRegistry(bucket).point_latest(RUN)
    return bucket, LoadedRun(run=RUN, digest=digest(Manifest.of(RUN, files).text()))


def reader(address: str, cache: Path) -> RegistryReader:
    return RegistryReader(address, cache=DirectoryCache(cache))


def test_a_run_that_training_stored_is_loaded_and_answers(stored: Any, tmp_path: Path) -> None:
    address, wanted = stored
    loaded = reader(address, tmp_path)(wanted)
    assert (loaded.run, loaded.digest) == (wanted.run, wanted.digest)
    assert ObjectStoreReader(address).latest() == RUN


def test_a_run_that_was_fetched_is_loaded_while_the_store_is_away_if_its_digest_is_known(
    stored: Any, tmp_path: Path, endpoint: Any
) -> None:
    address, wanted = stored
    reader(address, tmp_path)(wanted)
    endpoint(NOWHERE)
    assert reader(address, tmp_path)(wanted).digest == wanted.digest
    with pytest.raises(RegistryUnavailableError, match="cannot be reached"):
        reader(address, tmp_path)(LoadedRun(run=RUN))
    with pytest.raises(RegistryUnavailableError, match="cannot be reached"):
        reader(address, tmp_path / "empty")(wanted)


def test_a_damaged_entry_of_the_cache_is_fetched_anew(stored: Any, tmp_path: Path) -> None:
    address, wanted = stored
    reader(address, tmp_path)(wanted)
    for path in (tmp_path / "sha256").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert reader(address, tmp_path)(wanted).digest == wanted.digest


def test_only_what_is_not_kept_is_fetched(stored: Any, s3: str, tmp_path: Path, endpoint: Any) -> None:
    address, wanted = stored
    asked = itertools.count()
    with serving(between(s3, lambda _: next(asked) >= 0, lambda _: True)) as counting:
        endpoint(counting)
        reader(address, tmp_path)(wanted)
        first = next(asked)
        reader(address, tmp_path)(wanted)
        assert (first, next(asked) - first - 1) == (1 + len(SERVING), 1)


def test_a_run_that_is_not_stored_is_absent(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(NotInRegistryError, match=rf"^{RUN} is not in the registry s3://bucket/"):
        reader(bucket, tmp_path)(LoadedRun(run=RUN))
    assert ObjectStoreReader(bucket).latest() is None


def test_a_bucket_that_is_not_there_is_a_registry_that_is_away(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailableError, match=r"^the registry s3://nowhere: there is no such bucket$"):
        reader("s3://nowhere", tmp_path)(LoadedRun(run=RUN))
    with pytest.raises(RegistryUnavailableError):
        ObjectStoreReader("s3://nowhere").latest()


@pytest.mark.parametrize("named", [b"", b"run_x", b"../../etc", b"\xff" * 10, b"x" * 1000])
def test_a_latest_that_names_no_run_is_refused(named: bytes) -> None:
    with serving(always(200, named)) as address, pytest.raises(RunRefusedError, match=r"which is no run$"):
        ObjectStoreReader(address).latest()


@pytest.mark.parametrize("status", [401, 403, 500, 503, 429])
def test_a_store_that_refuses_is_away_in_one_line_without_its_secrets(status: int, tmp_path: Path) -> None:
    with serving(always(status, b"<secret/>")) as address:
        store = ObjectStoreReader(address.replace("//", "//me:secret@"), retry_seconds=0.3)
        with pytest.raises(RegistryUnavailableError) as caught:
            store.read(RUN, MANIFEST, max_bytes=1000)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_larger_than_expected_is_refused_before_it_is_read(tmp_path: Path) -> None:
    class Endless(Handler):
        def answer(self, _: bytes) -> None:
            self.send_response_only(200)
            self.send_header("Content-Length", str(MAX_FILE_BYTES * 1000))
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.end_headers()

    with serving(Endless) as address, pytest.raises(RunRefusedError, match=f"^{MODEL}: it has [0-9]+ bytes, more than"):
        ObjectStoreReader(address).read(RUN, MODEL, max_bytes=1000)


def test_a_store_that_stops_in_mid_file_is_away(tmp_path: Path) -> None:
    class Cut(Handler):
        def answer(self, _: bytes) -> None:
            self.send_response_only(200)
            self.send_header("Content-Length", "1000")
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.end_headers()
            self.wfile.write(b"half")
            self.hang_up()

    with serving(Cut) as address, pytest.raises(RegistryUnavailableError):
        ObjectStoreReader(address, retry_seconds=0.3).read(RUN, MODEL, max_bytes=1000)


def test_a_store_that_never_answers_is_given_up(tmp_path: Path) -> None:
    is_over = threading.Event()

    class Silent(Handler):
        def answer(self, _: bytes) -> None:
            is_over.wait(10)
            self.hang_up()

    with serving(Silent) as address:
        began = time.monotonic()
        with pytest.raises(RegistryUnavailableError, match="does not respond in time"):
            ObjectStoreReader(address, retry_seconds=0.2, file_seconds=0.3).read(RUN, MODEL, max_bytes=1000)
        is_over.set()
        assert time.monotonic() - began < 5


@pytest.fixture
def turned(stored: Any, s3: str, endpoint: Any) -> Iterator[str]:
    """The store as it looks through a line that turns a bit of every file but the manifest."""

    class Turning(between(s3, lambda _: True, lambda _: True)):  # type: ignore[misc] - a class made by a function
        def respond(self, status: int, headers: Any, content: bytes) -> None:
            is_file = content and not self.path.endswith(MANIFEST)
            super().respond(status, headers, bytes([content[0] ^ 1]) + content[1:] if is_file else content)

    with serving(Turning) as address:
        endpoint(address)
        yield stored[0]


def test_what_was_damaged_on_the_way_is_refused_and_not_kept(turned: str, stored: Any, tmp_path: Path) -> None:
    with pytest.raises(RunRefusedError, match="its sha256 is not the one in the manifest"):
        reader(turned, tmp_path)(stored[1])
    assert not list(tmp_path.glob("sha256/*"))


@pytest.mark.parametrize("address", ["ftp://host/runs", "mysql://host", "file://host/runs"])
def test_another_scheme_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(AddressError, match=r"^registry: .*file:///?"):
        open_reader(address)


def test_a_wrong_endpoint_is_said_before_the_client_gives_up_on_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "minio:9000")
    with caplog.at_level(logging.WARNING), pytest.raises(RegistryUnavailableError, match="AWS_ENDPOINT is not an http"):
        ObjectStoreReader("s3://bucket").latest()
