"""Argo CD for tests: application controller, repository server, API server and redis, beside the local cluster.

Nothing of Argo CD is replaced. Of its CustomResourceDefinitions the tests have short ones without its schemas.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import yaml
from beside_cluster import Processes, definition, pem, wait_for_definitions

from serin_core.contract.names import API_VERSION, KIND
from serin_demo.commands import run
from serin_localcluster.controlplane import free_port

ROOT = Path(__file__).parents[2]
PASSWORD = "of-the-tests"
HASHED = "$2b$04$GmnYSjaWkzNX32BbrlSEx.Zj/AwgpbXBP657KSjmlDZKqyqPgSueG"
"""The password of both users as bcrypt has it."""
POLICY = """
p, role:oncall, applications, get, */*, allow
p, role:oncall, applications, action/serin.dev/SuggestionModel/abort, */*, allow
g, oncall, role:oncall
"""
"""The right of docs/gitops.md, for the user oncall."""
NAMESPACE = "argocd"
KINDS = {"Application": "applications", "AppProject": "appprojects", "ApplicationSet": "applicationsets"}
LABELS = {"app.kubernetes.io/part-of": "argocd"}


def thing(kind, name, api="v1", labels=None, **rest):
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels or LABELS}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def configuration(kubeconfig):
    """Return Argo CD's own objects: its settings with the shipped customizations, users with rights, the cluster."""
    given = yaml.safe_load(kubeconfig.read_text())
    cluster, user = given["clusters"][0]["cluster"], given["users"][0]["user"]
    tls = {"caData": _data(cluster, "certificate-authority")}
    tls |= {"certData": _data(user, "client-certificate"), "keyData": _data(user, "client-key")}
    customizations = run(["kubectl", "kustomize", str(ROOT / "manifests" / "argocd")])
    settings = yaml.safe_load(customizations)["data"] | {"accounts.oncall": "login"}
    users = {"server.secretkey": "of-the-tests", "admin.password": HASHED, "accounts.oncall.password": HASHED}
    local = {"name": "local", "server": cluster["server"], "config": json.dumps({"tlsClientConfig": tls})}
    everything = {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    return [
        thing("ConfigMap", "argocd-cm", data=settings),
        thing("ConfigMap", "argocd-rbac-cm", data={"policy.csv": POLICY}),
        thing("Secret", "argocd-secret", stringData=users),
        thing("Secret", "local", labels={"argocd.argoproj.io/secret-type": "cluster"}, stringData=local),
        thing("AppProject", "default", "argoproj.io/v1alpha1", spec=everything),
    ]


def _data(part, key):
    return base64.b64encode(pem(part, key)).decode()


class ArgoCD:
    """A running Argo CD. Its applications are the folders of `repository`."""

    def __init__(self, program, installation, directory):
        self.program, self.installation, self.directory = program, installation, directory
        self.repository = directory / "repository"
        self.processes = Processes(directory)

    def start(self):
        for part in ("bin", "tmp", "repository"):
            (self.directory / part).mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.script("argocd-git-ask-pass", f'exec {self.program} git-ask-pass "$@"')
        # Argo CD runs the program kustomize; kubectl has the same.
        self.script("kustomize", '[ "$1" = build ] && shift && exec kubectl kustomize "$@"; echo v5.7.1')
        self.installation.apply(*(definition(*one, group="argoproj.io") for one in KINDS.items()))
        wait_for_definitions(self.installation.kubectl, "applications.argoproj.io")
        self.installation.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.installation.apply(*configuration(self.installation.kubeconfig))
        redis, server, api = free_port(), free_port(), free_port()
        self.run("redis", "redis-server", "--port", redis, "--bind", "127.0.0.1", "--save", "", "--dir", self.directory)
        listen = ("--port", server, "--metrics-port", free_port(), "--address", "127.0.0.1", "--disable-tls")
        self.run("repo-server", self.program, "repo-server", "--redis", f"127.0.0.1:{redis}", *listen)
        for port in (redis, server):
            self.processes.wait_for_port(port)
        connect = ("--repo-server", f"127.0.0.1:{server}", "--repo-server-plaintext", "--redis", f"127.0.0.1:{redis}")
        place = ("--kubeconfig", self.installation.kubeconfig, "--namespace", NAMESPACE)
        self.run("controller", self.program, "application-controller", *place, *connect, "--metrics-port", free_port())
        served = ("--address", "127.0.0.1", "--port", api, "--metrics-port", free_port(), "--insecure")
        self.run("server", self.program, "server", *place, *connect, *served)
        self.processes.wait_for_port(api)
        self.address = f"http://127.0.0.1:{api}"

    def log_in(self, user):
        """Return a client of the API server that has logged in as a user."""
        client = httpx.Client(base_url=f"{self.address}/api/v1", timeout=60)
        answer = client.post("/session", json={"username": user, "password": PASSWORD}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return client

    def script(self, name, text):
        path = self.directory / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, name, *command):
        self.processes.start(
            name,
            *command,
            PATH=f"{self.directory / 'bin'}:{os.environ['PATH']}",
            TMPDIR=str(self.directory / "tmp"),
            ARGOCD_GPG_ENABLED="false",
        )

    def git(self, *arguments):
        identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.repository, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, folder, *objects):
        """Replace the manifests of a folder; return the commit."""
        shutil.rmtree(self.repository / folder, ignore_errors=True)
        (self.repository / folder).mkdir(parents=True)
        (self.repository / folder / "all.yaml").write_text(yaml.safe_dump_all(list(objects)))
        return self.commit_all(f"Change {folder}")

    def commit_all(self, message):
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


