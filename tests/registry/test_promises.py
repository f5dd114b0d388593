"""What every registry promises, asked of a directory, of an S3, and of a web server."""

import functools
import http.server
import socket
import time

import obstore
import pytest
from obstore.store import from_url
from registry.s3 import always, between, serving

from serin_core.model import manifest as runs
from serin_core.model import signing
from serin_registry.errors import RegistryError
from serin_training.errors import OptionError
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.object_store import ObjectRegistry
from serin_training.registry.writer import open_registry

OLD, NEW = "run_00000001_1", "run_00000002_2"
FILES = {"meta.json": b"{}", "model.txt": b"trees"}


@pytest.fixture(params=["directory", "file", "s3"])
def registry(request, tmp_path):
    match request.param:
        case "directory":
            return open_registry(str(tmp_path / "registry"))
        case "file":
            return open_registry((tmp_path / "registry").as_uri())
        case _:
            return open_registry(request.getfixturevalue("bucket"))


def test_an_empty_registry_has_no_run_and_no_latest(registry):
    assert registry.runs() == []
    assert registry.latest() is None


def test_a_run_is_read_as_it_was_published_and_listed_by_age(registry):
    registry.publish(NEW, FILES)
    registry.publish(OLD, FILES)
    assert registry.runs() == [OLD, NEW]
    assert {file: registry.read(NEW, file) for file in FILES} == FILES
    manifest = runs.Manifest.parse(registry.read(NEW, runs.MANIFEST))
    assert runs.differences(manifest, {file: runs.FileEntry.of(content) for file, content in FILES.items()}) == []


def test_a_run_is_never_overwritten(registry):
    registry.publish(OLD, FILES)
    with pytest.raises(RegistryError, match="never overwritten"):
        registry.publish(OLD, {"meta.json": b"other"})
    assert registry.read(OLD, "meta.json") == b"{}"


def test_a_signature_stands_beside_the_manifest_which_does_not_name_it(registry):
    registry.publish(OLD, FILES, sign=lambda manifest: b"signed " + runs.sha256(manifest).encode())
    manifest = registry.read(OLD, runs.MANIFEST)
    assert registry.read(OLD, signing.SIGNATURE) == b"signed " + runs.sha256(manifest).encode()
    assert set(runs.Manifest.parse(manifest).files) == set(FILES)
    registry.publish(NEW, FILES)
    with pytest.raises(RegistryError, match=r"manifest\.sig"):
        registry.read(NEW, signing.SIGNATURE)


def test_latest_names_a_run_that_is_there(registry):
    registry.publish(OLD, FILES)
    registry.point_latest(OLD)
    assert registry.latest() == OLD
    with pytest.raises(RegistryError):
        registry.point_latest(NEW)
    assert registry.latest() == OLD


def test_a_deleted_run_is_gone_and_others_stay(registry):
    registry.publish(OLD, FILES)
    registry.publish(NEW, FILES)
    registry.delete(OLD)
    assert registry.runs() == [NEW]
    with pytest.raises(RegistryError):
        registry.read(OLD, "meta.json")
    with pytest.raises(RegistryError):
        registry.delete(OLD)


def test_a_latest_that_names_no_run_is_told_and_not_taken_for_one(bucket, tmp_path):
    obstore.put(from_url(bucket, client_options={"allow_http": True}), f"{runs.RUNS_DIRECTORY}/latest", b"<html>login")
    (tmp_path / runs.RUNS_DIRECTORY).mkdir()
    (tmp_path / runs.RUNS_DIRECTORY / runs.LATEST).symlink_to("/etc")
    for uri in (bucket, str(tmp_path)):
        with pytest.raises(RegistryError, match=r"names .*, which is no run"):
            open_registry(uri).latest()


def test_what_was_interrupted_leaves_nothing_behind(tmp_path):
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_registry(str(tmp_path)).publish(OLD, FILES, sign=interrupted)
    assert list((tmp_path / runs.RUNS_DIRECTORY).iterdir()) == []


