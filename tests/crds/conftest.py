"""An API server with the CRD, for the tests of what it takes and refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from beside_cluster import wait_for_definitions

from serin_localcluster.cluster import start_cluster

ROOT = Path(__file__).parents[2]
KUBECTL = str(Path(sys.executable).parent / "kubectl")
EXAMPLE = yaml.safe_load((ROOT / "examples" / "pod-settings.yaml").read_text(encoding="utf-8"))
NAMESPACE = EXAMPLE["metadata"]["namespace"]


@pytest.fixture(scope="session")
def kubectl(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cluster") / "local"
    with start_cluster(directory=directory, images={}) as cluster:

        def run(*arguments, document=None, fails=False):
            command = [KUBECTL, "--kubeconfig", str(cluster.kubeconfig), *arguments]
            text = None if document is None else json.dumps(document)
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode != 0) is fails, done.stderr
            return done.stderr if fails else done.stdout

        run.kubeconfig = str(cluster.kubeconfig)
        run("apply", "--server-side", "-f", str(ROOT / "crds" / "suggestionmodels.yaml"))
        wait_for_definitions(run, "suggestionmodels.serin.dev")
        run("create", "namespace", NAMESPACE)
        run("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        yield run
