"""serin runs: as a shell sees it. The cluster is an API server's answer, reached by a kubeconfig."""

import http.server
import json
import threading
import time
from contextlib import contextmanager

import pytest
import yaml
from kubernetes.config import kube_config
from typer.testing import CliRunner

from serin_core.model import manifest, signing
from serin_core.model.report import Report
from serin_training.commands.main import app
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.keys import generate_keys, read_signing_key

NOW = int(time.time())
OLDEST, OLDER, OLD, NEW = (f"run_0000000{number}_{NOW - (4 - number) * 86_400}" for number in range(1, 5))


def serin(*arguments):
    return CliRunner().invoke(app, ["runs", *(str(argument) for argument in arguments)])


def report(run, **changes):
    values = {
        "run_id": run.rpartition("_")[0],
        "run_directory": run,
        "created_at": "2026-01-01T00:00:00+00:00",
        "val_f1_macro": 0.8,
        "val_f1_min": 0.7,
        "val_f1_per_class": {"Dining": 0.9, "Travel": 0.7},
        "val_accuracy": 0.85,
        "passed_acceptance_gate": True,
        "deployed": True,
        "deploy_reason": "macro F1 0.800 is at least 0.72",
        "calibration_enabled": True,
        "coverage_by_threshold": {},
        "coverage_by_class": {},
        "rows": {"fit": 800, "calibrate": 100, "judge": 100},
        "features": 1000,
        "trees": 50,
        "data_from": "2025-01-01T00:00:00+00:00",
        "data_to": "2026-01-01T00:00:00+00:00",
        "seed": 0,
    }
    return Report(**(values | changes))


@pytest.fixture
def registry(tmp_path):
    return DirectoryRegistry(tmp_path / "registry", uri="here")


@pytest.fixture
def at(tmp_path):
    return tmp_path / "registry"


@pytest.fixture
def empty(tmp_path):
    """A directory without runs."""
    made = tmp_path / "empty"
    made.mkdir()
    return made


def store(registry, *names, sign=None, **changes):
    for name in names:
        files = {manifest.REPORT: report(name, **changes).model_dump_json().encode(), manifest.MODEL: b"trees"}
        registry.publish(name, files, sign=sign)


def is_refused(result, complaint, status=1):
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert complaint in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr
    return True


class TestList:
    def test_runs_stand_oldest_first_and_latest_is_marked(self, registry, at):
        store(registry, NEW, OLD)
        registry.point_latest(OLD)
        lines = serin("list", "--registry", at).stdout.splitlines()
        assert [line[:2] + line.split()[-1] for line in lines[1:]] == ["* passed", "  passed"]
        assert [name for line in lines[1:] for name in (OLD, NEW) if name in line] == [OLD, NEW]

    def test_json_names_digests_and_scores(self, registry, at):
        store(registry, OLD, val_f1_macro=0.5, passed_acceptance_gate=False)
        (found,) = json.loads(serin("list", "--registry", at, "-o", "json").stdout)
        assert found == {
            "run": OLD,
            "latest": False,
            "digest": manifest.digest(registry.read(OLD, manifest.MANIFEST)),
            "created_at": "2026-01-01T00:00:00+00:00",
            "val_f1_macro": 0.5,
            "val_f1_min": 0.7,
            "passed_acceptance_gate": False,
        }

    def test_a_registry_without_runs_is_an_answer(self, empty):
        result = serin("list", "--registry", empty)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"{empty}: no runs found\n"
        assert json.loads(serin("list", "--registry", empty, "-o", "json").stdout) == []
        assert list(empty.iterdir()) == []

    @pytest.mark.parametrize("command", ["runs list", "runs show latest", "evaluate --run latest --data rows.csv"])
    def test_a_registry_that_does_not_exist_is_wrong_usage(self, tmp_path, command):
        at = tmp_path / "nowhere"
        given = [*command.split(), "--registry", str(at)]
        result = CliRunner().invoke(app, given)
        name = " ".join(given[: 2 if given[0] == "runs" else 1])
        where = f"serin {name}: the registry {at} does not exist; --registry takes the one that `serin train` wrote to"
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{where}\n")
        at.write_text("")
        assert "is not a directory" in CliRunner().invoke(app, given).stderr

    def test_a_damaged_run_is_left_out_and_told(self, registry, at):
        store(registry, OLD, NEW)
        (at / manifest.RUNS_DIRECTORY / OLD / manifest.REPORT).write_text("{}")
        result = serin("list", "--registry", at, "-o", "json")
        assert [one["run"] for one in json.loads(result.stdout)] == [NEW]
        assert result.stderr.startswith(f"skipped: {OLD}: meta.json: ")

    def test_a_registry_of_an_unknown_kind_is_refused(self):
        assert is_refused(serin("list", "--registry", "ftp://host/x"), "ftp:// is not known", status=2)


