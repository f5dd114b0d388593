"""No password of an address is in what a command prints, logs or writes, whatever characters it has."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from serin_server.settings import SettingsError, parse_store
from serin_training.errors import GitError
from serin_training.retraining.git_commit import Commit

WORD = "s3cr3t"
"""Is in every password, and in nothing else that a command prints."""
HARD = tuple(
    pattern.format(WORD)
    for pattern in (
        *("{}", "top#{}", "top/{}", "top[{}", "top]{}", "top@{}", "top%{}", "top?{}", "top:{}", "top&{}=x", "top {}"),
        *("tópp{}", "トップ{}", "12#{}/34@5", "{}'\"", "$({})", "{}#a", "{}/a", "{}@"),
    )
)


def forms(passwords):
    return sorted({form for password in passwords for form in (password, quote(password, safe=""))})


DATABASES = (
    "postgresql://svc:{}@127.0.0.1:1/ledger",
    "postgresql://svc:{}@127.0.0.1:1/ledger#labelled",
    "postgresql://:{}@127.0.0.1:1/ledger",
    "postgresql://{}@127.0.0.1:1/ledger",
    "postgresql://127.0.0.1:1/ledger?user=svc&password={}",
    "postgresql://svc:x@127.0.0.1:1/ledger?sslpassword={}#labelled",
    "host=127.0.0.1 port=1 user=svc password={}",
    "svc:{}@127.0.0.1/ledger",
)
SITES = ("http://svc:{}@127.0.0.1:1/runs", "http://:{}@127.0.0.1:1/runs", "http://127.0.0.1:1/runs?token={}")
SCHEDULERS = ("tcp://svc:{}@127.0.0.1:1",)
REMOTES = ("https://svc:{}@127.0.0.1:1/a.git", "https://{}@127.0.0.1:1/a.git")

# Addresses, and a command that uses one. A registry that cannot be reached is tried several times: few passwords.
COMMANDS = {
    "train": (DATABASES, HARD, ["train", "--data", "{}", "--page", "page.html"]),
    "features": (DATABASES, HARD, ["features", "--data", "{}", "--out", "features"]),
    "several": (DATABASES, HARD[:4], ["train", "--data", "none.csv", "--data", "{}"]),
    "rules suggest": (DATABASES, HARD[:4], ["rules", "suggest", "--data", "{}"]),
    "data export": (DATABASES, HARD[:4], ["data", "export", "--data", "{}", "--out", "served.csv"]),
    "data erase": (DATABASES, HARD, ["data", "erase", "--user", "u", "--store", "{}"]),
    "replay": (SITES, HARD, ["replay", "-f", "model.yaml", "--prometheus", "{}", "--uid", "u", "--from", "2026-01-01"]),
    "scheduler": (SCHEDULERS, HARD, ["train", "--data", "none.csv", "--scheduler", "{}"]),
    "dask": (
        ("tcp://svc:{}@127.0.0.1:1",),
        HARD[:1],
        ["train", "--data", "a", "--engine", "dask", "--scheduler", "{}"],
    ),
    "runs list": (SITES, HARD[:6], ["runs", "list", "--registry", "{}"]),
    "runs show": (SITES[:1], HARD[:3], ["runs", "show", "latest", "--registry", "{}"]),
    "runs verify": (SITES[:1], HARD[:3], ["runs", "verify", "latest", "--registry", "{}"]),
    "runs diff": (SITES[:1], HARD[:3], ["runs", "diff", "latest", "latest", "--registry", "{}"]),
    "runs swap-to": (SITES[:1], HARD[:3], ["runs", "swap-to", "latest", "--registry", "{}"]),
    "runs prune": (SITES[:1], HARD[:3], ["runs", "prune", "--no-cluster", "--registry", "{}"]),
    "train, registry": (SITES[:1], HARD[:3], ["train", "--data", "none.csv", "--registry", "{}"]),
    "evaluate": (SITES[:1], HARD[:3], ["evaluate", "--run", "latest", "--data", "none.csv", "--registry", "{}"]),
    "thresholds": (SITES[:1], HARD[:3], ["thresholds", "--run", "latest", "--data", "none.csv", "--registry", "{}"]),
    "drift": (SITES[:1], HARD[:3], ["drift", "--run", "latest", "--data", "none.csv", "--registry", "{}"]),
    "retrain": (SITES[:1], HARD[:3], ["retrain", "--data", "none.csv", "--registry", "{}"]),
}
# Runs `serin` with one list of arguments after another: importing it takes longer than all the rest.
DRIVER = """
import json, sys
from serin_cli.main import main
for name, commands in json.load(sys.stdin).items():
    for arguments in commands:
        sys.argv = ["serin", *arguments]
        try:
            main()
        except SystemExit as ended:
            assert ended.code in (1, 2), (name, ended.code)
        for stream in (sys.stdout, sys.stderr):
            stream.write(f"\\n--- {name}\\n")
            stream.flush()