def test_what_killed_trainers_left_in_a_directory_is_removed_after_a_day(tmp_path):
    root = tmp_path / runs.RUNS_DIRECTORY
    for name in (".partial-run_00000009_9-x", ".latest-x", "notes"):
        (root / name).mkdir(parents=True)
    DirectoryRegistry(tmp_path, uri="here").publish(OLD, FILES)
    assert len(list(root.iterdir())) == 4
    DirectoryRegistry(tmp_path, uri="here", now=lambda: time.time() + 90_000).publish(NEW, FILES)
    assert sorted(path.name for path in root.iterdir()) == ["notes", OLD, NEW]


@pytest.mark.parametrize("run", ["../x", "latest", "run_1", ""])
def test_a_name_that_is_none_is_refused(registry, run):
    with pytest.raises(RegistryError, match="is not the name of a run"):
        registry.read(run, "meta.json")


def test_a_run_whose_manifest_is_missing_is_no_run(bucket):
    store = from_url(bucket)
    obstore.put(store, f"{runs.RUNS_DIRECTORY}/{OLD}/model.txt", b"half")
    registry = open_registry(bucket)
    assert registry.runs() == []
    registry.publish(NEW, FILES)
    assert registry.runs() == [NEW]


def test_what_a_killed_trainer_left_is_removed_after_a_day_and_nothing_else(bucket):
    store = from_url(bucket, client_options={"allow_http": True})
    obstore.put(store, f"{runs.RUNS_DIRECTORY}/{OLD}/model.txt", b"half")
    obstore.put(store, f"{runs.RUNS_DIRECTORY}/notes/of-mine.txt", b"mine")
    obstore.put(store, "elsewhere.txt", b"mine")
    open_registry(bucket).publish(NEW, FILES)
    assert f"{runs.RUNS_DIRECTORY}/{OLD}/model.txt" in paths(store), "its trainer may still be at it"
    ObjectRegistry(bucket, now=lambda: time.time() + 90_000).publish("run_00000003_3", FILES)
    left = paths(store)
    assert not [path for path in left if OLD in path]
    assert {f"{runs.RUNS_DIRECTORY}/notes/of-mine.txt", "elsewhere.txt"} < left
    assert open_registry(bucket).runs() == [NEW, "run_00000003_3"]


def paths(store):
    return {one["path"] for part in obstore.list(store) for one in part}


def test_half_a_run_of_other_content_is_not_mixed_with_this_one(bucket):
    store = from_url(bucket, client_options={"allow_http": True})
    obstore.put(store, f"{runs.RUNS_DIRECTORY}/{OLD}/model.txt", b"other trees")
    with pytest.raises(RegistryError, match="a part of one; it is never overwritten"):
        open_registry(bucket).publish(OLD, FILES)
    assert open_registry(bucket).runs() == []


@pytest.mark.parametrize(
    ("ask", "consequence"),
    [
        (lambda registry: registry.runs(), ""),
        (lambda registry: registry.latest(), ""),
        (lambda registry: registry.read(OLD, runs.MANIFEST), ""),
        (lambda registry: registry.point_latest(OLD), ""),
        (lambda registry: registry.delete(OLD), ""),
        (lambda registry: registry.publish(OLD, FILES), f"; the run {OLD} was not stored"),
    ],
    ids=["runs", "latest", "read", "point latest", "delete", "publish"],
)
class TestEveryQuestionToAStore:
    """Ends in one line that names the registry and says what to do."""

    def ends_with(self, ask, complaint, uri="s3://bucket/models", **options):
        with pytest.raises(RegistryError) as caught:
            ask(ObjectRegistry(uri, **options))
        assert str(caught.value) == f"the registry {uri}: {complaint}"

    def test_without_the_bucket(self, ask, consequence, s3, endpoint):
        endpoint(s3)
        self.ends_with(ask, f"there is no such bucket{consequence}", uri="s3://no-such-bucket/models")

    @pytest.mark.parametrize("status", [401, 403])
    def test_without_rights(self, ask, consequence, status, endpoint):
        with serving(always(status)) as address:
            endpoint(address)
            self.ends_with(
                ask,
                "access was denied; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and their permissions"
                f"{consequence}",
            )

    def test_of_a_store_in_trouble(self, ask, consequence, endpoint):
        with serving(always(503)) as address:
            endpoint(address)
            self.ends_with(
                ask,
                f"the store returned 503 Service Unavailable to every attempt; try later{consequence}",
                retry_seconds=1,
            )

    def test_where_nothing_listens(self, ask, consequence, endpoint):
        endpoint("http://127.0.0.1:1")
        self.ends_with(
            ask, f"the store cannot be reached; check AWS_ENDPOINT and AWS_REGION, and the network{consequence}"
        )

    def test_where_nobody_answers(self, ask, consequence, endpoint):
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            endpoint(f"http://127.0.0.1:{deaf.getsockname()[1]}")
            began = time.monotonic()
            self.ends_with(
                ask,
                f"the store does not respond in time; check AWS_ENDPOINT and AWS_REGION, and the network{consequence}",
                retry_seconds=0.3,
            )
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("request_number", range(1, 6))
def test_a_store_that_goes_away_in_mid_write_has_no_half_run_and_the_same_run_can_be_stored_later(
    bucket, s3, endpoint, request_number
):
    ask = open_registry(bucket)
    ask.publish(OLD, FILES)
    with serving(between(s3, lambda number: number < request_number, lambda _: True)) as address:
        endpoint(address)
        with pytest.raises(RegistryError, match=rf"{bucket}: the store .*; the run {NEW} was not stored$"):
            ObjectRegistry(bucket, retry_seconds=2).publish(NEW, FILES)
    assert ask.runs() == [OLD]
    endpoint(s3)
    open_registry(bucket).publish(NEW, FILES)
    assert ask.runs() == [OLD, NEW]


