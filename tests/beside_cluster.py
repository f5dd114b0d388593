"""Programs that run beside the local cluster in heavier tests, and the kinds that they need."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path

from serin_localcluster.processes import die_with_parent


class Processes:
    """Processes with their logs in a directory; `close` ends all, the newest first."""

    def __init__(self, directory):
        self.directory, self._stack = directory, contextlib.ExitStack()
        directory.mkdir(parents=True, exist_ok=True)

    def start(self, name, *argv, **environment):
        with (self.directory / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(
                [str(part) for part in argv],
                stdout=log,
                stderr=log,
                env=os.environ | environment,
                cwd=self.directory,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - before any test starts a thread
            )
        self._stack.callback(self._end, started)
        return started

    @staticmethod
    def _end(process):
        process.terminate()
        process.wait(timeout=20)

    def wait_for_port(self, port, *, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert time.monotonic() < deadline, f"nothing listens on port {port}; see {self.directory}/*.log"
            time.sleep(0.1)

    def close(self):
        self._stack.close()


def is_established(found):
    """Return whether a CustomResourceDefinition is served."""
    conditions = found.get("status", {}).get("conditions") or []
    return ("Established", "True") in {(one["type"], one["status"]) for one in conditions}


def wait_for_definitions(kubectl, *names, seconds=60):
    """Wait until CustomResourceDefinitions are served. `kubectl wait` fails where there are no conditions yet."""
    deadline = time.monotonic() + seconds
    for name in names:
        while not is_established(json.loads(kubectl("get", "crd", name, "-o", "json"))):
            assert time.monotonic() < deadline, f"{name} is not established"
            time.sleep(0.1)


def definition(kind, plural, *, group, version="v1alpha1"):
    """Return a short CustomResourceDefinition that accepts everything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


def pem(part, key):
    """Return a certificate or key of a cluster or user in a kubeconfig, which has it or names its file."""
    return base64.b64decode(part[f"{key}-data"]) if f"{key}-data" in part else Path(part[key]).read_bytes()
