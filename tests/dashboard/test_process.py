"""The process of the dashboard in a cluster: it starts with the rights of a pod, and ends on SIGTERM."""

import os
import signal
import subprocess

import httpx
import pytest
from dashboard.process import COMMAND, fake_cluster, running


@pytest.fixture
def kubeconfig(tmp_path):
    with fake_cluster(tmp_path) as file:
        yield file


def lines_until(stream, wanted):
    """Read lines of an event stream until one begins with a word."""
    return next(line for line in stream if line.startswith(wanted))


def test_sigterm_ends_open_streams_and_the_process_with_status_0(kubeconfig):
    with running(kubeconfig, "--namespace", "shop") as (process, address), httpx.Client(timeout=60) as client:
        with client.stream("GET", f"{address}/events") as response:
            stream = response.iter_lines()
            lines_until(stream, "event: changed")
            assert "categories" in client.get(address).text
            assert client.get(f"{address}/readyz").text == "ok\n"
            process.send_signal(signal.SIGTERM)
            assert not [line for line in stream if line.startswith("error")]
        assert process.wait() == 0
        assert "Cancel" not in process.stderr.read(), "no stream was cut off"


def test_a_right_that_is_missing_is_logged_and_keeps_it_from_being_ready(kubeconfig):
    with running(kubeconfig, "--namespace", "shop", "--namespace", "bank") as (process, address):
        said = next(line for line in process.stderr if "bank cannot be read" in line)
        assert "403 Forbidden: suggestionmodels.serin.dev is forbidden" in said
        found = httpx.get(f"{address}/readyz", timeout=60)
        assert found.status_code == 503
        assert "bank: the API server answered 403" in found.text
        assert httpx.get(f"{address}/healthz", timeout=60).status_code == 200


def test_without_a_service_account_or_a_kubeconfig_it_ends_and_says_so(tmp_path):
    environment = os.environ | {"KUBECONFIG": str(tmp_path / "none")}
    done = subprocess.run([*COMMAND, "--port", "0"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("serin-dashboard: no service account of a pod: ")
    assert "no usable kubeconfig" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--prot", "1"], "--prot"), (["--port", "70000"], "cannot listen on port 70000"), (["--port", "a"], "--port")],
)
def test_wrong_usage_ends_with_status_2(kubeconfig, options, message):
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    done = subprocess.run([*COMMAND, *options], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
