"""The chart, rendered with a real Helm."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "serin"
BIN = Path(sys.executable).parent
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Helm:
    """The program, with its settings in a directory of the tests."""

    def __init__(self, program, home, kubeconfig=None):
        self.program, self.home = program, home
        self.environment = os.environ | {f"HELM_{one}_HOME": str(home / one) for one in ("CACHE", "CONFIG", "DATA")}
        self.environment |= {"KUBECONFIG": str(kubeconfig or home / "none"), "HELM_NAMESPACE": "serin-system"}

    def run(self, *arguments, values=None, check=True):
        done = subprocess.run(
            [self.program, *map(str, arguments), *(["--values", "-"] if values is not None else [])],
            input=None if values is None else yaml.safe_dump(values),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def render(self, values=None, *, release="serin", chart=CHART):
        """Return the objects of the chart."""
        return objects(self.run("template", release, chart, values=values or {}).stdout)

    def refusal(self, values):
        """Return what Helm says about values that it must refuse."""
        done = self.run("template", "serin", CHART, values=values, check=False)
        assert done.returncode != 0, "these values are accepted"
        return done.stderr


def objects(text):
    return [one for one in yaml.load_all(text, Loader=LOADER) if one]


def kubectl(*arguments, kubeconfig=None, text=None):
    environment = os.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
    done = subprocess.run(
        [BIN / "kubectl", *arguments], input=text, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
