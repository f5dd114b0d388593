"""An S3 on loopback, and what stands between a trainer and it."""

import http.client
import http.server
import os
import re
import ssl
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

MOTO = Path(__file__).parents[2] / ".moto" / "bin" / "moto_server"
MAKE_BUCKET = 'client("s3").create_bucket(Bucket="bucket")'
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-of-the-key", "AWS_REGION": "us-east-1"}


def boto(address, code, **environment):
    """Run Python with `client` for services of AWS at an address, in moto's environment, and return what it prints."""
    prepared = f"""
import functools, json, boto3
client = functools.partial(boto3.client, endpoint_url={address!r}, region_name="us-east-1")
"""
    done = subprocess.run(
        [str(MOTO.with_name("python")), "-c", prepared + code],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        env={**os.environ, **KEYS, **environment},
    )
    return done.stdout


@contextmanager
def started(*command, announces, **environment):
    """Start a server and yield the match in the line by which it announces that it is ready."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    printed, found = [], None
    try:
        for line in process.stdout:
            printed.append(line)
            if found := re.search(announces, line):
                break
        assert found, f"{command[0]} printed: {''.join(printed)}"
        # It prints each request; unread, the pipe would fill up and stop it.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield found
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def s3():
    """Start moto's S3 (`make test` installs it), make a bucket and answer the address."""
    command = (MOTO, "-H", "127.0.0.1", "-p", "0")
    with started(*command, announces=r"http://127\.0\.0\.1:\d+", PYTHONUNBUFFERED="1") as found:
        boto(found[0], MAKE_BUCKET)
        yield found[0]


@pytest.fixture
def endpoint(monkeypatch):
    """Return the settings with which this process reaches an S3 at an address."""

    def use(address):
        for name, value in {"AWS_ENDPOINT": address, "AWS_ALLOW_HTTP": "true", **KEYS}.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture
def bucket(s3, endpoint, request):
    """Return a part of the bucket that is this test's own."""
    endpoint(s3)
    return "s3://bucket/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@contextmanager
def serving(handler, *, tls=None):
    """Serve with a handler on loopback, with an ssl.SSLContext if there is one, and answer the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """Handles every method by `answer`, and logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.answer(self.rfile.read(length))

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_):
        pass

    def respond(self, status, headers, content):
        self.begin(status, headers, length=len(content))
        if self.command != "HEAD":
            self.wfile.write(content)

    def begin(self, status, headers, *, length):
        """Send everything of a response but its content."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def hang_up(self):
        self.close_connection = True


def always(status, content=b"<Error><Code>Some</Code></Error>"):
    """Return a handler that responds the same to everything."""

    class Always(Handler):
        def answer(self, _):
            self.respond(status, [], content)

    return Always


def connect(address, trusted=None):
    """Return a connection to an http:// or https:// address, the latter with the CA of a file."""
    scheme, _, host = address.partition("://")
    if scheme == "http":
        return http.client.HTTPConnection(host, timeout=20)
    return http.client.HTTPSConnection(host, timeout=20, context=ssl.create_default_context(cafile=trusted))


def between(store, before, after, *, trusted=None):
    """Return a handler that forwards the n-th request to a store if `before(n)`, and its response if `after(n)`.

    Otherwise it closes the connection.
    """
    lock, requests = threading.Lock(), [0]

    class Between(Handler):
        def answer(self, content):
            with lock:
                requests[0] += 1
                number = requests[0]
            if not before(number):
                return self.hang_up()
            connection = connect(store, trusted)
            connection.request(self.command, self.path, content, dict(self.headers))
            answer = connection.getresponse()
            found = answer.status, answer.getheaders(), answer.read()
            connection.close()
            return self.respond(*found) if after(number) else self.hang_up()

    return Between
