"""The images that `make images` built: what is in them, and that they run as any uid on a read-only file system."""

import importlib.util
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from dashboard.process import fake_cluster
from server.fakes import TOKEN, UID, Mounted, routing

from serin_localcluster.cluster import start_cluster

pytestmark = pytest.mark.images
ROOT = Path(__file__).parents[2]
IMAGES = ROOT / os.environ.get("OUT", ".images")
NAMES = ("operator", "server", "training", "dashboard")
MEGABYTES_OF_VENV = {"operator": 150, "server": 160, "dashboard": 100}
# As a pod with readOnlyRootFilesystem and an emptyDir at /tmp, for a uid without a passwd entry and gid 0.
ENTER = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=1777 tmp "$1/tmp"
mkdir "$1/tmp/shared"
mount --bind "$2" "$1/tmp/shared"
root=$1
shift 2
exec chroot --userspec=123456:0 --groups= "$root" "$@"
"""
SHARED = "/tmp/shared"


def buildah(*arguments):
    return subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Image:
    root: Path
    config: dict

    def command(self, shared, *command, **environment):
        """Return a command that runs another one inside; without one, the image's own."""
        shared.chmod(0o777)
        variables = [*self.config["Env"], *(f"{name}={text}" for name, text in environment.items())]
        inside = ["/usr/bin/env", "-i", *variables, *(command or self.config["Entrypoint"])]
        return ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(self.root), str(shared), *inside]

    def run(self, shared, *command, **environment):
        started = self.command(shared, *command, **environment)
        done = subprocess.run(started, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self):
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                if not path.is_symlink():
                    yield path


@contextmanager
def unpacked(name):
    container = buildah("from", f"oci-archive:{IMAGES / f'serin-{name}.tar'}")
    try:
        config = json.loads(buildah("inspect", container))["OCIv1"]["config"]
        yield Image(Path(buildah("mount", container)), config)
    finally:
        buildah("rm", container)


@pytest.fixture(scope="module")
def images():
    assert os.geteuid() == 0, "needs root"
    with ExitStack() as stack:
        yield {name: stack.enter_context(unpacked(name)) for name in NAMES}


@pytest.fixture(params=NAMES)
def image(request, images):
    return images[request.param]