class Application:
    """An application of one folder, synchronised by itself, and everything that Argo CD wrote into its status."""

    def __init__(self, argocd, name, namespace, *, path=None, options=()):
        self.argocd, self.name, self.namespace, self.options = argocd, name, namespace, list(options)
        self.path = path or name
        self.watched = argocd.directory / f"{name}.watch"
        self.watch = None

    def create(self):
        automated = {"selfHeal": True, "prune": True}
        spec = {
            "project": "default",
            "source": {"repoURL": f"file://{self.argocd.repository}", "path": self.path, "targetRevision": "main"},
            "destination": {"name": "local", "namespace": self.namespace},
            "syncPolicy": {"automated": automated, "syncOptions": self.options},
        }
        self.argocd.installation.apply(thing("Application", self.name, "argoproj.io/v1alpha1", spec=spec))
        environment = os.environ | {"KUBECONFIG": str(self.argocd.installation.kubeconfig)}
        command = ["kubectl", "get", "applications", self.name, "-n", NAMESPACE, "-w", "-o", "json"]
        command += ["--output-watch-events"]
        with self.watched.open("wb") as out:
            self.watch = subprocess.Popen(command, stdout=out, env=environment)

    def wait_for_the_resource(self):
        """Wait until Argo CD has made the SuggestionModel."""
        arguments = ("get", "sgm", "-n", self.namespace, "-o", "name")
        self.wait(lambda _: self.argocd.installation.kubectl(*arguments), what="the SuggestionModel")

    def push(self, *objects):
        """Commit the manifests and let Argo CD look at once; return the commit."""
        commit = self.argocd.commit(self.name, *objects)
        self.refresh()
        return commit

    def refresh(self, kind="normal"):
        annotation = f"argocd.argoproj.io/refresh={kind}"
        arguments = ("annotate", "applications", self.name, "-n", NAMESPACE, "--overwrite", annotation)
        if self.watch is not None:
            self.argocd.installation.kubectl(*arguments)

    def compare_again(self):
        """Let Argo CD compare live and wanted objects once more, without its cache."""
        self.refresh("hard")
        key = "argocd.argoproj.io/refresh"
        self.wait(lambda _: key not in self.read()["metadata"].get("annotations", {}), what="another comparison")

    def read(self):
        arguments = ("get", "applications", self.name, "-n", NAMESPACE, "-o", "json")
        return json.loads(self.argocd.installation.kubectl(*arguments))

    def status(self):
        return self.read().get("status", {})

    def wait(self, holds, *, seconds=60, what):
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if status and holds(status):
                return status
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come within {seconds} s: {json.dumps(status, indent=1)[-3000:]}")
            time.sleep(0.3)

    def wait_until_synced(self, commit, **options):
        def holds(status):
            sync = status.get("sync", {})
            return (sync.get("revision"), sync.get("status")) == (commit, "Synced")

        return self.wait(holds, what=f"Synced to {commit[:7]}", **options)

    def wait_for_health(self, health, **options):
        return self.wait(lambda status: health_of(status) == health, what=f"health {health}", **options)

    def seen(self):
        """Return every status that Argo CD wrote since `create`, in order."""
        decoder, text, found = json.JSONDecoder(), self.watched.read_text(), []
        while text := text.lstrip():
            event, end = decoder.raw_decode(text)
            text = text[end:]
            found.append(event["object"].get("status", {}))
        return found

    def out_of_sync(self):
        """Return what was OutOfSync, at a commit that had been Synced before."""
        synced, found = set(), []
        for status in self.seen():
            sync = status.get("sync", {})
            if sync.get("status") == "Synced":
                synced.add(sync["revision"])
            elif sync.get("revision") in synced:
                found.append([one for one in status.get("resources", []) if one.get("status") != "Synced"] or sync)
        return found

    def _resource(self):
        group, version = API_VERSION.split("/")
        named = {"appNamespace": NAMESPACE, "namespace": self.namespace, "resourceName": "categories"}
        return named | {"group": group, "version": version, "kind": KIND}

    def actions(self, client):
        """Return the names of the actions that the API server offers, and what each says that it does."""
        answer = client.get(f"/applications/{self.name}/resource/actions", params=self._resource()).raise_for_status()
        return {one["name"]: one["displayName"] for one in answer.json()["actions"] if not one.get("disabled")}

    def act(self, client, action):
        """Run an action as the web page does; return the response."""
        body = self._resource() | {"name": self.name, "action": action}
        return client.post(f"/applications/{self.name}/resource/actions/v2", json=body)

    def health_of_the_resource(self, client):
        """Return health and message of the SuggestionModel, as the web page shows them."""
        tree = client.get(f"/applications/{self.name}/resource-tree").raise_for_status().json()
        return next((one["health"]["status"], one["health"]["message"]) for one in tree["nodes"] if one["kind"] == KIND)

    def syncs(self):
        return len(self.status().get("history", []))

    def close(self):
        if self.watch is not None:
            self.watch.terminate()
            self.watch.wait()
        self.argocd.installation.kubectl("delete", "applications", self.name, "-n", NAMESPACE, "--wait=false")


def health_of(status):
    """Return the health of an application, which is that of its SuggestionModel: nothing else in it has one."""
    return status.get("health", {}).get("status")