class TestShow:
    @pytest.mark.parametrize("name", [NEW, NEW.rpartition("_")[0], "latest"], ids=["name", "first part", "latest"])
    def test_a_run_is_found_by_each_of_its_names(self, registry, at, name):
        store(registry, OLD, NEW, warnings=("Pets: 3 rows",))
        registry.point_latest(NEW)
        told = serin("show", name, "--registry", at).stdout
        assert told.splitlines()[0] == NEW
        assert "macro F1 0.800, worst class 0.700" in told
        assert "warning     Pets: 3 rows" in told
        assert json.loads(serin("show", name, "--registry", at, "-o", "json").stdout)["run_directory"] == NEW


BAD_NAMES = (
    "",
    "nonsense",
    "../../etc",
    "run_0000000",
    "run_99999999",
    pytest.param(f"{NEW}/../{NEW}", id="a path"),
    "run_00000009_9",
    "latest",
)


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("command", ["show", "verify", "swap-to", "diff"])
def test_a_name_of_no_run_is_refused_in_one_line(registry, at, empty, command, name):
    store(registry, NEW)
    names = (NEW, name) if command == "diff" else (name,)
    assert is_refused(serin(command, *names, "--registry", at), "runs " + command)
    assert is_refused(serin(command, *names, "--registry", empty), "runs " + command)


def test_a_first_part_that_two_runs_have_is_refused(registry, at):
    store(registry, "run_00000001_1", "run_00000001_2")
    assert is_refused(serin("show", "run_00000001", "--registry", at), "names 2 runs; `serin runs list` shows them")


class TestDiff:
    def test_only_what_changed_is_told(self, registry, at):
        store(registry, OLD)
        store(registry, NEW, val_f1_macro=0.9, val_f1_per_class={"Dining": 0.9, "Travel": 0.8, "Pets": 0.6})
        told = serin("diff", OLD, NEW, "--registry", at).stdout.splitlines()
        assert told[0] == f"{OLD} -> {NEW}"
        assert [" ".join(line.split()) for line in told[1:]] == [
            "macro F1 0.800 -> 0.900",
            "F1 Pets none -> 0.600",
            "F1 Travel 0.700 -> 0.800",
        ]
        changes = json.loads(serin("diff", OLD, NEW, "--registry", at, "-o", "json").stdout)
        assert changes[0] == {"what": "macro F1", "before": "0.800", "after": "0.900"}

    def test_a_run_and_itself_do_not_differ(self, registry, at):
        store(registry, OLD)
        told = serin("diff", OLD, OLD, "--registry", at)
        assert (told.stdout, told.stderr) == (f"{OLD} -> {OLD}\n", "no difference in data, scores and gate\n")
        assert json.loads(serin("diff", OLD, OLD, "--registry", at, "-o", "json").stdout) == []


