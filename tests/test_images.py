"""Each image holds every package that its program imports, and no package that it does not need."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMPORT = """
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package.startswith("serin_") and package not in sys.argv[2].split(","):
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, Missing())
for module in sys.argv[1].split(","):
    importlib.import_module(module)
print(*sorted({name.partition(".")[0] for name in sys.modules if name.startswith("serin_")}))
"""


def packages_of(folder):
    """Return the packages of a folder that images copy."""
    return [path.parent for path in sorted((ROOT / folder).glob("serin_*/__init__.py"))]


@pytest.mark.parametrize(
    ("image", "modules"),
    [
        ("operator", "serin_operator.main"),
        ("server", "serin_server.main,serin_server.stores.postgres,serin_registry.object_store"),
        (
            "training",
            "serin_cli.main,serin_training.commands.main,serin_training.registry.object_store,serin_cli.replay",
        ),
        ("dashboard", "serin_dashboard.main"),
    ],
)
def test_an_image_holds_what_its_program_imports_and_no_more(image, modules):
    copied = re.findall(r"^COPY (\w+) \1$", (ROOT / f"Dockerfile.{image}").read_text(), flags=re.MULTILINE)
    packages = [path.name for one in copied for path in packages_of(one)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, modules, ",".join(packages)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert {path.parent.name for path in ROOT.glob("*/serin_*") if path.name in done.stdout.split()} == set(copied)


def test_every_package_of_an_image_is_in_the_wheel():
    built = re.search(r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), flags=re.DOTALL | re.MULTILINE)
    for path in ROOT.glob("Dockerfile.*"):
        for one in re.findall(r"^COPY (\w+) \1$", path.read_text(), flags=re.MULTILINE):
            for package in packages_of(one):
                assert f'"{one}/{package.name}"' in built[1]


@pytest.mark.parametrize("image", ["operator", "server", "training", "dashboard"])
def test_the_build_context_holds_what_is_copied_and_not_the_tests(image):
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / f"Dockerfile.{image}").read_text(), re.MULTILINE):
        for source in line.split():
            wanted = {source.rstrip("/"), f"{source}/serin_{source}", re.sub(r"/\w+\.lock$", "/*.lock", source)}
            assert wanted & allowed, source
            if f"{source}/serin_{source}" in allowed:
                assert {f"{source}/{package.name}" for package in packages_of(source)} <= allowed
    assert not any(one.startswith("tests") for one in allowed)


@pytest.mark.parametrize("image", ["operator", "server", "training", "dashboard"])
def test_an_image_runs_as_a_number_with_a_home_that_can_be_written(image):
    text = (ROOT / f"Dockerfile.{image}").read_text()
    assert re.search(r"^USER \d+:\d+$", text, re.MULTILINE)
    assert " HOME=/tmp " in text


@pytest.mark.parametrize("script", ["build.sh", "publish.sh"])
def test_scripts_take_the_version_of_the_project_from_its_file(script):
    found = re.findall(r"^VERSION=.*$", (ROOT / "images" / script).read_text(), flags=re.MULTILINE)
    shown = subprocess.run(
        ["bash", "-c", f"{found[0]}; echo $VERSION"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert shown.stdout == f"{version}\n"
