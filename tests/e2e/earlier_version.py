"""Operator and servers of an earlier commit of this repository, as images of the local cluster."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMIT = os.environ.get("SERIN_TEST_UPGRADE_FROM", "348a192ad33929f5192455da56de938f201dd519")
"""The version to upgrade from; after a release its tag."""
TAG = "earlier"
PACKAGES = ("core", "registry", "operator", "server")


@cache
def sources(folder):
    """Unpack the commit below a folder and return where, None in a checkout without its history."""
    target = folder / "earlier"
    found = subprocess.run(
        ["git", "-C", str(ROOT), "archive", COMMIT, *PACKAGES, "crds"], capture_output=True, check=False
    )
    if found.returncode:
        return None
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "x", "-C", str(target)], input=found.stdout, check=True)
    return target


def images(folder):
    """Return the programs that run instead of the images with TAG."""
    path = sources(folder)
    if path is None:
        return {}
    python = ["env", f"PYTHONPATH={':'.join(str(path / name) for name in PACKAGES)}", sys.executable, "-P", "-c"]
    programs = {name: [*python, f"from serin_{name}.main import main; main()"] for name in ("operator", "server")}
    return {f"*serin-{name}:{TAG}": command for name, command in programs.items()}