class TestSwapTo:
    def test_latest_names_another_run_and_back(self, registry, at):
        store(registry, OLD, NEW)
        assert serin("swap-to", OLD, "--registry", at).stdout == f"latest: none -> {OLD}\n"
        assert serin("swap-to", NEW, "--registry", at).stdout == f"latest: {OLD} -> {NEW}\n"
        assert registry.latest() == NEW

    def test_a_damaged_run_is_never_named(self, registry, at):
        store(registry, OLD, NEW)
        registry.point_latest(OLD)
        (at / manifest.RUNS_DIRECTORY / NEW / manifest.MODEL).write_text("treeS")
        result = serin("swap-to", NEW, "--registry", at, "--force")
        assert is_refused(result, f"{NEW}: model.txt: its sha256 is not the one in the manifest")
        assert registry.latest() == OLD

    def test_a_run_that_its_gate_refused_needs_force(self, registry, at):
        store(registry, OLD, passed_acceptance_gate=False, deploy_reason="macro F1 0.500 is below 0.72")
        result = serin("swap-to", OLD, "--registry", at)
        assert is_refused(result, f"{OLD}: macro F1 0.500 is below 0.72; --force points latest at it anyway")
        assert registry.latest() is None
        assert serin("swap-to", OLD, "--registry", at, "--force").exit_code == 0
        assert registry.latest() == OLD


class TestVerify:
    def test_a_run_as_published_is_good(self, registry, at):
        store(registry, OLD)
        digest = manifest.digest(registry.read(OLD, manifest.MANIFEST))
        assert serin("verify", OLD, "--registry", at).stdout == f"{OLD}: 2 files match the manifest, {digest}\n"

    @pytest.mark.parametrize(
        ("file", "content", "complaint"),
        [
            (manifest.MODEL, "treeS", "model.txt: its sha256 is not the one in the manifest"),
            (manifest.MODEL, "more trees", "model.txt: it has 10 bytes, the manifest says 5"),
            (manifest.MODEL, None, "model.txt: there is no such file"),
            (manifest.MANIFEST, "{}", "manifest.json: run: Field required"),
            (manifest.MANIFEST, None, "there is no such file"),
        ],
        ids=["changed", "longer", "missing", "no manifest's content", "no manifest"],
    )
    def test_what_is_wrong_is_told(self, registry, at, file, content, complaint):
        store(registry, OLD)
        path = at / manifest.RUNS_DIRECTORY / OLD / file
        path.unlink() if content is None else path.write_text(content)
        assert is_refused(serin("verify", OLD, "--registry", at), complaint)


class TestSignatures:
    @pytest.fixture
    def keys(self, tmp_path):
        result = serin("keygen", "--out", tmp_path / "keys")
        assert result.exit_code == 0, result.output
        private, public = (tmp_path / "keys" / name for name in ("signing.key", "signing.pub"))
        assert result.stdout == f"{private}\n{public}\n"
        assert f"SERIN_SIGNING_KEY={private}" in result.stderr
        return private, public

    def test_a_signed_run_is_verified_by_the_public_key(self, registry, at, keys):
        store(registry, OLD, sign=read_signing_key(keys[0]))
        result = serin("verify", OLD, "--registry", at, "--key", keys[1])
        assert result.stdout.endswith(f", signed by the key of {keys[1]}\n")
        assert serin("verify", OLD, "--registry", at).exit_code == 0

    def test_an_unsigned_run_is_refused(self, registry, at, keys):
        store(registry, OLD)
        result = serin("verify", OLD, "--registry", at, "--key", keys[1])
        assert is_refused(result, f"{OLD}: manifest.sig: the run is not signed, and a signature is required")

    def test_a_run_that_was_changed_whole_is_refused(self, registry, at, keys):
        store(registry, OLD, sign=read_signing_key(keys[0]))
        folder = at / manifest.RUNS_DIRECTORY / OLD
        (folder / manifest.MODEL).write_text("other trees")
        files = {file: (folder / file).read_bytes() for file in (manifest.MODEL, manifest.REPORT)}
        (folder / manifest.MANIFEST).write_bytes(manifest.Manifest.of(OLD, files).text())
        assert serin("verify", OLD, "--registry", at).exit_code == 0
        result = serin("verify", OLD, "--registry", at, "--key", keys[1])
        assert is_refused(result, f"{OLD}: manifest.sig: it is not the signature of this manifest by the public key")

    def test_a_run_of_another_key_is_refused(self, registry, at, keys, tmp_path):
        other, _ = generate_keys(tmp_path / "other")
        store(registry, OLD, sign=read_signing_key(other))
        assert is_refused(serin("verify", OLD, "--registry", at, "--key", keys[1]), signing.SIGNATURE)

    def test_a_key_that_is_none_is_told_before_the_registry_is_asked(self, at, keys):
        for key in (keys[0], keys[0].with_name("none")):
            assert is_refused(serin("verify", OLD, "--registry", at, "--key", key), f"{key}: ", status=2)

    def test_a_key_is_never_overwritten(self, keys):
        before = keys[0].read_bytes()
        result = serin("keygen", "--out", keys[0].parent)
        assert is_refused(result, f"{keys[0]}: it exists; a key is never overwritten", status=2)
        assert keys[0].read_bytes() == before