"""


def filled(arguments, address):
    return [address if one == "{}" else one for one in arguments]


def parts(output):
    """Return what each command printed, by its name."""
    found = {}
    for text, name in re.findall(r"(.*?)\n--- ([^\n]*)\n", output, flags=re.DOTALL):
        found.setdefault(name, []).append(text)
    return found


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each command printed on stdout and stderr; none left a file with a password."""
    folder = tmp_path_factory.mktemp("commands")
    example = Path(__file__).parents[2] / "examples" / "suggestionmodel.yaml"
    (folder / "model.yaml").write_text(example.read_text())
    asked = {
        name: [filled(arguments, address.format(one)) for address in addresses for one in forms(passwords)]
        for name, (addresses, passwords, arguments) in COMMANDS.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(asked), cwd=folder, capture_output=True, text=True,
        check=False, timeout=600, env={**os.environ, "SERIN_STORE": "", "KUBECONFIG": "/none", "COLUMNS": "1000"},
    )  # fmt: skip
    assert done.returncode == 0, "the driver failed"
    for path in folder.rglob("*"):
        assert WORD not in path.name
        assert path.is_dir() or WORD.encode() not in path.read_bytes()
    out, err = parts(done.stdout), parts(done.stderr)
    assert {name: len(found) for name, found in err.items()} == {name: len(found) for name, found in asked.items()}
    return {name: [*out[name], *err[name]] for name in asked}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_prints_no_password_and_no_traceback(printed, name):
    text = "\n".join(printed[name])
    assert text.strip()
    assert not [line for line in text.splitlines() if WORD in line]
    assert "Traceback" not in text


def test_the_host_is_shown_where_the_address_is_well_formed(printed):
    assert "serin train: postgresql://127.0.0.1:1/ledger: cannot connect" in "\n".join(printed["train"])
    assert "serin runs list: the registry http://127.0.0.1:1/runs: the store cannot" in "\n".join(printed["runs list"])


class TestGit:
    @pytest.fixture
    def repository(self, tmp_path):
        git(tmp_path, "init", "--quiet")
        (tmp_path / "model.yaml").write_text("kind: SuggestionModel\nspec:\n  runID: run_00000000_1\n")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", "model")
        return tmp_path

    @pytest.mark.parametrize("address", REMOTES)
    @pytest.mark.parametrize("way", ["by name", "by address"])
    def test_a_push_that_fails_shows_no_password(self, repository, address, way):
        for number, password in enumerate(forms(HARD[:9])):
            push = address.format(password)
            if way == "by name":
                git(repository, "remote", "add", f"r{number}", push)
                push = f"r{number}"
            run = f"run_0000000a_{number + 1}"
            with pytest.raises(GitError) as caught:
                Commit(repository, Path("model.yaml"), None, push).commit(run, "message")
            assert WORD not in str(caught.value)


def git(folder, *arguments):
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@x", *arguments], check=True, timeout=60
    )


def serving(command, environment, folder):
    """Start a server; return it, and a function that waits for a text in its log and returns all of the log so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=folder, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines, changed = [], threading.Condition()

    def follow():
        for line in process.stdout:
            with changed:
                lines.append(line)
                changed.notify_all()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()

    def log(text):
        with changed:
            assert changed.wait_for(lambda: any(text in line for line in lines), timeout=60), lines
        return "".join(lines)

    def end():
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        thread.join(timeout=10)
        return "".join(lines)

    return log, end


@pytest.mark.parametrize("password", [quote(HARD[1], safe=""), HARD[1], HARD[3]], ids=["encoded", "raw #", "raw ["])
def test_a_server_shows_no_password_in_logs_metrics_and_responses(tmp_path, password):
    log, end = serving(
        ["serin_cli.main", "serve", "--registry", f"http://svc:{password}@127.0.0.1:1/runs?token={password}", "--port",
         "0", "--store", f"postgresql://svc:{password}@127.0.0.1:1/ledger"],
        {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://svc:{password}@127.0.0.1:1"},
        tmp_path,
    )  # fmt: skip
    seen = []
    try:
        address = re.search(r"listening on (http://\S+)", log("listening on"))[1]
        log("cannot read latest")
        with httpx.Client(base_url=address, timeout=30) as client:
            seen += [client.get(path).text for path in ("/metrics", "/ml/status", "/readyz")]
            one = {"txn_id": "t", "merchant": "m", "amount": 1, "user_id": "u"}
            seen.append(client.post("/transactions", json={"transactions": [one]}).text)
    finally:
        seen.append(end())
    assert not [line for text in seen for line in text.splitlines() if WORD in line]


@pytest.mark.parametrize("password", forms(HARD))
def test_a_server_with_a_store_of_an_unknown_kind_shows_no_password(password):
    for address in ("mysql://svc:{}@host/base", "svc:{}@host", "{}", "host=h password={}"):
        with pytest.raises(SettingsError) as caught:
            parse_store(address.format(password))
        assert WORD not in str(caught.value)