@contextmanager
def process(command, pattern):
    """Start a process, wait for a line of its log, and end it with SIGTERM, upon which it must exit 0."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        lines = []
        try:
            for line in started.stdout:
                lines.append(line)
                if found := re.search(pattern, line):
                    yield found
                    break
            else:
                pytest.fail("".join(lines))
        except BaseException:
            started.kill()
            raise
        started.send_signal(signal.SIGTERM)
        rest = started.stdout.read()
        assert started.wait(30) == 0, "".join(lines) + rest


def eventually(url, *, seconds=60):
    until = time.monotonic() + seconds
    while True:
        try:
            response = httpx.get(url, timeout=5)
        except httpx.TransportError as error:
            response = error
        if getattr(response, "status_code", 0) == 200:
            return response
        assert time.monotonic() < until, getattr(response, "text", response)
        time.sleep(0.2)


def test_no_file_is_setuid_or_setgid(image):
    assert [path for path in image.files() if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_there_is_no_pip_compiler_or_test(image):
    names = re.compile(r"(pip[0-9.]*|gcc.*|cc|c\+\+|g\+\+.*|clang.*|ld|as|strip)")
    tools = [path for path in image.files() if path.parent.name in {"bin", "sbin"} and names.fullmatch(path.name)]
    modules = [path for name in ("pip", "ensurepip") for path in image.root.glob(f"**/python3*/**/{name}")]
    tests = [path for name in ("tests", "test") for path in image.root.glob(f"venv/**/{name}")]
    assert tools + modules + tests == []


@pytest.mark.parametrize("name", MEGABYTES_OF_VENV)
def test_the_environment_is_small(images, name):
    used = sum(path.lstat().st_blocks * 512 for path in (images[name].root / "venv").rglob("*"))
    assert used <= MEGABYTES_OF_VENV[name] * 1_000_000


def test_every_module_is_compiled_by_content(image):
    [site] = image.root.glob("venv/lib/python3*/site-packages")
    version = site.parent.name.removeprefix("python").replace(".", "")
    missing = []
    for source in site.rglob("*.py"):
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-{version}.pyc"
        # Flags of PEP 552: 1 is a .pyc by content that is not checked.
        if not compiled.exists() or compiled.read_bytes()[4:8] != b"\1\0\0\0":
            missing.append(source)
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_labels_say_what_the_image_is(images, name):
    labels = images[name].config["Labels"]
    found = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert (found["title"], found["licenses"]) == (f"serin-{name}", "Apache-2.0")
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert re.fullmatch(r"[0-9a-f]{40}", found["revision"])
    assert found["base.name"]
    assert found["source"].startswith("https://")
    assert images[name].config["User"] == "65532:65532"


def test_nothing_can_be_written_but_tmp(image, tmp_path):
    script = "import os, sys; open('/tmp/file', 'w'); print(os.getuid(), os.getgid()); open('/venv/file', 'w')"
    done = subprocess.run(
        image.command(tmp_path, "python", "-c", script), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "123456 0\n"
    assert "Read-only file system: '/venv/file'" in done.stderr


def test_every_extension_module_can_be_loaded(image, tmp_path):
    """Those that were stripped of debug information too."""
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    assert suffixes
    modules = ["_yaml", "yaml._yaml", "xxhash._xxhash"]
    [site] = image.root.glob("venv/lib/python3*/site-packages")
    present = [one for one in modules if list(site.glob(f"{one.replace('.', '/')}.*so"))]
    present += [
        one
        for one in ("uvloop.loop", "asyncpg.protocol.protocol", "httptools.parser.parser")
        if list(site.glob(f"{one.replace('.', '/')}.*so"))
    ]
    image.run(tmp_path, "python", "-c", f"import importlib; [importlib.import_module(one) for one in {present}]")


def test_the_operator_gets_ready_on_a_real_api_server(images, tmp_path, tmp_path_factory):
    with start_cluster(directory=tmp_path_factory.mktemp("cluster") / "local", images={}) as cluster:
        environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
        subprocess.run(["kubectl", "apply", "--server-side", "-k", str(ROOT / "crds")], env=environment, check=True)
        shutil.copy(cluster.kubeconfig, tmp_path / "kubeconfig")
        settings = {
            "prometheus": {"default": {"url": cluster.prometheus_url}},
            "server": {"image": "serin-server:0"},
            "host": "127.0.0.1",
            "port": 18_081,
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
        for path in tmp_path.iterdir():
            path.chmod(0o644)
        operator = images["operator"]
        command = operator.command(
            tmp_path,
            *operator.config["Entrypoint"],
            "--config",
            f"{SHARED}/config.yaml",
            KUBECONFIG=f"{SHARED}/kubeconfig",
        )
        with process(command, r"health and metrics on ([\d.:]+)") as found:
            eventually(f"http://{found[1]}/readyz")


def test_the_dashboard_shows_a_page_and_ends_on_sigterm(images, tmp_path):
    dashboard = images["dashboard"]
    with fake_cluster(tmp_path) as kubeconfig:
        kubeconfig.chmod(0o644)
        entry, variables = (
            dashboard.config["Entrypoint"],
            {"KUBECONFIG": f"{SHARED}/kubeconfig", "SERIN_HOST": "127.0.0.1"},
        )
        command = dashboard.command(tmp_path, *entry, "--port", "0", "--namespace", "shop", **variables)
        with process(command, r"on (http://\S+)") as found:
            eventually(f"{found[1]}/readyz")
            assert "c-1" in httpx.get(f"{found[1]}/models/shop/categories", timeout=60).text


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """A registry with one run, trained by the image for training."""
    folder = tmp_path_factory.mktemp("trained")
    training = images["training"]
    training.run(folder, "serin", "generate", "--rows", "3000", "--seed", "3", "--out", f"{SHARED}/data.csv")
    command = ("serin", "train", "-o", "json", "--data", f"{SHARED}/data.csv", "--registry", f"{SHARED}/registry")
    return folder, json.loads(training.run(folder, *command))["run_directory"]


def test_the_server_serves_a_run_that_the_training_image_made(images, trained):
    folder, run = trained
    mounted = Mounted(folder / "pod")
    mounted.model(run, registry=f"{SHARED}/registry")
    mounted.rules("classes:\n  Groceries: [loblaws]\n")
    mounted.route(routing(1, percent=100, candidate=run))
    subprocess.run(["chmod", "-R", "a+rwX", str(folder)], check=True)
    variables = {
        f"SERIN_{name.upper()}_DIR": f"{SHARED}/pod/{name}"
        for name in ("model", "routing", "rules", "tokens", "pod", "state")
    }
    variables |= {"SERIN_HOST": "127.0.0.1", "SERIN_PORT": "0", "SERIN_UID": UID, "SERIN_MODEL_NAME": "shop/categories"}
    variables |= {"SERIN_POD": "categories-1", "SERIN_GRACE_SECONDS": "5"}
    with process(images["server"].command(folder, **variables), r"listening on (http://\S+)") as found:
        eventually(f"{found[1]}/readyz")
        until = time.monotonic() + 60
        while True:
            [status] = httpx.get(f"{found[1]}/ml/status").json()["runs"]
            if status["state"] not in {"loading", "waiting"}:
                break
            assert time.monotonic() < until, status
            time.sleep(0.2)
        assert (status["run"], status["state"]) == (run, "loaded")
        body = {"transactions": [{"txn_id": "1", "user_id": "u", "merchant": "LOBLAWS"}]}
        user = {"Authorization": f"Bearer {TOKEN}"}
        [item] = httpx.post(f"{found[1]}/agent/suggestions", json=body, headers=user).json()["items"]
        assert item["candidates"], item


def test_the_training_image_has_git_and_draws_without_a_home(images, tmp_path):
    assert images["training"].run(tmp_path, "git", "--version").startswith("git version")
    script = "import matplotlib.pyplot as p; p.plot([1, 2]); p.savefig('/tmp/plot.png'); print('drawn')"
    assert images["training"].run(tmp_path, "python", "-c", script, MPLBACKEND="agg").endswith("drawn\n")


def test_two_builds_give_one_digest(tmp_path):
    digests = []
    for number in range(2):
        out = tmp_path / str(number)
        environment = os.environ | {"OUT": str(out), "TAG": "test"}
        subprocess.run(["images/build.sh", "operator"], cwd=ROOT, env=environment, check=True, timeout=900)
        digests.append((out / "serin-operator.digest").read_text())
    assert digests[0] == digests[1]