@contextmanager
def api_server(status, answer):
    """Return a kubeconfig of an API server that answers everything with this."""

    class ApiServer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield kubeconfig(server.server_port), asked
    finally:
        server.shutdown()
        server.server_close()


def point_client(monkeypatch, path):
    """Name the kubeconfig again: the client reads KUBECONFIG only when it is imported."""
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))


def kubeconfig(port):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }


class TestPrune:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path, monkeypatch):
        """Keep the kubeconfig of whoever runs the tests out of it."""
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
            monkeypatch.delenv(name, raising=False)
        point_client(monkeypatch, tmp_path / ".kube" / "config")

    @pytest.fixture
    def four(self, registry):
        store(registry, OLDEST, OLDER, OLD, NEW)
        return registry

    @pytest.fixture
    def use(self, tmp_path, monkeypatch):
        def write(text):
            path = tmp_path / "kubeconfig"
            path.write_text(text if isinstance(text, str) else yaml.safe_dump(text))
            monkeypatch.setenv("KUBECONFIG", str(path))
            point_client(monkeypatch, path)

        return write

    def test_the_newest_stay_and_the_rest_goes(self, four, at):
        result = serin("prune", "--registry", at, "--keep", 2, "--no-cluster")
        assert result.stdout == f"{OLDEST}: removed\n{OLDER}: removed\n"
        assert result.stderr == ""
        assert four.runs() == [OLD, NEW]
        assert not [path for path in (at / manifest.RUNS_DIRECTORY).iterdir() if path.name.startswith(".")]

    def test_latest_stays_however_old(self, four, at):
        four.point_latest(OLDEST)
        result = serin("prune", "--registry", at, "--keep", 1, "--no-cluster")
        assert result.stdout == f"{OLDER}: removed\n{OLD}: removed\n"
        assert result.stderr == f"{OLDEST}: kept, latest references it\n"
        assert four.runs() == [OLDEST, NEW]
        assert four.latest() == OLDEST

    def test_without_a_kubeconfig_it_is_said_that_no_cluster_was_asked(self, four, at):
        result = serin("prune", "--registry", at, "--keep", 3)
        assert result.stderr == "no kubeconfig: only the run that latest references is kept\n"
        assert four.runs() == [OLDER, OLD, NEW]

    def test_a_dry_run_says_the_same_and_removes_nothing(self, four, at):
        result = serin("prune", "--registry", at, "--keep", 2, "--no-cluster", "--dry-run")
        assert result.stdout == f"{OLDEST}: would be removed\n{OLDER}: would be removed\n"
        assert len(four.runs()) == 4

    def test_young_runs_stay(self, four, at):
        serin("prune", "--registry", at, "--keep", 1, "--no-cluster", "--older-than", 2.5)
        assert four.runs() == [OLDER, OLD, NEW]

    def test_an_empty_registry_is_no_error(self, empty):
        result = serin("prune", "--registry", empty, "--no-cluster")
        assert (result.exit_code, result.output) == (0, "")

    @pytest.mark.parametrize(
        "model",
        [
            {"spec": {"runID": OLDER}},
            {"spec": {"runID": NEW}, "status": {"stable": {"runID": OLDER, "digest": "sha256:0"}}},
            {"spec": {"runID": NEW}, "status": {"previous": {"runID": OLDER}}},
            {"spec": {"runID": NEW}, "status": {"candidate": {"runID": OLDER, "state": "Running"}}},
            {"spec": {"runID": NEW}, "status": {"rejected": [{"runID": OLDER}]}},
            {"spec": {"runID": NEW}, "status": {"podRuns": [{"runID": NEW}, {"runID": OLDER}]}},
        ],
        ids=["spec", "stable", "previous", "candidate", "rejected", "pods"],
    )
    def test_a_run_that_a_model_names_stays_wherever_it_names_it(self, four, at, use, model):
        with api_server(200, {"items": [{"metadata": {"name": "other"}, "spec": {}}, model]}) as (config, asked):
            use(config)
            result = serin("prune", "--registry", at, "--keep", 1)
        assert result.exit_code == 0, result.output
        assert result.stderr == f"{OLDER}: kept, a SuggestionModel references it\n"
        assert four.runs() == [OLDER, NEW]
        assert asked == ["/apis/serin.dev/v1alpha1/suggestionmodels"], "of all namespaces"

    def test_history_alone_keeps_no_run(self, four, at, use):
        model = {"spec": {"runID": NEW}, "status": {"history": [{"runID": OLDER}]}}
        with api_server(200, {"items": [model]}) as (config, _):
            use(config)
            serin("prune", "--registry", at, "--keep", 1)
        assert four.runs() == [NEW]

    def refuses(self, registry, at, complaint):
        before = registry.runs()
        result = serin("prune", "--registry", at, "--keep", 1)
        assert is_refused(result, complaint)
        assert "nothing was removed; --no-cluster" in result.stderr
        assert registry.runs() == before
        assert serin("prune", "--registry", at, "--keep", 1, "--no-cluster").exit_code == 0
        assert registry.runs() == [NEW]

    @pytest.mark.parametrize("status", [401, 403, 404, 500])
    def test_an_api_server_that_does_not_tell_removes_nothing(self, four, at, use, status):
        with api_server(status, {"kind": "Status"}) as (config, _):
            use(config)
            self.refuses(four, at, f"the API server answered {status}")

    def test_a_cluster_that_cannot_be_reached_removes_nothing(self, four, at, use):
        use(kubeconfig(1))
        self.refuses(four, at, "the API server cannot be reached")

    @pytest.mark.parametrize(
        "text",
        ["", "nonsense", "[", "current-context: c\ncontexts: []\nclusters: []\n", "contexts: 3\n"],
        ids=["empty", "text", "no YAML", "no such context", "another shape"],
    )
    def test_a_kubeconfig_that_is_damaged_removes_nothing(self, four, at, use, text):
        use(text)
        self.refuses(four, at, "cannot be used")

    def test_a_kubeconfig_that_is_named_and_not_there_removes_nothing(self, four, at, monkeypatch, tmp_path):
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
        point_client(monkeypatch, tmp_path / "none")
        self.refuses(four, at, f"the kubeconfig {tmp_path / 'none'} cannot be used")

    def test_a_latest_that_names_no_run_removes_nothing(self, four, at):
        (at / manifest.RUNS_DIRECTORY / manifest.LATEST).symlink_to("/etc")
        assert is_refused(serin("prune", "--registry", at, "--keep", 1, "--no-cluster"), "which is no run")
        assert len(four.runs()) == 4