@pytest.mark.parametrize("lost", range(1, 6))
def test_an_answer_that_is_lost_and_asked_for_again_stores_the_run_once(bucket, s3, endpoint, lost):
    class Lossy(between(s3, lambda _: True, lambda _: True)):
        def respond(self, status, headers, content):
            answered.append(self.command)
            # A gateway that lost the answer of what it had forwarded.
            if len(answered) == lost:
                status, content = 502, b""
            super().respond(status, headers, content)

    answered = []
    with serving(Lossy) as address:
        endpoint(address)
        ObjectRegistry(bucket).publish(OLD, FILES)
    assert len(answered) > 5
    endpoint(s3)
    ask = open_registry(bucket)
    assert {file: ask.read(OLD, file) for file in FILES} == FILES
    assert ask.runs() == [OLD]


@pytest.mark.parametrize(
    ("uri", "variables", "complaint"),
    [
        ("s3://bucket/x", {"AWS_ENDPOINT": "nonsense"}, "AWS_ENDPOINT is not an http:// or https:// address"),
        (
            "s3://bucket/x",
            {"AWS_ALLOW_HTTP": ""},
            "its endpoint is plain http://, which needs AWS_ALLOW_HTTP=true",
        ),
        ("az://container/x", {}, "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
        ("s3://", {}, "the address names no bucket"),
        ("https://", {}, "the address names no host"),
    ],
    ids=["endpoint", "plain", "account", "no bucket", "no host"],
)
def test_what_the_environment_lacks_is_said(endpoint, monkeypatch, uri, variables, complaint):
    endpoint("http://127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RegistryError) as caught:
        open_registry(uri).latest()
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_in_an_address_is_never_repeated():
    with pytest.raises(RegistryError) as caught:
        open_registry("http://user:pass@127.0.0.1:1/models?token=word").read(OLD, "meta.json")
    assert str(caught.value).startswith("the registry http://127.0.0.1:1/models: the store cannot be reached")


@pytest.fixture
def web(tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with serving(functools.partial(Quiet, directory=str(tmp_path))) as address:
        yield address, DirectoryRegistry(tmp_path, uri="here")


def test_a_web_server_can_be_read_and_nothing_else(web):
    url, directory = web
    directory.publish(OLD, FILES)
    registry = open_registry(url)
    assert registry.read(OLD, "model.txt") == b"trees"
    with pytest.raises(RegistryError, match=r"^missing\.txt: there is no such file"):
        registry.read(OLD, "missing.txt")
    with pytest.raises(RegistryError, match="cannot list"):
        registry.runs()
    with pytest.raises(RegistryError, match="is read only"):
        registry.publish(NEW, FILES)


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [("ftp://host/x", "ftp:// is not known"), ("file://host/x", "takes an absolute path")],
)
def test_a_uri_that_is_none_is_refused(uri, complaint):
    with pytest.raises(OptionError, match=complaint):
        open_registry(uri)
