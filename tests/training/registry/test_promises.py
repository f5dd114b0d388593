"""What every registry promises, asked of a directory, of an S3, and of a web server."""

import functools
import http.server
import os
import re
import subprocess
import threading
from pathlib import Path

import obstore
import pytest
from obstore.store import from_url

from serin_core import runs
from serin_training.errors import RegistryError, SettingsError
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.registry import open_registry

ROOT = Path(__file__).parents[3]
MOTO = ROOT / ".moto" / "bin" / "moto_server"
OLD, NEW = "run_00000001_1", "run_00000002_2"
FILES = {"meta.json": b"{}", "model.txt": b"trees"}


@pytest.fixture(scope="session")
def s3():
    """Start moto's S3 on loopback (`make test` installs it) and answer its address."""
    process = subprocess.Popen(
        [str(MOTO), "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield next(found[0] for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def bucket(s3, monkeypatch, request):
    for name, value in {
        "AWS_ENDPOINT": s3,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50]
    put = subprocess.run(
        [str(MOTO.with_name("python")), "-c", _MAKE_BUCKET, s3, name], check=True, capture_output=True, timeout=60
    )
    assert put.returncode == 0
    return f"s3://{name}/models"


_MAKE_BUCKET = """
import sys, boto3
boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="key",
             aws_secret_access_key="secret").create_bucket(Bucket=sys.argv[2])
"""


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


@pytest.mark.parametrize("run", ["../x", "latest", "run_1", ""])
def test_a_name_that_is_none_is_refused(registry, run):
    with pytest.raises(RegistryError, match="is no name of a run"):
        registry.read(run, "meta.json")


def test_a_run_whose_manifest_is_missing_is_no_run(bucket):
    store = from_url(bucket)
    obstore.put(store, f"{runs.RUNS_DIRECTORY}/{OLD}/model.txt", b"half")
    registry = open_registry(bucket)
    assert registry.runs() == []
    registry.publish(NEW, FILES)
    assert registry.runs() == [NEW]


def test_a_bucket_that_is_not_there_is_said_in_one_line(bucket):
    registry = open_registry("s3://no-such-bucket/models")
    with pytest.raises(RegistryError) as caught:
        registry.publish(OLD, FILES)
    assert "s3://no-such-bucket/models" in str(caught.value)
    assert "was not stored" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_s3_that_does_not_answer_is_given_up_within_seconds(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(RegistryError, match="models"):
        open_registry(bucket).runs()


@pytest.fixture
def web(tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", DirectoryRegistry(tmp_path, uri="here")
    server.shutdown()
    server.server_close()


def test_a_web_server_can_be_read_and_nothing_else(web):
    url, directory = web
    directory.publish(OLD, FILES)
    registry = open_registry(url)
    assert registry.read(OLD, "model.txt") == b"trees"
    with pytest.raises(RegistryError, match=r"has no missing\.txt"):
        registry.read(OLD, "missing.txt")
    with pytest.raises(RegistryError, match="cannot list"):
        registry.runs()
    with pytest.raises(RegistryError, match="read only"):
        registry.publish(NEW, FILES)


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [("ftp://host/x", "ftp:// is not known"), ("file://host/x", "takes an absolute path")],
)
def test_a_uri_that_is_none_is_refused(uri, complaint):
    with pytest.raises(SettingsError, match=complaint):
        open_registry(uri)
